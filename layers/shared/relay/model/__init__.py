"""What Relay knows of a member, an event, an effect and an incident. Values and pure functions."""
