"""Relay: from an Inveterate webhook to the right people, told once, and a CRM equal to the programme."""
