"""The ambiguities of the documentation: one switch each, so that tests cover every interpretation.

`about` describes the ambiguity; `trap` is its number in the notes on the documentation. The first choice is the
default.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from sim.errors import NotFoundError, RefusedError


@dataclass(frozen=True, slots=True)
class Ambiguity:
    """An ambiguity: its possible interpretations, or a check of free text if they cannot be listed."""

    about: str
    choices: tuple[str, ...]
    trap: int | None = None
    check: Callable[[str], object] | None = None

    @property
    def default(self) -> str:
        """The interpretation without a setting."""
        return self.choices[0]


def seconds(text: str) -> tuple[float, ...]:
    """Parse a retry schedule: comma-separated seconds between attempts; empty for none."""
    waits = tuple(float(part) for part in text.split(",") if part.strip())
    if any(not 0 <= wait < 86_400 for wait in waits):  # noqa: PLR2004 - a day
        raise ValueError("a wait is between 0 and a day")
    return waits


AMBIGUITIES: Final[dict[str, Ambiguity]] = {
    # the shape of replies
    "data_shape": Ambiguity(
        "where the records of a reply are: bare, under a name, or one level down",
        ("named", "array", "nested"),
        39,
    ),
    "cursor_place": Ambiguity(
        "whether the cursor is in data or beside it (beside it for a bare array)",
        ("data", "top"),
        38,
    ),
    "list_end": Ambiguity(
        "how the last page is marked: no cursor, null, or a cursor to an empty page",
        ("absent", "null", "cursor"),
        38,
    ),
    "credit_cursor": Ambiguity(
        "the type of lastCreditEntry: text that needs encoding, or an object", ("text", "object"), 37
    ),
    "page_max": Ambiguity("the most records of one page", ("100", "25", "1000"), 38, check=int),
    "bad_key": Ambiguity("the status of a missing or wrong key", ("400", "401", "403"), 43),
    "not_found": Ambiguity("the answer to a read of a missing object", ("400", "404", "empty"), 43),
    "unknown_member_write": Ambiguity(
        "whether a write for an unknown member is accepted and lost, or refused", ("accepted", "refused"), 41
    ),
    "birthday_readable": Ambiguity("whether a member's birthday is in any reply", ("no", "yes"), 48),
    "ledger_notes": Ambiguity("whether the ledger shows notes", ("yes", "no"), 42),
    "ledger_expired": Ambiguity(
        "whether expiry leaves an entry of its own in the ledger", ("entry", "none"), 68
    ),
    "redemption_reply": Ambiguity("whether a redemption's reply has the code", ("empty", "code"), 44),
    "tiers": Ambiguity(
        "a shop with tiers or without: the other family of benefits answers 400", ("enabled", "disabled"), 55
    ),
    "free_to_paid": Ambiguity(
        "FREE to PAID without a contract: refused by the API's text, allowed by the merchant's guide",
        ("refused", "allowed"),
        50,
    ),
    # subscriptions and deliveries
    "subscriptions_per_topic": Ambiguity(
        "several per topic, or one: a second replaces the first or is refused",
        ("many", "one_replaces", "one_refuses"),
        11,
    ),
    "subscription_token": Ambiguity(
        "whether creating one returns a token, and where deliveries repeat it",
        ("none", "body", "metadata", "header"),
        1,
    ),
    "token_header": Ambiguity("the header that repeats the token", ("X-Inveterate-Token",), 1, check=str),
    "payment_method_topic": Ambiguity(
        "which of its two names the topic has",
        ("customer.payment_methods.updated", "customer.payment_method.changed"),
        7,
    ),
    "topic_aliases": Ambiguity(
        "whether the topic's other name can be subscribed as well", ("refused", "accepted"), 7
    ),
    "triggered_spelling": Ambiguity("how the key is spelled", ("triggerredAt", "triggeredAt"), 5),
    "retry_id": Ambiguity("whether a retry keeps metadata.id", ("keeps", "renews"), 4),
    "retry_triggered_at": Ambiguity("whether a retry keeps the time of triggering", ("keeps", "renews"), 4),
    "retry_schedule": Ambiguity(
        "real seconds before each further attempt", ("0.2,0.5,1,2,5,10,20,30",), 4, check=seconds
    ),
    "accepted_statuses": Ambiguity("which answers count as received", ("2xx", "200", "any"), 4),
    # events
    "cancellation_policy": Ambiguity("the shop's policy", ("end_of_cycle", "immediate")),
    "cancel_confirmation": Ambiguity("whether a request must be confirmed by e-mail", ("on", "off"), 46),
    "pending_after_failure": Ambiguity(
        "whether failed payments bring customer.pending_cancellation under end of cycle",
        ("silent", "event"),
        18,
    ),
    "failure_cancel_day": Ambiguity("when the cancellation follows under end of cycle", ("same", "next"), 18),
    "after_cancellation": Ambiguity(
        "whether a cancelled member falls back to the free tier", ("gone", "free_tier"), 24
    ),
    "billing_date": Ambiguity(
        "billingDate of an attempt: of the cycle, of the attempt, or a cycle ahead as in the sample",
        ("fixed", "moving", "ahead"),
        20,
    ),
    "last_attempt_name": Ambiguity(
        "the sample's name or the list's", ("lastAttemptedAt", "lastAttemptAt"), 17
    ),
    "first_payment": Ambiguity(
        "whether a first purchase fires customer.payment_succeeded", ("event", "silent"), 29
    ),
    "trial_conversion": Ambiguity(
        "what fires when a trial is paid for the first time", ("payment", "payment_and_joined"), 29
    ),
    "tier_move": Ambiguity(
        "what fires when a member moves to the free tier", ("changed", "joined", "both"), 24
    ),
    "expiry_updates": Ambiguity("whether an expiry also fires customer.credits.updated", ("no", "yes"), 27),
    "redemption_sign": Ambiguity("the sign of amount when credits are spent", ("negative", "positive"), 27),
    "membership_orders": Ambiguity(
        "whether sign-ups and renewals fire customer.ordered", ("silent", "event"), 14
    ),
    "updated_events": Ambiguity(
        "what fires customer.updated: writes of the profile, or every change of the record",
        ("profile", "all"),
        21,
    ),
}


class Switches:
    """The chosen interpretation of each ambiguity."""

    def __init__(self, **chosen: str) -> None:
        self._values = {name: ambiguity.default for name, ambiguity in AMBIGUITIES.items()}
        for name, value in chosen.items():
            self.set(name, value)

    def __getitem__(self, name: str) -> str:
        return self._values[name]

    def __call__(self, name: str, value: str) -> bool:
        """Return whether the switch has this value."""
        return self._values[name] == value

    def set(self, name: str, value: str) -> None:
        """Set a switch.

        Raises:
            NotFoundError: the switch does not exist.
            RefusedError: the switch has no such value.

        """
        ambiguity = AMBIGUITIES.get(name)
        if ambiguity is None:
            raise NotFoundError(f"no such switch: {name}")
        if ambiguity.check is None and value not in ambiguity.choices:
            raise RefusedError(f"{name} is one of {', '.join(ambiguity.choices)}")
        if ambiguity.check is not None:
            try:
                ambiguity.check(value)
            except ValueError:
                raise RefusedError(f"{name} is like {ambiguity.default}") from None
        self._values[name] = value

    def described(self) -> dict[str, dict[str, Any]]:
        """Return every switch with its value, choices and description."""
        return {
            name: {
                "value": self._values[name],
                "choices": list(ambiguity.choices),
                "about": ambiguity.about,
                "trap": ambiguity.trap,
            }
            for name, ambiguity in AMBIGUITIES.items()
        }
