"""Read the merchant, some members and their credits."""

import os

from inveterate import Client

api_key = os.environ["INVETERATE_API_KEY"]
base_url = os.environ.get("INVETERATE_URL", "http://127.0.0.1:8600")

with Client(api_key, base_url=base_url) as client:
    print(client.merchant.get().merchant_name)
    for member in client.members.list():
        print(member.customer_id, member.status, member.credit)
        for entry in client.members.credits.list(member.customer_id):
            print("  ", entry.created_at, entry.amount, entry.reason)
