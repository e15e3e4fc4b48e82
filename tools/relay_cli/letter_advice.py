"""What to do about a dead letter, by its reason: docs/operations.md says the same at more length."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_CRASHED: Final = "its function failed or ended each time: the saved query `errors` shows how; deploy a version that can, then redrive"
_UNREADABLE: Final = (
    "Relay cannot read it, and redriven it comes back: ask Inveterate by day. A newer version may read it, else drop it; "
    "the journal keeps it. One that came from a CRM's queue or from alerts was no webhook: drop it"
)
_UNFIT: Final = "AWS does not take it as it is: redrive it under a version that can, else drop it"
_MONEY: Final = "no credits were given: docs/retention.md says when they may be"
_CHANNEL: Final = (
    "the channel refuses this message: `relay test-alert` names what is wrong there; mend it, then redrive"
)

_BY_REASON: Final[Mapping[str, str]] = {
    "too_old": "what the error names was down or wrong for three days: see that it works (`relay doctor`), then redrive",
    "received_too_often": _CRASHED,
    "too_many_tries": _CRASHED,
    "refused_by_service": _UNFIT,
    "not_storable": _UNFIT,
    "too_large_for_journal": _UNFIT,
    "wrong_topic": "it was in another topic's queue, twice: look at its body, then redrive or drop it",
    "not_fanned_out": "what some writes of the members table had to send was not sent: redrive",
    "not_delivered": "SNS could not deliver it to a queue: redrive",
    "other_shop": "it is another shop's: correct that shop's subscriptions, then drop it",
    "unknown_topic": "this version knows no such topic: redrive it under one that does, else drop it",
    "channel_not_configured": _CHANNEL,
    "unconfirmed": _CHANNEL,
    "email_refused": _CHANNEL,
    "no_grant": _MONEY,
    "grant_refused": _MONEY,
    **dict.fromkeys(
        (
            "no_member",
            "no_envelope",
            "no_topic",
            "not_json",
            "too_deep",
            "unreadable",
            "unreadable_message",
            "unreadable_incident",
        ),
        _UNREADABLE,
    ),
}


def advice(reason: str) -> str:
    """Return what to do about a letter with this reason; a reason that is not known is looked up by its error."""
    if reason.startswith(("slack_", "pagerduty_")):
        return _CHANNEL
    return _BY_REASON.get(reason, "see what the error names; mend it, then redrive, or drop it")
