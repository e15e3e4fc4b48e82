"""Builds every key of every DynamoDB table: the one place that says which kinds of item share a table.

    table       key attribute   key                         item
    members     pk              {shop}:{customer id}        a member's record
                pk              rules                       the merchant's business rules
                pk              measures                    the programme's measures, by the daily run
    mirrors     key             sync#{target}#{member}      what one CRM holds of one member (sync state)
                key             circuit#{target}            the circuit breaker of one CRM
                key             rate#{target}#{number}      one rate limit of one CRM
                key             run#{target}#{name}         the progress of a back-fill or an audit
                key             read#{member}               when the API was last read for a member
                key             platform#{name}             the full run, a recovery, or what is known of the subscriptions
    incidents   key             incident#{incident key}     one incident
                key             hold_queue                  the alerts that are deferred
                key             try#{message}               how often a suspect message was begun alone
    figures     pk, sk          kpi#{shop}#{UTC day}        one KPI event, sk = {ISO time}#{id}
                pk, sk          webhooks#{shop}             webhooks received in one hour, sk = {ISO hour}
                pk, sk          daily_run#{shop}            the progress of the daily run, sk = run
    grants      key             grant#{key}                 one grant of credits
                key             budget#{month}              how much of one month's budget is claimed

A key is a prefix and a fixed number of parts, joined by `#`. Only the last part may contain `#`, so two
different items never share a key, whatever a target or a member is called.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

RULES: Final = "rules"
MEASURES: Final = "measures"
HOLD_QUEUE: Final = "hold_queue"

SYNC: Final = "sync"
CIRCUIT: Final = "circuit"
RATE: Final = "rate"
RUN: Final = "run"
READ: Final = "read"
PLATFORM: Final = "platform"
INCIDENT: Final = "incident"
TRY: Final = "try"
KPI: Final = "kpi"
WEBHOOKS: Final = "webhooks"
DAILY_RUN: Final = "daily_run"
GRANT: Final = "grant"
BUDGET: Final = "budget"

_SEPARATOR: Final = "#"


def members_of(shop: str) -> str:
    """Return the beginning that the keys of a shop's members share, and that the rules' key lacks."""
    return f"{shop.lower()}:"


def sync_state(target: str, member: str) -> str:
    """Return the key of what the CRM `target` holds of a member; `member` is `{shop}:{customer id}`."""
    return _key(SYNC, target, member)


def sync_states_of(target: str) -> str:
    """Return the beginning that the keys of one CRM's sync states share."""
    return _key(SYNC, target, "")


def sync_state_parts(key: str) -> tuple[str, str] | None:
    """Return the target and the member that `sync_state` was given; None for the key of another kind of item."""
    kind, _, rest = key.partition(_SEPARATOR)
    target, separator, member = rest.partition(_SEPARATOR)
    return (target, member) if kind == SYNC and separator else None


def waiting_run_target(key: str) -> str | None:
    """Return the target whose waiting members this is the progress of; None for the key of another item."""
    kind, _, rest = key.partition(_SEPARATOR)
    target, _, name = rest.partition(_SEPARATOR)
    return target if (kind, name) == (RUN, "waiting") else None


def circuit(target: str) -> str:
    """Return the key of a CRM's circuit breaker."""
    return _key(CIRCUIT, target)


def rate_limit(target: str, number: int) -> str:
    """Return the key of a CRM's rate limit; a CRM may have several, numbered from 0."""
    return _key(RATE, target, str(number))


def run(target: str, name: str) -> str:
    """Return the key of the progress of a CRM's run of this name."""
    return _key(RUN, target, name)


def read_throttle(member: str) -> str:
    """Return the key of when the API was last read for a member."""
    return _key(READ, member)


def platform(name: str) -> str:
    """Return the key of what is remembered about the whole platform under this name."""
    return _key(PLATFORM, name)


def incident(incident_key: str) -> str:
    """Return the key of an incident's item."""
    return _key(INCIDENT, incident_key)


def tries(message: str) -> str:
    """Return the key of how often a message was begun alone; `message` is the hash that names it."""
    return _key(TRY, message)


def kpi_day(shop: str, at: datetime) -> str:
    """Return the partition that holds the KPI events of the UTC day of `at`."""
    return _key(KPI, shop, at.astimezone(UTC).date().isoformat())


def webhooks(shop: str) -> str:
    """Return the partition that holds how many webhooks each hour brought."""
    return _key(WEBHOOKS, shop)


def daily_run(shop: str) -> tuple[str, str]:
    """Return the partition and the sort key of the daily run's progress."""
    return _key(DAILY_RUN, shop), "run"


def grant(grant_key: str) -> str:
    """Return the key of a grant of credits."""
    return _key(GRANT, grant_key)


def budget(month: str) -> str:
    """Return the key of a month's budget; `month` is written `2026-11`."""
    return _key(BUDGET, month)


def _key(prefix: str, *parts: str) -> str:
    """Join the parts of a key.

    Raises:
        ValueError: a part other than the last contains `#`.

    """
    if any(_SEPARATOR in part for part in parts[:-1]):
        raise ValueError(f"a key cannot be built of {parts}: only the last part may contain {_SEPARATOR}")
    return _SEPARATOR.join((prefix, *parts))
