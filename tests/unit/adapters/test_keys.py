"""Every key of every table: no two items can ever share one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from relay.adapters.dynamodb import keys
from relay.model.member import member_key

# Every prefix is also tried as the name of a target, of a member and of a grant.
PREFIXES = (
    keys.SYNC,
    keys.CIRCUIT,
    keys.RATE,
    keys.RUN,
    keys.READ,
    keys.INCIDENT,
    keys.KPI,
    keys.WEBHOOKS,
    keys.DAILY_RUN,
    keys.GRANT,
    keys.BUDGET,
)
TARGETS = (
    *PREFIXES,
    keys.RULES,
    keys.HOLD_QUEUE,
    "hubspot",
    "fill",
    "audit",
    "backfill",
    "reconcile",
    "",
    "1",
)
MEMBERS = (
    *TARGETS,
    "acme.myshopify.com:7001",
    "a#b",
    "#",
    "##",
    "hubspot#acme.myshopify.com:7001",
    "hubspot#backfill",
    "hubspot#1",
    "audit#1",
)
SHOPS = ("acme.myshopify.com", "rules", "kpi", "kpi.myshopify.com", "webhooks", "sync")
DAYS = [datetime(2026, 11, 1, tzinfo=UTC) + timedelta(days=day) for day in range(3)]


def mirrors() -> Iterator[str]:
    """Return the keys of all kinds of item of the mirrors table."""
    yield from (keys.sync_state(target, member) for target, member in product(TARGETS, MEMBERS))
    yield from (keys.circuit(target) for target in TARGETS)
    yield from (keys.rate_limit(target, number) for target, number in product(TARGETS, range(3)))
    yield from (keys.run(target, name) for target, name in product(TARGETS, ("backfill", "audit")))
    yield from (keys.read_throttle(member) for member in MEMBERS)


def members() -> Iterator[str]:
    yield keys.RULES
    yield from (member_key(shop, customer) for shop, customer in product(SHOPS, ("7001", "rules", "")))


def incidents() -> Iterator[str]:
    yield keys.HOLD_QUEUE
    yield from (keys.incident(incident_key) for incident_key in MEMBERS)


def kpis() -> Iterator[str]:
    yield from (keys.kpi_day(shop, day) for shop, day in product(SHOPS, DAYS))
    yield from (keys.webhooks(shop) for shop in SHOPS)
    yield from ("/".join(keys.daily_run(shop)) for shop in SHOPS)


def grants() -> Iterator[str]:
    yield from (keys.grant(key) for key in (*MEMBERS, "2026-11"))
    yield from (keys.budget(month) for month in ("2026-11", "2026-12"))


@pytest.mark.parametrize("table", [mirrors, members, incidents, kpis, grants])
def test_no_two_items_of_a_table_share_a_key(table: Callable[[], Iterator[str]]) -> None:
    built = list(table())
    assert len(built) == len(set(built))


@pytest.mark.parametrize("table", [mirrors, incidents, kpis, grants])
def test_no_prefix_is_the_beginning_of_another(table: Callable[[], Iterator[str]]) -> None:
    prefixes = {key.partition("#")[0] + "#" for key in table() if "#" in key}
    assert not [
        (one, other) for one, other in product(prefixes, repeat=2) if one != other and other.startswith(one)
    ]


def test_a_target_with_the_separator_is_refused() -> None:
    """`sync#a#b#c` would be the key of two members."""
    with pytest.raises(ValueError, match="only the last part"):
        keys.sync_state("a#b", "c")
    with pytest.raises(ValueError, match="only the last part"):
        keys.sync_states_of("a#b")


@pytest.mark.parametrize(("target", "member"), list(product(("hubspot", "fill", "sync"), MEMBERS)))
def test_a_sync_state_is_read_back_from_its_key(target: str, member: str) -> None:
    key = keys.sync_state(target, member)
    assert keys.sync_state_parts(key) == (target, member)
    assert key == keys.sync_states_of(target) + member


def test_no_other_item_is_taken_for_a_sync_state() -> None:
    others = {key for key in mirrors() if not key.startswith("sync#")}
    assert {keys.sync_state_parts(key) for key in others} == {None}
    assert keys.sync_state_parts("sync") is None


def test_the_rules_are_no_member() -> None:
    assert not any(keys.RULES.startswith(keys.members_of(shop)) for shop in (*SHOPS, ""))
    assert member_key("Acme.myshopify.com", "7001").startswith(keys.members_of("ACME.myshopify.com"))


def test_a_day_of_figures_is_a_day_in_utc() -> None:
    late = datetime.fromisoformat("2026-11-01T23:30:00-05:00")
    assert keys.kpi_day("acme.myshopify.com", late) == "kpi#acme.myshopify.com#2026-11-02"
