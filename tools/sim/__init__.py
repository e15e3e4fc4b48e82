"""Inveterate and everything around it, on localhost: for showing, testing and breaking Relay."""
