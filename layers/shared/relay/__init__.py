"""Relay: from an Inveterate webhook to one alert for the right people, and a CRM equal to the programme."""
