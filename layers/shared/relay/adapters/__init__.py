"""Calls to AWS and to other servers: the only folder that may import their libraries."""
