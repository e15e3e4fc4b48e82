"""Fake servers of other companies, for tests and local runs: as strict as the real ones, and they fail on request.

HubSpot, Klaviyo, Salesforce, Slack, PagerDuty and a receiver of signed webhooks. Nothing here imports Relay, its SDK
or the simulator: a fake follows the documentation of the server that it replaces.
"""
