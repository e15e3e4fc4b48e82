"""`relay mirror status` and `diff`: inspect a mirror without changing anything."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from relay_cli.commands.mirror.advice import advice
from relay_cli.commands.mirror.target import REMOVED, Target
from relay_cli.errors import UsageError

if TYPE_CHECKING:
    from relay.ports.crm_state import CircuitRecord, SyncState
    from relay.rules.crm_profile import CrmProfile

_PAGE_SIZE: Final = 100
_TOLD_BEFORE: Final = timedelta(days=180)
_NOT_HELD: Final = frozenset({"waiting", "refused", "skipped"})
"""States of a member that the CRM does not hold, by intention or until a person does something."""

_PERSONAL: Final = frozenset({"email", "cancel_reason"})


def status(target: Target, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what Relay's tables say of a mirror; the CRM is not called. With `--who`, the members that wait are named.

    `pending` counts the members whose contact is not known to be current, those never sent included. It is 0
    for a removed target, which gets no more updates.
    """
    states: Counter[str] = Counter()
    reasons: dict[str, Counter[str]] = {"waiting": Counter(), "refused": Counter()}
    mirrors = _mirrors(target)
    for mirror in mirrors.values():
        states[_state(mirror)] += 1
        if mirror.state in reasons:
            reasons[mirror.state][mirror.reason] += 1
    members = sum(1 for _ in _member_keys(target))
    record = target.circuits.load()
    known = sum(states[each] for each in ("mirrored", "skipped_no_email", "skipped", "waiting", "refused"))
    removed = record.reason == REMOVED
    return {
        "target": target.name,
        "removed": removed,
        "members": members,
        "mirrored": states["mirrored"],
        "pending": 0 if removed else max(members - known, 0),
        "skipped_no_email": states["skipped_no_email"],
        "skipped_otherwise": states["skipped"],
        "waiting": states["waiting"],
        "waiting_why": dict(reasons["waiting"].most_common()),
        "refused": states["refused"],
        "refused_why": dict(reasons["refused"].most_common()),
        "messages_waiting": target.waiting(),
        **_circuit(record),
        "last_fill": _selected(target.sync_state_scan.load_run("backfill"), "started", "finished", "sent"),
        "last_audit": _selected(
            target.sync_state_scan.load_run("audit"),
            "run",
            "finished",
            "read",
            "edited",
            "missing",
            "repaired",
            "again",
            "fields",
        ),
        **_version(target),
        **({"who": _who(mirrors)} if getattr(arguments, "who", False) else {}),
    }


def _who(mirrors: Mapping[str, SyncState]) -> list[dict[str, str]]:
    """Return the members that wait or are refused: why, since when, and what to do."""
    return [
        {
            "member": key,
            "state": mirror.state,
            "reason": mirror.reason,
            "since": mirror.waiting.since.isoformat(timespec="minutes") if mirror.waiting else "",
            "next_try": mirror.waiting.next_try.isoformat(timespec="minutes") if mirror.waiting else "",
            "what_to_do": advice(mirror.reason),
        }
        for key, mirror in sorted(mirrors.items(), key=lambda pair: (pair[1].state, pair[1].reason, pair[0]))
        if mirror.state in {"waiting", "refused"}
    ]


def _version(target: Target) -> dict[str, str]:
    """Return when the provider ends the version of its API that is set, half a year before."""
    ends = target.crm.version_ends
    if ends is None or ends - target.now().date() > _TOLD_BEFORE:
        return {}
    return {"version_ends": f"{ends.isoformat()}: set a newer one (docs/{target.name}.md)"}


def _circuit(record: CircuitRecord) -> dict[str, str]:
    """Return the state of the circuit breaker: calls flow while it is closed, one probe while it is half open."""
    if record.until is None:
        return {"circuit": "closed"}
    return {
        "circuit": record.state.replace("_", " "),
        "circuit_open_until": record.until.isoformat(timespec="seconds"),
        "circuit_reason": record.reason,
    }


