"""The resources of API v2.0: one module for each, one method for each operation."""
