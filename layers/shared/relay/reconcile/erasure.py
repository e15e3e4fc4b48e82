"""Reads the API's answer to a webhook that says a member was erased: confirmed, denied, or denied for a day.

Anyone who knows the callback URL could post such a webhook, so with an API key it only asks. What the API confirms is
dated by the webhook and never by the reading: a member who has joined since stays a member. The API has confirmed it
where its record of the member says so, or where it has no such member while the key is good (the SDK reads the
merchant with the same key before it reports a member as missing). A denial is asked about again each hour for a day;
then people are told, with the command that erases.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from relay.model.effects import MEMBER, Alert, Effects, Level
from relay.model.erasure import open_claim
from relay.model.fields import Value
from relay.model.member import Member

if TYPE_CHECKING:
    from inveterate import Member as ApiMember

DENIED_FOR: Final = timedelta(days=1)
"""How long the API may deny an erasure until it counts as refused: the platform writes its record some time later."""


def answer(read: ApiMember | None, date: datetime, record: Member) -> dict[str, Value]:
    """Return what a reading answers to an open claim, as values of the record; none without a claim.

    `read` is None where the API has no such member. A record that does not say whether it is anonymised denies it.
    """
    claimed = open_claim(record)
    if claimed is None:
        return {}
    if read is None or read.anonymized:
        return {"erased_at": claimed, "erasure_denied_since": None}
    since = record.moment("erasure_denied_since")
    if since is None:
        return {"erasure_denied_since": date}
    if date - since < DENIED_FOR:
        return {}
    return {"erasure_refused_at": claimed, "erasure_denied_since": None}


def denied_alert(before: Member, after: Member) -> Effects:
    """Yield the alert about an erasure that this reading has refused for good."""
    refused = after.moment("erasure_refused_at")
    if refused is None or refused == before.moment("erasure_refused_at"):
        return
    yield Alert(
        rule="erasure.denied",
        incident_key=f"erasure:{after.key}",
        level=Level.WARNING,
        title=f"A webhook says that {MEMBER} was erased, and Inveterate denies it",
        details=(("Announced", f"{refused:%Y-%m-%d %H:%M} UTC"),),
        advice="Look at the member in Inveterate. Nothing was erased. If the member asked for it, "
        f"run: relay erase {after.customer_id}",
        one_off=True,
    )
