"""The business rules: what an event means for the membership programme. Pure functions of event, member and settings."""
