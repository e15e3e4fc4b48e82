"""Where Relay talks to AWS and to other people's servers; the only rooms that may import their libraries."""
