"""Keeps a CRM equal to the programme: contacts, timeline events, audits and back-fills."""
