"""What the operator's commands and the clock do with dead letters and with the journal."""
