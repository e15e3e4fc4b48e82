"""From the HTTP request of a webhook to the member's record and its effects."""
