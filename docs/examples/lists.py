"""Read a long list in pages, continue it after a crash, and see whether it is complete."""

import os
from pathlib import Path

from inveterate import Client

api_key = os.environ["INVETERATE_API_KEY"]
base_url = os.environ.get("INVETERATE_URL", "http://127.0.0.1:8600")
bookmark = Path(os.environ.get("BOOKMARK", "members.cursor"))

with Client(api_key, base_url=base_url) as client:
    cursor = bookmark.read_text() if bookmark.exists() else None
    members = client.members.list(limit=10, cursor=cursor)
    for page in members.by_page():
        print(len(page), "members")
        if page.cursor is not None:
            bookmark.write_text(page.cursor)  # after a crash: go on with the page that follows
    bookmark.unlink(missing_ok=True)
    # A platform that ends a list in an undocumented way does not end it silently.
    print(
        "complete" if members.is_complete else f"not certain: {members.end}, {members.unreadable} unreadable"
    )
