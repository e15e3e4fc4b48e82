"""Stand-ins for the servers that Relay talks to: as strict as the real ones, and willing to fail on demand."""
