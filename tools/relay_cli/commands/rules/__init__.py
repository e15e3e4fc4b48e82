"""`relay rules`: the command, its listing, and how it reads a document."""
