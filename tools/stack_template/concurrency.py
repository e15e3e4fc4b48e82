"""Says whether an account may run enough functions at once for Relay, and what to ask AWS for where it may not."""

from __future__ import annotations

from typing import Final

ENOUGH: Final = 100
"""Lambda reserves nothing unless this many remain for all other functions; new accounts begin with 10."""

ASK_FOR: Final = 1000
"""AWS's usual limit, which it grants on request."""


def advice(limit: int) -> str | None:
    """Return what a person should do about an account's limit of concurrent executions; None where it is enough."""
    if limit > ENOUGH:
        return None
    return (
        f"This account runs {limit} functions at once in this region, and more than {ENOUGH} are needed to keep some\n"
        "for the receiver: until then leave ReceiverConcurrency empty; a burst delays events, and a very large one\n"
        f"is refused. Ask AWS for {ASK_FOR} (free, a day or two):\n"
        "  aws service-quotas request-service-quota-increase --service-code lambda --quota-code L-B99A9384 \\\n"
        f"    --desired-value {ASK_FOR}"
    )
