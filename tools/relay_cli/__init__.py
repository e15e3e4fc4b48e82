"""The `relay` command: operate a deployed stack, and run Relay on this machine."""
