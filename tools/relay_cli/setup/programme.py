"""Proposes a rules document from what the programme's API says of its tiers and its currency. Pure but for one call.

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
from relay.rules.settings import Thresholds

_INTERVALS: Final = {1: "month", 3: "quarter", 12: "year"}
_LIKE_DOLLARS: Final = frozenset({"AUD", "CAD", "CHF", "EUR", "GBP", "NZD"})
"""Currencies in which the amounts that fit dollars mean about the same."""

_HEADER: Final = """\
# Proposed from the programme. What is not here has its default: docs/rules.md lists every setting.
# `relay rules apply` puts it into force. The highest rank is the best tier, and its members are of high value.
"""


def tiers_of(api_key: str, url: str) -> tuple[Tier, ...]:
    """Return the programme's tiers; none where the shop has none, or the API does not say."""
    try:
        with Client(api_key, base_url=url) as client:
            return tuple(client.tiers.list())
    except InveterateError:
        return ()


def proposal(tiers: Iterable[Tier], currency: str | None) -> str | None:
    """Return a rules document for these tiers as YAML; None where there is nothing to propose."""
    rows = {str(tier.tier_id): _row(tier) for tier in tiers if tier.tier_id}
    lines = ["tiers:", *(f"  {json.dumps(key)}: {_flow(row)}" for key, row in rows.items())] if rows else []
    code = (currency or "USD").upper()
    if code in _LIKE_DOLLARS:
        amounts = {name: int(amount) for name, amount in Thresholds().model_dump().items()}
        lines += ["currencies:    # the amounts that fit dollars: check them", f"  {code}: {_flow(amounts)}"]
    elif code != "USD":
        lines.append(f"# currencies: {{{code}: …}}    the six amounts in {code}; without them none applies")
    return "\n".join([_HEADER.rstrip(), *lines]) + "\n" if lines else None


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
