"""`relay mirror status` and `diff`: looking at a CRM without changing anything."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from relay_cli.failing import CliError
from relay_cli.mirror_target import REMOVED, Target

if TYPE_CHECKING:
    from relay.ports.crm_state import SyncState
    from relay.rules.crm_profile import CrmProfile

_AT_ONCE: Final = 100
_PERSONAL: Final = frozenset({"email", "cancel_reason"})


def status(target: Target, _: argparse.Namespace) -> dict[str, Any]:
    """Return what the table knows of a target: nothing is asked of the CRM itself.

    `pending` are members of whom nobody can be sure, those included that were never sent; none where the
    target was removed, and nobody is going to send them.
    """
    states: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for mirror in _mirrors(target).values():
        states[_state(mirror)] += 1
        if mirror.state == "refused":
            reasons[mirror.reason] += 1
    members = sum(1 for _ in _members(target))
    circuit = target.gates.load()
    known = states["mirrored"] + states["skipped_no_email"] + states["skipped"] + states["refused"]
    removed = circuit.reason == REMOVED
    return {
        "target": target.name,
        "removed": removed,
        "members": members,
        "mirrored": states["mirrored"],
        "pending": 0 if removed else max(members - known, 0),
        "skipped_no_email": states["skipped_no_email"],
        "skipped_otherwise": states["skipped"],
        "refused": states["refused"],
        "refused_why": dict(reasons.most_common()),
        "messages_waiting": target.waiting(),
        "circuit": circuit.state,
        **(
            {"open_until": circuit.until.isoformat(timespec="seconds"), "open_reason": circuit.reason}
            if circuit.until
            else {}
        ),
        "last_fill": _told(target.inventory.load_run("backfill"), "started", "finished", "sent"),
        "last_audit": _told(
            target.inventory.load_run("audit"),
            "run",
            "finished",
            "read",
            "edited",
            "missing",
            "repaired",
            "again",
            "fields",
        ),
    }


def diff(target: Target, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return, by member and field, what we wrote and what the CRM shows.

    Of the members named all fields, and of the others who differ those in which they do. Personal data is
    masked on both sides, so that two values may look alike and differ. Who is none of ours is named apart.
    """
    keys = [_key(target, name) for name in arguments.members]
    records = target.writing.members.load(keys)[0] if keys else {}
    named = [key for key in keys if records[key].version]
    found: dict[str, Any] = {}
    for ours, theirs in _pairs(target, named) if named or not keys else ():
        fields = _compared(target, ours, theirs, whole=bool(named), reveal=arguments.reveal)
        if fields:
            found[ours.key] = fields
        if len(found) >= arguments.limit and not named:
            break
    unknown = [key for key in keys if key not in named]
    return {"target": target.name, "members": found} | ({"no_members_of_ours": unknown} if unknown else {})


def _compared(
    target: Target, ours: CrmProfile, theirs: Mapping[str, str], *, whole: bool, reveal: bool
) -> dict[str, Any]:
    from relay.crm.audit import differences

    wrote = target.crm.expected_fields(ours)
    names = sorted({*wrote, *theirs}) if whole else differences(wrote, theirs)
    different = set(differences(wrote, theirs))
    return {
        name: {
            "ours": _shown(name, wrote.get(name, ""), reveal=reveal),
            "theirs": _shown(name, theirs.get(name, ""), reveal=reveal),
            "same": name not in different,
        }
        for name in names
    }


def _pairs(target: Target, named: list[str]) -> Iterator[tuple[CrmProfile, Mapping[str, str]]]:
    """Yield profiles, and what the CRM shows of each; nothing where it has no such member."""
    from relay.ports.crm import ContactRef

    if named:
        mirrors = dict(target.writing.sync_states.load(named))
    else:
        mirrors = {key: mirror for key, mirror in _mirrors(target).items() if mirror.state == "mirrored"}
    keys = list(mirrors)
    for begin in range(0, len(keys), _AT_ONCE):
        some = keys[begin : begin + _AT_ONCE]
        profiles = target.writing.profiles(some)
        theirs = target.crm.read(
            [ContactRef(key=key, id=mirrors[key].id, email=mirrors[key].email) for key in some]
        )
        for key in some:
            yield profiles[key], theirs.get(key, {})


def _key(target: Target, name: str) -> str:
    from relay.model.member import member_key

    _, _, customer = name.rpartition(":")
    if not customer.isdigit():
        raise CliError(f"{name} is no customer's id", "give the digits of Shopify's customer id")
    return member_key(target.shop, customer)


def _shown(name: str, value: str, *, reveal: bool) -> str:
    from relay.alerts.render.content import masked_email

    if reveal or not value or name not in _PERSONAL:
        return value
    return masked_email(value) if name == "email" else f"({len(value)} characters)"


def _mirrors(target: Target) -> dict[str, SyncState]:
    found: dict[str, SyncState] = {}
    cursor: str | None = None
    while True:
        page = target.inventory.page(cursor)
        found |= dict(page.items)
        cursor = page.cursor
        if cursor is None:
            return found


def _members(target: Target) -> Iterator[str]:
    cursor: str | None = None
    while True:
        page = target.roll.page(cursor)
        yield from page.items
        cursor = page.cursor
        if cursor is None:
            return


def _state(mirror: SyncState) -> str:
    unsure = mirror.digest is None and mirror.state != "refused"
    if unsure or mirror.claimed_until is not None:
        return "pending"
    if mirror.state == "skipped" and mirror.reason == "no_email":
        return "skipped_no_email"
    return mirror.state


def _told(run: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: run[name] for name in names if name in run}
