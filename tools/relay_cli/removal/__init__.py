"""What `relay uninstall` does: the plan, the deletion of the stack, and the deletion of what outlives it."""
