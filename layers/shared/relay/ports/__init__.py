"""The interfaces to everything outside of Relay; `adapters/` implements them."""
