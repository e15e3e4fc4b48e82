"""Says which of some customers are erased, by their records."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Set as AbstractSet

from relay.model.member import member_key
from relay.ports.members import MemberStore


def erased_customers(members: MemberStore, shop: str, customers: Collection[str]) -> AbstractSet[str]:
    """Return the customer ids of those that are erased.

    Raises:
        TransientError: the table does not answer.

    """
    if not customers:
        return frozenset()
    records, _ = members.load([member_key(shop, customer) for customer in customers])
    return {record.member.customer_id for record in records.values() if record.member.is_erased}
