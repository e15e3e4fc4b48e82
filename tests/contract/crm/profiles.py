"""Made-up members for the CRM tests."""

from __future__ import annotations

from datetime import UTC, datetime

from relay.model.facts import Facts
from relay.model.fields import Value
from relay.model.member import Member, merge
from relay.rules.crm_profile import CrmProfile, crm_profile
from relay.rules.settings import Rules

SHOP = "acme.myshopify.com"
AT = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


def key_of(customer: int | str) -> str:
    """Return a member's key."""
    return f"{SHOP}:{customer}"


def member(customer: int | str = 7001, at: datetime = AT, /, **values: Value) -> Member:
    """Return a member with these values as of `at`; with an e-mail address, unless `email` is given."""
    given: dict[str, Value] = {"email": f"member-{customer}@example.com", **values}
    return merge(
        Member(shop=SHOP, customer_id=str(customer)), Facts(event_id=f"e{at:%H%M%S}", at=at, values=given)
    )


def wanted(customer: int | str = 7001, /, **values: Value) -> CrmProfile:
    """Return the profile of such a member."""
    return crm_profile(member(customer, AT, **values), Rules()).sent_at(AT)
