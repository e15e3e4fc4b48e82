"""Tries again the members that a CRM does not take, on a schedule, beside the changes that happen meanwhile.

A lasting answer that a person can mend (a required property, a full account, an option that is missing) is no reason to
forget a member. It waits: its sync state says since when and when it is tried again, and its message is acknowledged,
because the profile is read when it is sent. A newer change is tried at once. After two weeks the member is refused.

At every tick of the clock `crm_sync` queues what is due, the oldest first: at most a tenth of the CRM's rate, and at most
a thousand members. The table is read only while members wait: `due` in the stored progress says when the next one is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from relay.errors import PermanentError, TransientError
from relay.model.header import MessageHeader
from relay.model.messages import MemberChanged, WaitingRound, dump, load
from relay.ports.crm import Crm
from relay.ports.crm_state import SyncState, SyncStateScan, Waiting
from relay.ports.messaging import MessageSender, OutgoingMessage
from relay.ports.runtime import Clock
from relay.queues.batch import Message
from relay.queues.requests import change_message
from relay.rules.crm_profile import CrmProfile

WAITING_TOPIC: Final = "relay.waiting"
"""The topic of the message by which `crm_sync` queues the waiting members that are due."""

DELAYS: Final = (timedelta(minutes=15), timedelta(hours=1), timedelta(hours=4), timedelta(days=1))
"""The wait after the first, second and third try, and after every later one."""

REFUSED_AFTER: Final = timedelta(days=14)

TICK: Final = timedelta(minutes=15)
"""How often the clock ticks: what one round queues is spread over this time."""

LARGEST_ROUND: Final = 1_000
_SHARE: Final = 0.1
"""The part of the CRM's rate that waiting members may use."""

_STALE: Final = timedelta(minutes=20)
"""A request for a round that is older was overtaken by a later one: they pile up while the circuit is open."""

_QUEUED_FOR: Final = timedelta(hours=1)
"""A member that was queued is not queued again for this long."""

_SCAN_AT_LEAST: Final = timedelta(days=1)
"""The table is read this often even if nothing is known to wait: a crash can lose the mark that something does."""


def next_waiting(
    known: Waiting | None, profile: CrmProfile, now: datetime, *, backfill: bool, holder: str = ""
) -> Waiting:
    """Return the schedule of a member after one more try in vain; `holder` has the address that it waits for."""
    tries = known.tries + 1 if known else 1
    return Waiting(
        since=known.since if known else now,
        tries=tries,
        tried=now,
        next_try=now + DELAYS[min(tries, len(DELAYS)) - 1],
        digest=profile.digest,
        backfill=backfill,
        holder=holder,
    )


def is_over(known: Waiting | None, now: datetime) -> bool:
    """Return whether a member has waited for so long that another lasting answer is a refusal."""
    return known is not None and now - known.since >= REFUSED_AFTER


def waits(sync_state: SyncState, profile: CrmProfile) -> bool:
    """Return whether a member waits for its next try, and has not changed since the last one."""
    waiting = sync_state.waiting
    return (
        sync_state.state == "waiting"
        and sync_state.claimed_until is None
        and waiting is not None
        and waiting.digest == profile.digest
    )


def retry_change(key: str) -> OutgoingMessage:
    """Return the message by which a member that waits or was refused is tried again."""
    return change_message(MemberChanged(member=key, retry=True))


def next_try_change(key: str, *, backfill: bool = False, delay: int = 0) -> OutgoingMessage:
    """Return the message of a waiting member's next try: it does nothing if the member was refused meanwhile."""
    return replace(change_message(MemberChanged(member=key, backfill=backfill, due=True)), delay=delay)


def round_message(at: datetime, *, everyone: bool = False) -> OutgoingMessage:
    """Return the request for a round at this tick; with `everyone`, all are due, whatever their schedule."""
    return OutgoingMessage(
        body=dump(WaitingRound(at=at, everyone=everyone)), header=MessageHeader(topic=WAITING_TOPIC)
    )


