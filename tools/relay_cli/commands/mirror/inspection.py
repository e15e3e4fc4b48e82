"""`relay mirror status` and `diff`: inspect a mirror without changing anything."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from relay_cli.commands.mirror.target import REMOVED, Target
from relay_cli.errors import CliError

if TYPE_CHECKING:
    from relay.ports.crm_state import CircuitRecord, SyncState
    from relay.rules.crm_profile import CrmProfile

_PAGE_SIZE: Final = 100
_PERSONAL: Final = frozenset({"email", "cancel_reason"})


def status(target: Target, _: argparse.Namespace) -> dict[str, Any]:
    """Return what Relay's tables say of a mirror; the CRM is not called.

    `pending` counts the members whose contact is not known to be current, those never sent included. It is 0
    for a removed target, which gets no more updates.
    """
    states: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for mirror in _mirrors(target).values():
        states[_state(mirror)] += 1
        if mirror.state == "refused":
            reasons[mirror.reason] += 1
    members = sum(1 for _ in _member_keys(target))
    gate = target.gates.load()
    known = states["mirrored"] + states["skipped_no_email"] + states["skipped"] + states["refused"]
    removed = gate.reason == REMOVED
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
        **_circuit(gate),
        "last_fill": _selected(target.inventory.run("fill"), "started", "finished", "sent"),
        "last_audit": _selected(
            target.inventory.run("audit"),
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


def _circuit(gate: CircuitRecord) -> dict[str, str]:
    """Return the state of the circuit breaker: calls flow while it is closed, one probe while it is half open."""
    if gate.until is None:
        return {"circuit": "closed"}
    return {
        "circuit": "half open" if gate.trying else "open",
        "circuit_open_until": gate.until.isoformat(timespec="seconds"),
        "circuit_reason": gate.reason,
    }


def diff(target: Target, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return by member and field what Relay wrote and what the CRM has.

    Members named in the arguments are returned with all fields, others only with the fields that differ.
    Personal data is masked on both sides, so two different values may look alike. Customer ids that are no
    members are in `unknown_members`.
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
    return {"target": target.name, "members": found} | ({"unknown_members": unknown} if unknown else {})


def _compared(
    target: Target, ours: CrmProfile, theirs: Mapping[str, str], *, whole: bool, reveal: bool
) -> dict[str, Any]:
    from relay.crm.repair import differences

    written = target.crm.shown(ours)
    different = differences(written, theirs)
    names = sorted({*written, *theirs}) if whole else different
    return {
        name: {
            "ours": _masked(name, written.get(name, ""), reveal=reveal),
            "theirs": _masked(name, theirs.get(name, ""), reveal=reveal),
            "same": name not in different,
        }
        for name in names
    }


def _pairs(target: Target, named: list[str]) -> Iterator[tuple[CrmProfile, Mapping[str, str]]]:
    """Yield members' profiles, each with the fields that the CRM has: none where it has no such contact."""
    from relay.ports.crm import ContactRef

    if named:
        mirrors = dict(target.writing.mirrors.load(named))
    else:
        mirrors = {key: mirror for key, mirror in _mirrors(target).items() if mirror.state == "mirrored"}
    keys = list(mirrors)
    for begin in range(0, len(keys), _PAGE_SIZE):
        page = keys[begin : begin + _PAGE_SIZE]
        profiles = target.writing.profiles(page)
        theirs = target.crm.read(
            [ContactRef(key=key, id=mirrors[key].id, email=mirrors[key].email) for key in page]
        )
        for key in page:
            yield profiles[key], theirs.get(key, {})


def _key(target: Target, name: str) -> str:
    from relay.model.member import member_key

    _, _, customer = name.rpartition(":")
    if not customer.isdigit():
        raise CliError(f"{name} is not a customer id", "use the digits of the Shopify customer id")
    return member_key(target.shop, customer)


def _masked(name: str, value: str, *, reveal: bool) -> str:
    from relay.alerts.render.content import masked_email

    if reveal or not value or name not in _PERSONAL:
        return value
    return masked_email(value) if name == "email" else f"({len(value)} characters)"


def _mirrors(target: Target) -> dict[str, SyncState]:
    found: dict[str, SyncState] = {}
    cursor: str | None = None
    while True:
        page = target.inventory.page(cursor)
        found |= page.mirrors
        cursor = page.cursor
        if cursor is None:
            return found


def _member_keys(target: Target) -> Iterator[str]:
    cursor: str | None = None
    while True:
        keys, cursor = target.roll.keys(cursor)
        yield from keys
        if cursor is None:
            return


def _state(mirror: SyncState) -> str:
    unsure = mirror.digest is None and mirror.state != "refused"
    if unsure or mirror.busy_until is not None:
        return "pending"
    if mirror.state == "skipped" and mirror.reason == "no_email":
        return "skipped_no_email"
    return mirror.state


def _selected(run: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: run[name] for name in names if name in run}
