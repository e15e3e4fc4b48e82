"""Recognises why a payment was declined: a code for segments, from a text that every payment provider words differently.

The platform passes on the provider's own text. A merchant's segment needs a word that stays the same, so a text that is
recognised gets one of these codes, beside the text itself. Shopify's codes and the wording of card processors are
recognised (https://shopify.dev/docs/api/admin-graphql/latest/enums/SubscriptionBillingAttemptErrorCode,
https://docs.stripe.com/declines/codes).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_PATTERNS: Final[Mapping[str, str]] = {
    "expired_card": r"expired",
    "stolen_card": r"stolen",
    "do_not_honor": r"do.?not.?hono",
    "no_payment_method": r"no (valid )?(payment )?method|(payment.?)?method.?not.?found",
    "payment_method_revoked": r"(method|agreement).?(was.?)?(revoked|removed|cancell?ed)|cancell?ed.?payment.?method",
    "lost_card": r"\blost\b|lost.?card",
    "insufficient_funds": r"insufficient.?(funds|balance)|not enough (funds|money|balance)",
    "authentication_required": r"authenticat|3.?d.?secure|\bsca\b",
    "fraud_suspected": r"fraud",
    "incorrect_card": r"(incorrect|invalid|wrong).{0,12}(number|cvc|cvv|security code|account|card|payment.?method)|number.?(is )?(incorrect|invalid)",
    "limit_exceeded": r"(limit|velocity).{0,12}exceed|exceed.{0,20}limit",
    "processing_error": r"processing.?error|try again later|transient|time(d)?.?out|temporar|unexpected.?error",
    "card_declined": r"declin|refused|rejected",
}
"""By code, in the order in which they are tried: what no retry can mend comes first, the general word last."""

_COMPILED: Final = {code: re.compile(pattern, re.IGNORECASE) for code, pattern in _PATTERNS.items()}

_NEEDS_ANOTHER: Final = re.compile(
    r"expired|stolen|do.?not.?hono|no (valid )?(payment )?method",
    re.IGNORECASE,
)

_LONGEST: Final = 1_000
"""Characters of a text that are searched: a provider's text is a sentence."""


def decline_code(text: str | None) -> str | None:
    """Return the code of a declined payment's text; None where it is not recognised."""
    searched = re.sub("[_-]", " ", (text or "")[:_LONGEST])
    return next((code for code, pattern in _COMPILED.items() if pattern.search(searched)), None)


def cannot_succeed(text: str | None) -> bool:
    """Return whether no further attempt with this payment method can succeed: it has expired, was stolen, is refused for good or is missing."""
    return bool(_NEEDS_ANOTHER.search(text or ""))
