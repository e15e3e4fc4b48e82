"""Proposes a rules document from what the programme's API says of its tiers. Pure but for one call.

No page describes a tier: whatever the API says beyond id and name is taken where it fits, and left out otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

from inveterate import Client, InveterateError
from inveterate.models.shop import Tier
from relay.rules.document import InvalidRulesError, validated

_INTERVALS: Final = {1: "month", 3: "quarter", 12: "year"}

_HEADER: Final = """\
# Proposed from the programme. What is not here has its default: docs/rules.md lists every setting.
# `relay rules apply` puts it into force. The highest rank is the best tier, and its members are of high value. Until a
# threshold is set, the programme's own measure decides what is of high value and what is unusual.
"""


def tiers_of(api_key: str, url: str) -> tuple[Tier, ...]:
    """Return the programme's tiers; none where the shop has none, or the API does not say."""
    try:
        with Client(api_key, base_url=url) as client:
            return tuple(client.tiers.list())
    except InveterateError:
        return ()


def proposal(tiers: Iterable[Tier]) -> str | None:
    """Return a rules document for these tiers as YAML; None where there is none."""
    rows = {str(tier.tier_id): _row(tier) for tier in tiers if tier.tier_id}
    if not rows:
        return None
    lines = ["tiers:", *(f"  {json.dumps(key)}: {_flow(row)}" for key, row in rows.items())]
    return _HEADER + "\n".join(lines) + "\n"


def _row(tier: Tier) -> Mapping[str, Any]:
    """Return what is known of a tier, as far as the rules take it."""
    raw = tier.raw
    row: dict[str, Any] = {"name": tier.name} if tier.name else {}
    months, price = raw.get("billingIntervalMonths"), _amount(raw.get("price"))
    more = {
        "rank": raw.get("rank"),
        "billing_interval": _INTERVALS.get(months) if isinstance(months, int) else None,
        "annual_fee": price * 12 / months if price and isinstance(months, int) and months > 0 else None,
    }
    for name, value in more.items():
        if value is not None and _fits({**row, name: value}):
            row[name] = value
    return row


def _amount(value: object) -> Decimal | None:
    try:
        return None if value is None or isinstance(value, bool) else Decimal(str(value))
    except ArithmeticError:
        return None


def _fits(row: Mapping[str, Any]) -> bool:
    try:
        validated({"tiers": {"tier": dict(row)}})
    except InvalidRulesError:
        return False
    return True


def _flow(row: Mapping[str, Any]) -> str:
    """Return a mapping in one line of YAML; JSON's texts are YAML's."""
    cells = [
        f"{name}: {value if isinstance(value, Decimal) else json.dumps(value, ensure_ascii=False)}"
        for name, value in row.items()
    ]
    return f"{{{', '.join(cells)}}}"
