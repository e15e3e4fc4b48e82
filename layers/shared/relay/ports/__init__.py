"""What Relay needs of the outside world, said in our own words; `adapters/` keeps these promises."""
