"""Inveterate, for Python: the membership platform's webhooks and API, typed.

The package imports nothing until it is asked to: `inveterate.webhooks` reads a delivery and needs
no HTTP client.
"""
