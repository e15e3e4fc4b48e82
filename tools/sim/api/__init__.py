"""The API of the platform, v2.0 and v1, over the simulated world."""
