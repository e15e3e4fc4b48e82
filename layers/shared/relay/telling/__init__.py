"""People are told: each matter once, again when it grows worse, and when it is over, by every channel."""
