"""What follows from an event: each family of rules in a file of its own, and the book that lists them all."""
