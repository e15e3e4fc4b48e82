"""Deploys a shop's stack: its file of settings, what a change does, the change set, and probes through the public URL."""
