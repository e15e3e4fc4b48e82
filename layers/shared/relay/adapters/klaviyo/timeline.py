"""Notes become events in a profile's timeline, each with its own id, so that none appears twice.

Metric names are a contract with the merchant's flows (`Membership Joined`, …). Without an id Klaviyo would keep one event
of a metric per person and second, and drop the others of a burst.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from relay.adapters.http import CrmUnavailableError
from relay.adapters.klaviyo.client import KlaviyoClient
from relay.model.effects import Note
from relay.model.formats import json_value, utc_text
from relay.model.messages import EventEffects, MemberChanged, notes_in
from relay.model.timeline_events import MONEY_RECEIVED, properties_of
from relay.ports.crm import ContactRef, CrmOutcome
from relay.rules.timeline import with_common_properties

EVENTS: Final = "/api/events"

_CURRENCY: Final = re.compile("[A-Z]{3}")
_NO_EMAIL: Final = CrmOutcome(state="skipped", reason="no_email")


def record(
    client: KlaviyoClient, changes: Sequence[MemberChanged], contacts: Mapping[str, ContactRef]
) -> dict[str, CrmOutcome]:
    """Send the notes in the order given; return an outcome for each, by effect id.

    After `CrmUnavailableError` no further note is sent.
    """
    outcomes: dict[str, CrmOutcome] = {}
    stopped: CrmOutcome | None = None
    for note_id, change, event_effects, note in notes_in(changes):
        email = contacts[change.member].email if change.member in contacts else None
        if stopped or not email:
            outcomes[note_id] = stopped or _NO_EMAIL
            continue
        try:
            outcome = _send(client, event(note_id, change, event_effects, note, email))
        except CrmUnavailableError as error:
            # Klaviyo may have received this note; the rest certainly were not sent.
            outcome, stopped = error.outcome, _unsent(error.outcome)
        outcomes[note_id] = outcome
    return outcomes


def event(
    note_id: str, change: MemberChanged, event_effects: EventEffects, note: Note, email: str
) -> dict[str, Any]:
    """Return a note as a resource, with every property that events of its name have; null without a value."""
    whole = with_common_properties(
        note, member=change.member, event_id=event_effects.event_id, at=event_effects.at
    )
    # A flow's template relies on the names: each is there every time.
    properties = dict.fromkeys(properties_of(note.name)) | {
        name: json_value(value) for name, value in whole.properties.items()
    }
    attributes: dict[str, Any] = {
        "unique_id": note_id,
        "time": utc_text(event_effects.at, "seconds"),
        "backfill": change.backfill,
        "properties": properties,
        "metric": {"data": {"type": "metric", "attributes": {"name": note.name}}},
        "profile": {"data": {"type": "profile", "attributes": {"email": json_value(email)}}},
    }
    if note.name in MONEY_RECEIVED and isinstance(properties["amount"], Decimal):
        attributes["value"] = properties["amount"]
        # Klaviyo knows only currencies of ISO 4217, and refuses the whole event for any other text.
        currency = str(properties["currency"] or "").upper()
        attributes |= {"value_currency": currency} if _CURRENCY.fullmatch(currency) else {}
    return {"type": "event", "attributes": attributes}


def _send(client: KlaviyoClient, data: Mapping[str, Any]) -> CrmOutcome:
    reply = client.post(EVENTS, data)
    # 202 is the whole answer: validated, and processed in Klaviyo's own time. It names no event.
    return CrmOutcome(state="mirrored") if reply.ok else CrmOutcome(state="waiting", reason=reply.code)


def _unsent(outcome: CrmOutcome) -> CrmOutcome:
    return CrmOutcome(state=outcome.state, reason=outcome.reason, retry_after=outcome.retry_after)
