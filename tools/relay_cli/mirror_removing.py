"""`relay mirror remove`: a CRM is left, our fields taken off its contacts or kept as they are."""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from relay_cli.asking import ask
from relay_cli.failing import CliError
from relay_cli.mirror_target import Target
from relay_cli.mirror_working import say

if TYPE_CHECKING:
    from relay.ports.crm import CrmOutcome
    from relay.ports.crm_state import SyncState
    from relay.ports.scans import Page

_SETTLING: Final = 75.0
"""Seconds until what was under way when a target is removed is over. Whose call is not then, is left for later."""

_NAMED: Final = 20
"""Members at most who are named, of those that could not be cleared."""


def remove(target: Target, arguments: argparse.Namespace) -> dict[str, Any]:
    """End the mirroring: nobody calls the CRM any more; our fields are cleared there, or kept.

    Raises:
        CliError: when the CRM turns us away; what was done until then stays done.

    """
    if not arguments.yes:
        what = "clears our fields on every contact" if arguments.clear else "keeps our fields as they are"
        ask(f"This ends the mirroring to {target.name} and {what}. Go on?")
    target.shut()
    if arguments.clear:
        say("waiting until the calls under way are over")
        time.sleep(_SETTLING)
    counts: Counter[str] = Counter()
    left: dict[str, str] = {}
    cursor: str | None = None
    while True:
        page = target.inventory.page(cursor)
        left |= _leave(target, page, counts, clear=arguments.clear)
        say(f"{counts['forgotten']} members done")
        cursor = page.cursor
        if cursor is None:
            return _told(target, counts, left)


def _leave(
    target: Target, page: Page[tuple[str, SyncState]], counts: Counter[str], *, clear: bool
) -> dict[str, str]:
    """Leave the members of a page; return of whom something is left there, and why."""
    from relay.crm.run import batch_failure

    mirrors = dict(page.items)
    left: dict[str, str] = {}
    if clear:
        outcomes = _cleared(target, mirrors)
        left = {
            key: outcome.reason or outcome.state
            for key, outcome in outcomes.items()
            if outcome.state not in {"mirrored", "skipped"}
        }
        counts["cleared"] += sum(outcome.state == "mirrored" for outcome in outcomes.values())
        counts["not_there"] += sum(outcome.state == "skipped" for outcome in outcomes.values())
        why = batch_failure([outcome for outcome in outcomes.values() if not outcome.member_only])
    # Whom it could not clear stays known: by that a second run finds them.
    for key in mirrors.keys() - left.keys():
        target.inventory.delete(key)
        counts["forgotten"] += 1
    if clear and why:
        raise CliError(f"{target.name} stopped us: {why.reason}", "run it again: it goes on from there")
    return left


def _cleared(target: Target, mirrors: Mapping[str, SyncState]) -> dict[str, CrmOutcome]:
    """Clear all contacts of these members, `possible_emails` included, except while a call may still write them."""
    from relay.crm.previous_contacts import clear_contacts, known_contacts
    from relay.ports.crm import CrmOutcome

    now = target.now()
    writing = {key for key, mirror in mirrors.items() if mirror.claimed_until and mirror.claimed_until > now}
    at_work = CrmOutcome(state="retry", reason="a_call_is_under_way", member_only=True)
    working = _with_a_job(target, mirrors) - writing
    job = CrmOutcome(state="retry", reason="a_job_is_under_way", member_only=True)
    free = [key for key in mirrors if key not in writing | working]
    cleared = clear_contacts(target.crm, [ref for key in free for ref in known_contacts(key, mirrors[key])])
    return cleared | dict.fromkeys(writing, at_work) | dict.fromkeys(working, job)


def _with_a_job(target: Target, mirrors: Mapping[str, SyncState]) -> set[str]:
    """Return the members whom a job may still write."""
    if target.crm.bulk is None:
        return set()
    jobs: dict[str, list[str]] = {}
    for key, mirror in mirrors.items():
        if mirror.job:
            jobs.setdefault(mirror.job, []).append(key)
    return {
        key
        for job, keys in jobs.items()
        for key, outcome in target.crm.bulk.collect(job, keys).items()
        if outcome.state not in {"mirrored", "refused", "skipped"}
    }


def _told(target: Target, counts: Counter[str], left: Mapping[str, str]) -> dict[str, Any]:
    done = "take it out of Targets and deploy"
    again = "run it again for those that are left, or clear them there by hand; then " + done
    return {
        "target": target.name,
        **{name: counts[name] for name in ("cleared", "not_there", "forgotten")},
        "left": len(left),
        "left_why": dict(Counter(left.values()).most_common()),
        "left_members": sorted(left)[:_NAMED],
        "next": again if left else done,
    }
