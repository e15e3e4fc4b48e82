"""Queues between Relay's functions: how a batch is run, and the requests that are sent."""
