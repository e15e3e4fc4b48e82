"""Notes become events in a profile's timeline, each under an id of its own, so that none is told twice.

Metric names are a contract with the merchant's flows (`Membership Joined`, …). Without an id of its own
Klaviyo would keep one event of a metric per person and second, and drop the others of a burst.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from relay.adapters.crm_http import ClosedError
from relay.adapters.klaviyo.client import KlaviyoClient
from relay.adapters.klaviyo.mapping import encode, moment
from relay.changes import Change, Happening
from relay.effects import Note, effect_id
from relay.ports.crm import Home, Outcome

EVENTS: Final = "/api/events"

CARRIED: Final = (
    "membership_key",
    "tier_id",
    "tier_name",
    "status",
    "amount",
    "amount_minor",
    "currency",
    "occurred_at",
    "inveterate_event_id",
)
"""What every event has, null where there is nothing to say: a flow's template may count on the names."""

_NO_HOME: Final = Outcome(state="skipped", reason="no_email")

_WITHOUT_CENTS: Final = frozenset(
    [
        "BIF",
        "CLP",
        "DJF",
        "GNF",
        "ISK",
        "JPY",
        "KMF",
        "KRW",
        "PYG",
        "RWF",
        "UGX",
        "UYI",
        "VND",
        "VUV",
        "XAF",
        "XOF",
        "XPF",
    ]
)
_WITH_THOUSANDTHS: Final = frozenset(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"])


def record(client: KlaviyoClient, changes: Sequence[Change], homes: Mapping[str, Home]) -> dict[str, Outcome]:
    """Send the notes in the order given; an outcome for each, by effect id. After a closed door none is tried."""
    outcomes: dict[str, Outcome] = {}
    closed: Outcome | None = None
    for change, happening, note in _notes(changes):
        email = homes[change.member].email if change.member in homes else None
        if closed or not email:
            outcomes[effect_id(happening.event_id, note)] = closed or _NO_HOME
            continue
        try:
            outcome = _send(client, event(change, happening, note, email))
        except ClosedError as error:
            # Whether this one was heard is not known; of the rest it is known that they were never sent.
            outcome, closed = error.outcome, _unsent(error.outcome)
        outcomes[effect_id(happening.event_id, note)] = outcome
    return outcomes


def event(change: Change, happening: Happening, note: Note, email: str) -> dict[str, Any]:
    """Return a note as a resource."""
    told = _properties(change, happening, note)
    attributes: dict[str, Any] = {
        "unique_id": effect_id(happening.event_id, note),
        "time": moment(happening.at),
        "backfill": change.quiet,
        "properties": told,
        "metric": {"data": {"type": "metric", "attributes": {"name": note.name}}},
        "profile": {"data": {"type": "profile", "attributes": {"email": encode(email)}}},
    }
    if isinstance(told["amount"], Decimal):
        attributes["value"] = told["amount"]
        attributes |= {"value_currency": told["currency"]} if told["currency"] else {}
    return {"type": "event", "attributes": attributes}


def minor_units(amount: Decimal, currency: str) -> int:
    """Return an amount in the smallest unit of its currency: 24.99 USD is 2499, 500 JPY is 500."""
    exponent = 0 if currency in _WITHOUT_CENTS else 3 if currency in _WITH_THOUSANDTHS else 2
    return int(amount.scaleb(exponent).to_integral_value())


def _properties(change: Change, happening: Happening, note: Note) -> dict[str, Any]:
    given = {name: encode(value) for name, value in note.properties.items()}
    told: dict[str, Any] = {
        **dict.fromkeys(CARRIED),
        **given,
        "membership_key": change.member,
        "occurred_at": moment(happening.at, "milliseconds"),
        "inveterate_event_id": happening.event_id,
    }
    amount, currency = told["amount"], told["currency"]
    if told["amount_minor"] is None and isinstance(amount, Decimal) and isinstance(currency, str):
        told["amount_minor"] = minor_units(amount, currency.upper())
    return told


def _send(client: KlaviyoClient, data: Mapping[str, Any]) -> Outcome:
    reply = client.post(EVENTS, data)
    # 202 is all that there is: validated, and processed in Klaviyo's own time. It names no event.
    return Outcome(state="mirrored") if reply.ok else Outcome(state="refused", reason=reply.code)


def _unsent(outcome: Outcome) -> Outcome:
    return Outcome(state=outcome.state, reason=outcome.reason, retry_after=outcome.retry_after)


def _notes(changes: Sequence[Change]) -> Iterator[tuple[Change, Happening, Note]]:
    for change in changes:
        for happening in change.happenings:
            for effect in happening.effects:
                if effect.kind == "note":
                    yield change, happening, effect
