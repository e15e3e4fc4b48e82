"""Settings, and which adapter stands behind which port: made from the environment at a function's first event."""
