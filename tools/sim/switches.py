"""Where the documentation leaves something open: one switch each, so that a client is proved under every reading.

`about` says what is open; `trap` is the number under which our notes on the documentation keep the evidence.
The first choice is the default.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from sim.errors import NotThereError, RefusedError


@dataclass(frozen=True, slots=True)
class Switch:
    """An open point: its possible readings, or a check of free text where they cannot be listed."""

    about: str
    choices: tuple[str, ...]
    trap: int | None = None
    check: Callable[[str], object] | None = None

    @property
    def default(self) -> str:
        """The reading that holds unless somebody says otherwise."""
        return self.choices[0]


def seconds(text: str) -> tuple[float, ...]:
    """Read a retry schedule: seconds between attempts, comma separated; empty for none."""
    waits = tuple(float(part) for part in text.split(",") if part.strip())
    if any(not 0 <= wait < 86_400 for wait in waits):  # noqa: PLR2004 - a day
        raise ValueError("a wait is between 0 and a day")
    return waits


SWITCHES: Final[dict[str, Switch]] = {
    # the shape of replies
    "data_shape": Switch(
        "where a reply's records stand: bare, under a name, or one level down",
        ("named", "array", "nested"),
        39,
    ),
    "cursor_place": Switch(
        "whether the cursor stands in data or beside it (a bare array leaves only beside)",
        ("data", "top"),
        38,
    ),
    "list_end": Switch(
        "how the last page tells: no cursor, null, or a cursor whose page is empty",
        ("absent", "null", "cursor"),
        38,
    ),
    "credit_cursor": Switch(
        "what lastCreditEntry is: text that needs encoding, or an object", ("text", "object"), 37
    ),
    "page_max": Switch("the most records of one page", ("100", "25", "1000"), 38, check=int),
    "bad_key": Switch("the status of a missing or wrong key", ("400", "401", "403"), 43),
    "not_found": Switch("the answer to a read of what is not there", ("400", "404", "empty"), 43),
    "unknown_member_write": Switch(
        "whether a write for an unknown member is accepted and lost, or refused", ("accepted", "refused"), 41
    ),
    "birthday_readable": Switch("whether a member's birthday is in any reply", ("no", "yes"), 48),
    "ledger_notes": Switch("whether the ledger shows notes", ("yes", "no"), 42),
    "ledger_expired": Switch(
        "whether expiry leaves an entry of its own in the ledger", ("entry", "none"), 68
    ),
    "redemption_reply": Switch("whether a redemption's reply has the code", ("empty", "code"), 44),
    "tiers": Switch(
        "a shop with tiers or without: the other family of benefits answers 400", ("enabled", "disabled"), 55
    ),
    "free_to_paid": Switch(
        "FREE to PAID without a contract: refused by the API's text, allowed by the merchant's guide",
        ("refused", "allowed"),
        50,
    ),
    # subscriptions and deliveries
    "subscriptions_per_topic": Switch(
        "several per topic, or one: a second replaces the first or is refused",
        ("many", "one_replaces", "one_refuses"),
        11,
    ),
    "subscription_token": Switch(
        "whether creating one returns a token, and where deliveries repeat it",
        ("none", "body", "metadata", "header"),
        1,
    ),
    "token_header": Switch("the header that repeats the token", ("X-Inveterate-Token",), 1, check=str),
    "payment_method_topic": Switch(
        "by which of its two names that topic goes",
        ("customer.payment_methods.updated", "customer.payment_method.changed"),
        7,
    ),
    "topic_aliases": Switch(
        "whether the topic's other name can be subscribed as well", ("refused", "accepted"), 7
    ),
    "triggered_spelling": Switch("how that key is spelt", ("triggerredAt", "triggeredAt"), 5),
    "retry_id": Switch("whether a retry keeps metadata.id", ("keeps", "renews"), 4),
    "retry_triggered_at": Switch("whether a retry keeps the time of triggering", ("keeps", "renews"), 4),
    "retry_schedule": Switch(
        "real seconds before each further attempt", ("0.2,0.5,1,2,5,10,20,30",), 4, check=seconds
    ),
    "accepted_statuses": Switch("which answers count as received", ("2xx", "200", "any"), 4),
    # what happens and what is told of it
    "cancellation_policy": Switch("the shop's policy", ("end_of_cycle", "immediate")),
    "cancel_confirmation": Switch("whether a request must be confirmed by e-mail", ("on", "off"), 46),
    "pending_after_failure": Switch(
        "whether failed payments bring customer.pending_cancellation under end of cycle",
        ("silent", "event"),
        18,
    ),
    "failure_cancel_day": Switch("when the cancellation follows under end of cycle", ("same", "next"), 18),
    "after_cancellation": Switch(
        "whether a cancelled member falls back to the free tier", ("gone", "free_tier"), 24
    ),
    "billing_date": Switch(
        "billingDate of an attempt: of the cycle, of the attempt, or a cycle ahead as in the sample",
        ("fixed", "moving", "ahead"),
        20,
    ),
    "last_attempt_name": Switch("the sample's name or the list's", ("lastAttemptedAt", "lastAttemptAt"), 17),
    "first_payment": Switch(
        "whether a first purchase fires customer.payment_succeeded", ("told", "silent"), 29
    ),
    "trial_conversion": Switch(
        "what fires when a trial is paid for the first time", ("payment", "payment_and_joined"), 29
    ),
    "tier_move": Switch("what fires when a member moves to the free tier", ("changed", "joined", "both"), 24),
    "expiry_updates": Switch("whether an expiry also fires customer.credits.updated", ("no", "yes"), 27),
    "redemption_sign": Switch("the sign of amount when credits are spent", ("negative", "positive"), 27),
    "membership_orders": Switch(
        "whether sign-ups and renewals fire customer.ordered", ("silent", "told"), 14
    ),
    "updated_events": Switch(
        "what fires customer.updated: writes of the profile, or every change of the record",
        ("profile", "all"),
        21,
    ),
}


class Switches:
    """The readings that hold now."""

    def __init__(self, **chosen: str) -> None:
        self._values = {name: switch.default for name, switch in SWITCHES.items()}
        for name, value in chosen.items():
            self.set(name, value)

    def __getitem__(self, name: str) -> str:
        return self._values[name]

    def __call__(self, name: str, value: str) -> bool:
        """Tell whether that reading holds."""
        return self._values[name] == value

    def set(self, name: str, value: str) -> None:
        """Choose a reading.

        Raises:
            NotThereError: when there is no such switch.
            RefusedError: when it has no such position.

        """
        switch = SWITCHES.get(name)
        if switch is None:
            raise NotThereError(f"no such switch: {name}")
        if switch.check is None and value not in switch.choices:
            raise RefusedError(f"{name} is one of {', '.join(switch.choices)}")
        if switch.check is not None:
            try:
                switch.check(value)
            except ValueError:
                raise RefusedError(f"{name} is like {switch.default}") from None
        self._values[name] = value

    def described(self) -> dict[str, dict[str, Any]]:
        """Return every switch with its readings, for people."""
        return {
            name: {
                "value": self._values[name],
                "choices": list(switch.choices),
                "about": switch.about,
                "trap": switch.trap,
            }
            for name, switch in SWITCHES.items()
        }
