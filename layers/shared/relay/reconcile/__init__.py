"""Comparing a member's record with the platform's API and repairing the difference."""
