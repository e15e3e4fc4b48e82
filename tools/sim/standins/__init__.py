"""Stand-ins for the services that Relay talks to: they validate as documented and remember what they got."""