def diff(target: Target, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return by member and field what Relay wrote and what the CRM has.

    Members named in the arguments are returned with all fields, others only with the fields that differ.
    Personal data is masked on both sides, so two different values may look alike. Customer ids that are no
    members are in `unknown_members`.
    """
    keys = [member_key_of(target, name) for name in arguments.members]
    records = target.writer.members.load(keys)[0] if keys else {}
    named = [key for key in keys if records[key].version]
    if keys and not named:
        raise UsageError(
            f"no member is called {', '.join(arguments.members)}",
            f"use the digits of the Shopify customer id; `relay mirror status {target.name} --who` names those that wait",
        )
    found: dict[str, Any] = {}
    left_out: dict[str, str] = {}
    for ours, theirs in _pairs(target, named, left_out) if named or not keys else ():
        fields = _compared(target, ours, theirs, whole=bool(named), reveal=arguments.reveal)
        if fields:
            found[ours.key] = fields
        if len(found) >= arguments.limit and not named:
            break
    unknown = [key for key in keys if key not in named]
    return (
        {"target": target.name, "members": found}
        | ({"not_held": dict(Counter(left_out.values()))} if left_out else {})
        | ({"unknown_members": unknown} if unknown else {})
    )


def _compared(
    target: Target, ours: CrmProfile, theirs: Mapping[str, str], *, whole: bool, reveal: bool
) -> dict[str, Any]:
    from relay.crm.audit import differences

    written = target.crm.expected_fields(ours)
    different = differences(written, theirs)
    names = sorted({*written, *theirs}) if whole else different
    return {
        name: {
            "ours": _masked(name, written.get(name, ""), reveal=reveal),
            "theirs": _masked(name, theirs.get(name, ""), reveal=reveal),
            "same": name not in different,
            # Such as the time of the last write, and names that Relay fills in where they are empty.
            "compared": name in written,
        }
        for name in names
    }


def _pairs(
    target: Target, named: list[str], left_out: dict[str, str]
) -> Iterator[tuple[CrmProfile, Mapping[str, str]]]:
    """Yield members' profiles, each with the fields that the CRM has: none where it has no such contact.

    `left_out` gets the members that the CRM does not hold, each with the state. They are not compared: a contact that was
    cleared, or a member that waits, differs in every field.
    """
    from relay.ports.crm import ContactRef

    found = dict(target.writer.sync_states.load(named)) if named else _mirrors(target)
    left_out |= {
        key: f"{mirror.state}: {mirror.reason}" if mirror.reason else mirror.state
        for key, mirror in found.items()
        if mirror.state in _NOT_HELD
    }
    mirrors = {key: mirror for key, mirror in found.items() if key not in left_out}
    if not named:
        mirrors = {key: mirror for key, mirror in mirrors.items() if mirror.state == "mirrored"}
    keys = list(mirrors)
    for begin in range(0, len(keys), _PAGE_SIZE):
        page = keys[begin : begin + _PAGE_SIZE]
        profiles = target.writer.profiles(page)
        theirs = target.crm.read(
            [ContactRef(key=key, id=mirrors[key].id, email=mirrors[key].email) for key in page]
        )
        for key in page:
            yield profiles[key], theirs.get(key, {})


def member_key_of(target: Target, name: str) -> str:
    """Return the key of the member with this customer id, or with this key."""
    from relay.model.member import member_key

    _, _, customer = name.rpartition(":")
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
        page = target.sync_state_scan.page(cursor)
        found |= dict(page.items)
        cursor = page.cursor
        if cursor is None:
            return found


def _member_keys(target: Target) -> Iterator[str]:
    cursor: str | None = None
    while True:
        page = target.member_keys.page(cursor)
        yield from page.items
        cursor = page.cursor
        if cursor is None:
            return


def _state(mirror: SyncState) -> str:
    unsure = mirror.digest is None and mirror.state not in {"refused", "waiting"}
    if unsure or mirror.claimed_until is not None:
        return "pending"
    if mirror.state == "skipped" and mirror.reason == "no_email":
        return "skipped_no_email"
    return mirror.state


def _selected(run: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: run[name] for name in names if name in run}
