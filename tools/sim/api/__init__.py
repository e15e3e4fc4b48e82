"""The platform's API, v2.0 and v1, over the simulated world."""
