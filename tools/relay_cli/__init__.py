"""The `relay` command: run the product on this machine, and operate a deployed one."""