def request_round(queue: MessageSender, at: datetime) -> None:
    """Request a round of the target behind this queue.

    Raises:
        TransientError: the queue did not take the message.

    """
    (refusal,) = queue.send([round_message(at)])
    if refusal:
        raise TransientError("a round of waiting members could not be requested") from refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingMembers:
    """The waiting members of one CRM. `queue` is the target's own; `scan` keeps the progress."""

    crm: Crm
    scan: SyncStateScan
    queue: MessageSender
    clock: Clock

    def run(self, received: Message, *, probe: bool) -> Exception | None:
        """Do a round, as a command of `crm_sync`; while one code keeps the circuit open, queue one member alone."""
        try:
            request = load(WaitingRound, received.body)
            self._keep_version_end()
            if self.clock() - request.at >= _STALE and not request.everyone:
                return None
            if probe:
                self.probe()
            else:
                self.round(everyone=request.everyone)
        except (PermanentError, TransientError) as error:
            return error
        return None

    def _keep_version_end(self) -> None:
        """Keep when the provider ends the version of its API that is set: the daily run reads it, and tells people in time."""
        progress, ends = self.scan.load_run("waiting"), self.crm.version_ends
        if progress.get("version_ends", "") != (text := ends.isoformat() if ends else ""):
            self.scan.save_run("waiting", {**progress, "version_ends": text})

    def mark(self, next_try: datetime) -> None:
        """Remember that a member is due then. Raises `TransientError`."""
        progress = self.scan.load_run("waiting")
        due = progress.get("due")
        if not due or datetime.fromisoformat(due) > next_try:
            self.scan.save_run("waiting", {**progress, "due": next_try.isoformat()})

    def probe(self) -> None:
        """Queue the one member that has waited longest: it finds out whether the CRM takes members again."""
        for key, sync_state in _oldest_first(self.scan.waiting())[:1]:
            self._send([next_try_change(key, backfill=_is_backfill(sync_state))])

    def round(self, *, everyone: bool = False) -> int:
        """Queue what is due, as far as one round may; return how many members.

        Raises:
            TransientError: the table or the queue does not answer.

        """
        now = self.clock()
        progress = self.scan.load_run("waiting")
        released = now if everyone else _moment(progress, "released")
        if not (everyone or _is_due(progress, now)):
            return 0
        # Cleared before the table is read: a member that begins to wait meanwhile sets it again.
        self.scan.save_run("waiting", {**progress, **_moments(now, due=None, released=released)})
        found = _oldest_first(self.scan.waiting())
        due = [pair for pair in found if _next_try(pair[1], released) <= now]
        queued = due[: self._largest_round()]
        self.scan.postpone([key for key, _ in queued], now, now + _QUEUED_FOR)
        self._send(self._spread(queued))
        names = {key for key, _ in queued}
        rest = [_next_try(sync_state, released) for key, sync_state in found if key not in names]
        # What was queued may never arrive: an hour later it is looked at again.
        later = [*rest, *([now + _QUEUED_FOR] if queued else [])]
        still_released = released if len(due) > len(queued) else None
        progress = self.scan.load_run("waiting")
        marked = _moment(progress, "due")
        following = min([*later, *([marked] if marked else [])], default=None)
        self.scan.save_run("waiting", {**progress, **_moments(now, due=following, released=still_released)})
        return len(queued)

    def _largest_round(self) -> int:
        """Return how many members one round queues: a tenth of what the rate allows in a tick, at most a thousand."""
        if not self.crm.rate_limits:
            return LARGEST_ROUND
        members = TICK.total_seconds() / self._seconds_per_call() * self.crm.members_per_call
        return max(1, min(LARGEST_ROUND, int(members)))

    def _seconds_per_call(self) -> float:
        """Return the time between two calls that use the share of the CRM's rate of writes, its first limit."""
        if not self.crm.rate_limits:
            return 0.0
        limit = self.crm.rate_limits[0]
        return limit.seconds / (limit.calls * _SHARE)

    def _spread(self, members: Sequence[tuple[str, SyncState]]) -> list[OutgoingMessage]:
        """Return the messages, delayed so that full calls follow each other at the share of the rate."""
        size, apart = self.crm.members_per_call, self._seconds_per_call()
        longest = int(TICK.total_seconds())
        return [
            next_try_change(
                key, backfill=_is_backfill(sync_state), delay=min(int(number // size * apart), longest)
            )
            for number, (key, sync_state) in enumerate(members)
        ]

    def _send(self, messages: Sequence[OutgoingMessage]) -> None:
        if messages and any(self.queue.send(messages)):
            raise TransientError("the target's queue does not take its messages")


def _is_due(progress: Mapping[str, Any], now: datetime) -> bool:
    due, read = _moment(progress, "due"), _moment(progress, "read")
    if _moment(progress, "released") or (due and due <= now):
        return True
    return read is None or now - read >= _SCAN_AT_LEAST


def _next_try(sync_state: SyncState, released: datetime | None) -> datetime:
    """Return when a member is due: at its next try, or at once if all that waited until `released` are.

    A try without a result has its message in the queue; a day later it is taken for lost.
    """
    waiting = sync_state.waiting
    assert waiting, "only members that wait are asked for"  # noqa: S101 - for the type checker
    if sync_state.state != "waiting":
        return waiting.next_try + _SCAN_AT_LEAST
    # What was queued or tried since has a later `tried`.
    return released if released and waiting.tried < released < waiting.next_try else waiting.next_try


def _oldest_first(members: Sequence[tuple[str, SyncState]]) -> list[tuple[str, SyncState]]:
    return sorted(((key, state) for key, state in members if state.waiting), key=lambda pair: _since(pair[1]))


def _since(sync_state: SyncState) -> datetime:
    assert sync_state.waiting, "only members that wait are sorted"  # noqa: S101 - for the type checker
    return sync_state.waiting.since


def _is_backfill(sync_state: SyncState) -> bool:
    return sync_state.waiting is not None and sync_state.waiting.backfill


def _moment(progress: Mapping[str, Any], name: str) -> datetime | None:
    text = progress.get(name)
    return datetime.fromisoformat(text) if text else None


def _moments(now: datetime, *, due: datetime | None, released: datetime | None) -> dict[str, str]:
    moments = {"read": now, "due": due, "released": released}
    return {name: moment.isoformat() if moment else "" for name, moment in moments.items()}
