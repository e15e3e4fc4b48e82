"""Granting store credit to a member, at most once for each reason."""
