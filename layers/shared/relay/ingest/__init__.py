"""The way of a webhook from the HTTP request to the member's record and its effects."""
