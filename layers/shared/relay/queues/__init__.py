"""Messages between Relay's functions: how a batch from a queue is worked through, and what is put into the queues."""
