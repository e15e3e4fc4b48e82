"""`relay mirror`: one module for each group of actions."""
