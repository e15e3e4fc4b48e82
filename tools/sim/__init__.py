"""The simulated platform on localhost: a membership programme, the API and the webhooks of Inveterate, and a console.

It serves demonstrations and tests. It imports nothing of Relay, so that what it expects of a CRM is a second opinion.
"""
