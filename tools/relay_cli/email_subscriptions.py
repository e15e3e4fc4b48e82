"""The subscriptions to a stack's e-mail topic: AWS sends alerts to an address only after a person has confirmed it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from relay_cli.stack import Stack

_EMAIL: Final = frozenset({"email", "email-json"})


@dataclass(frozen=True, slots=True)
class EmailSubscriptions:
    """How many subscriptions are confirmed and how many wait for it, and whether a given address is among the confirmed."""

    confirmed: int
    pending: int
    address_confirmed: bool
    address_listed: bool


def email_subscriptions(stack: Stack, address: str = "") -> EmailSubscriptions:
    """Return the state of the subscriptions to the stack's e-mail topic, and of this address among them."""
    pages = stack.client("sns").get_paginator("list_subscriptions_by_topic")
    listed = pages.paginate(TopicArn=stack.output("EmailTopic"))
    return counted((one for page in listed for one in page["Subscriptions"]), address)


def counted(subscriptions: Iterable[Mapping[str, Any]], address: str) -> EmailSubscriptions:
    """Return the state of subscriptions as SNS lists them. One that is not confirmed has a word instead of an ARN."""
    confirmed = pending = 0
    is_confirmed = is_listed = False
    for one in subscriptions:
        arn = str(one["SubscriptionArn"])
        is_address = one.get("Protocol") in _EMAIL and str(one.get("Endpoint", "")).lower() == address.lower()
        if arn.startswith("arn:"):
            confirmed += 1
            is_confirmed = is_confirmed or is_address
        elif arn != "Deleted":
            pending += 1
        else:
            continue
        is_listed = is_listed or is_address
    return EmailSubscriptions(confirmed, pending, is_confirmed, is_listed)
