"""Handle what can go wrong: each error says whether the request may have had an effect."""

import os
from datetime import date

from inveterate import (
    AmbiguousWriteError,
    BadKeyError,
    Client,
    ConnectionFailedError,
    CustomerId,
    InveterateError,
    NotFoundError,
    RateLimitError,
    Retries,
    ServerError,
    TierId,
)


def email_of(client: Client, customer_id: CustomerId) -> str | None:
    """Read a member's e-mail address; None for a customer without a membership."""
    try:
        return client.members.get(customer_id).email
    except NotFoundError:
        return None  # certain: the key is good, and the member does not exist
    except (ConnectionFailedError, RateLimitError, ServerError):
        raise  # transient, and repeated already: try again later
    except BadKeyError:
        raise SystemExit("the key is wrong or was revoked") from None


def move(client: Client, customer_id: CustomerId, tier_id: TierId) -> str:
    """Move a member to another tier; say what is known afterwards."""
    try:
        client.members.change_tier(customer_id, tier_id, next_billing_date=date(2030, 1, 31))
    except AmbiguousWriteError:
        return "unknown"  # it may be done: read the member, or await the webhook, before any repetition
    except InveterateError as error:
        return f"not done: {type(error).__name__}"
    return "accepted"  # forwarded: customer.changed_tier follows


def main() -> None:
    api_key = os.environ["INVETERATE_API_KEY"]
    base_url = os.environ.get("INVETERATE_URL", "http://127.0.0.1:8600")
    retries = Retries(max_attempts=3, deadline=10.0)
    with Client(api_key, base_url=base_url, timeout=5.0, retries=retries) as client:
        print(email_of(client, CustomerId("1")))
        member = next(iter(client.members.list(limit=1)))
        print(email_of(client, member.customer_id))
        print(move(client, member.customer_id, member.tier_id or TierId("6a538edc")))


if __name__ == "__main__":
    main()
