"""The `relay` command: run the whole on this machine, and operate what is deployed."""
