"""The subcommands: one module or small package each, with `configure(parser)` and `main(arguments) -> int`."""
