"""`relay mirror remove`: end the mirror in a CRM, and clear Relay's fields on its contacts or keep them."""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Container, Mapping
from typing import TYPE_CHECKING, Any, Final

from relay_cli.commands.mirror.maintenance import report_progress
from relay_cli.commands.mirror.target import Target
from relay_cli.errors import CliError
from relay_cli.prompts import confirm

if TYPE_CHECKING:
    from relay.ports.crm import CrmOutcome
    from relay.ports.crm_state import SyncState
    from relay.ports.scans import Page

_CALLS_END_AFTER: Final = 75.0
"""Seconds until the calls in flight have ended. A member with a later call is left for the next run."""

_PAGE: Final = 100
_MAX_NAMED: Final = 20
"""Members that could not be cleared and are listed; the result has the whole number."""


def remove(target: Target, arguments: argparse.Namespace) -> dict[str, Any]:
    """Open the circuit for good, so that Relay calls the CRM no more; clear Relay's fields there, or keep them.

    Raises:
        CliError: the CRM does not take the calls. What was done until then stays done.

    """
    if not arguments.yes:
        action = (
            "clears Relay's fields on every contact" if arguments.clear else "keeps the fields as they are"
        )
        confirm(f"This ends the mirror in {target.name} and {action}. Continue?")
    target.stop_calls()
    if arguments.clear:
        report_progress("waiting for the calls in flight to end")
        time.sleep(_CALLS_END_AFTER)
    counts: Counter[str] = Counter()
    left: dict[str, str] = {}
    known: set[str] = set()
    cursor: str | None = None
    while True:
        page = target.sync_state_scan.page(cursor)
        known.update(key for key, _ in page.items)
        left |= _remove_page(target, page, counts, clear=arguments.clear)
        report_progress(f"{counts['forgotten']} members done")
        cursor = page.cursor
        if cursor is None:
            break
    if arguments.clear:
        left |= _clear_unknown(target, known, counts)
    return _result(target, counts, left)


def _clear_unknown(target: Target, known: Container[str], counts: Counter[str]) -> dict[str, str]:
    """Clear the contacts of members without a sync state, by their keys and addresses; return those that were not cleared.

    `--keep` and a lost table leave contacts of which no sync state knows.
    """
    from relay.crm.previous_contacts import clear_contacts
    from relay.crm.run import batch_failure
    from relay.ports.crm import ContactRef

    left: dict[str, str] = {}
    cursor: str | None = None
    while True:
        page = target.member_keys.page(cursor)
        keys = [key for key in page.items if key not in known]
        for start in range(0, len(keys), _PAGE):
            profiles = target.writer.profiles(keys[start : start + _PAGE])
            outcomes = clear_contacts(
                target.crm, [ContactRef(key=key, email=each.email) for key, each in profiles.items()]
            )
            counts["cleared"] += sum(each.state == "mirrored" for each in outcomes.values())
            counts["not_there"] += sum(each.state == "skipped" for each in outcomes.values())
            left |= {
                key: each.reason or each.state
                for key, each in outcomes.items()
                if each.state not in {"mirrored", "skipped"}
            }
            failure = batch_failure([each for each in outcomes.values() if not each.member_only])
            if failure:
                raise CliError(f"{target.name} refuses the calls: {failure.reason}", "run it again to resume")
            report_progress(f"{counts['cleared'] + counts['not_there']} members looked at")
        cursor = page.cursor
        if cursor is None:
            return left


def _remove_page(
    target: Target, page: Page[tuple[str, SyncState]], counts: Counter[str], *, clear: bool
) -> dict[str, str]:
    """Remove the members of a page; return the reason by member key for those that could not be cleared."""
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
        failure = batch_failure([outcome for outcome in outcomes.values() if not outcome.member_only])
    # Members that could not be cleared stay known, so that a second run finds them.
    for key in mirrors.keys() - left.keys():
        target.sync_state_scan.delete(key)
        counts["forgotten"] += 1
    if clear and failure:
        raise CliError(f"{target.name} refuses the calls: {failure.reason}", "run it again to resume")
    return left


def _cleared(target: Target, mirrors: Mapping[str, SyncState]) -> dict[str, CrmOutcome]:
    """Clear all contacts that these members may have, unless a call or a job in flight may still write them."""
    from relay.crm.previous_contacts import clear_contacts, known_contacts
    from relay.ports.crm import CrmOutcome

    now = target.now()
    in_call = {key for key, mirror in mirrors.items() if mirror.claimed_until and mirror.claimed_until > now}
    in_job = _in_job(target, mirrors) - in_call
    call_outcome = CrmOutcome(state="retry", reason="a_call_is_under_way", member_only=True)
    job_outcome = CrmOutcome(state="retry", reason="a_job_is_under_way", member_only=True)
    free = [key for key in mirrors if key not in in_call | in_job]
    cleared = clear_contacts(
        target.crm, [contact for key in free for contact in known_contacts(key, mirrors[key])]
    )
    return cleared | dict.fromkeys(in_call, call_outcome) | dict.fromkeys(in_job, job_outcome)


def _in_job(target: Target, mirrors: Mapping[str, SyncState]) -> set[str]:
    """Return the keys of the members that an import job may still write."""
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


def _result(target: Target, counts: Counter[str], left: Mapping[str, str]) -> dict[str, Any]:
    deploy = f"take {target.name} out of Targets and deploy"
    retry = f"run it again for the members that are left, or clear them in the CRM; then {deploy}"
    return {
        "target": target.name,
        **{name: counts[name] for name in ("cleared", "not_there", "forgotten")},
        "left": len(left),
        "left_why": dict(Counter(left.values()).most_common()),
        "left_members": sorted(left)[:_MAX_NAMED],
        "next": retry if left else deploy,
    }
