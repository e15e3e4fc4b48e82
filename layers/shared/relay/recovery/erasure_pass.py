"""Takes what the journal says of erased members out of its files, once a week, older versions of the files with it.

A pass has two phases, and its state lies beside the journal, so that the clock continues it tick by tick:

1. `members`: read who is erased, and since when, from the members table;
2. `files`: go through the journal's files by name. Each line of such a member loses its body. What happened, when and to which
   customer id stays, as it does in the member's record.

A file that an earlier pass has seen is read for those alone who were erased since that pass collected them; a file that was written
since then is read for everyone. So after a pass that began at a moment, no file from before it says anything of a member that was
erased in the table then, however late the erasure was confirmed. A repeated or a parallel step does the same again.

A rewritten file is a new one to S3, which would keep it for as long again: the pass itself removes files of a day that is over.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal, TypeAlias

from inveterate.webhooks.base import UnreadableEventError, member_id_in

from relay.errors import TransientError
from relay.model.journal import dump, without_body
from relay.model.member import Member
from relay.ports.archive import JournalArchive, StoredFile
from relay.ports.scans import Scan
from relay.recovery.journal_files import body_of, day_of, packed, time_in, unpacked

EVERY: Final = timedelta(days=7)

STATE: Final = "erasure-pass.json"
"""The file of the state, beside the journal's."""

_SAVED_AFTER: Final = 200
"""Files between two writes of the state: so many are read again after a crash."""

_LATEST: Final = timedelta(days=3)
"""Firehose writes a file a day after it was begun at the latest, and two more are left."""

_PACKED: Final = b'"packed":'
_NUMBER: Final = re.compile(rb"\d+")
_ERASURES: Final = frozenset({"erased", "lifted"})

Phase: TypeAlias = Literal["members", "files", "done"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PassState:
    """How far the pass is. Times are ISO 8601; `begun` is of this pass, `before` of the one before it that ended.

    `erased` are the members that this pass has found by customer id: since when they are erased, and whether they still are (who
    has joined again is not). `known` are those of the pass before.
    """

    phase: Phase = "done"
    begun: str = ""
    ended: str = ""
    before: str = ""
    scan: str | None = None
    cursor: str = ""
    erased: Mapping[str, tuple[str, bool]] = field(default_factory=dict)
    known: Mapping[str, tuple[str, bool]] = field(default_factory=dict)
    files: int = 0
    lines: int = 0

    def new(self) -> dict[str, tuple[str, bool]]:
        """Return the erasures that no pass has dealt with."""
        return {
            customer: erasure
            for customer, erasure in self.erased.items()
            if self.known.get(customer, ("",))[0] != erasure[0]
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasurePass:
    """Makes the pass. `journal_days` is how long a file is kept."""

    archive: JournalArchive
    member_scan: Scan[Member]
    journal_days: int

    def load(self) -> PassState:
        """Return the state as of the latest write; that of a pass that never was, where there is none.

        Raises:
            TransientError: S3 does not answer, or the state cannot be read.

        """
        content = self.archive.read(STATE)
        if content is None:
            return PassState()
        try:
            values = json.loads(content)
            for name in ("erased", "known"):
                values[name] = {customer: (at, bool(still)) for customer, (at, still) in values[name].items()}
            return PassState(**values)
        except (TypeError, ValueError, KeyError, AttributeError):
            raise TransientError(f"{STATE} cannot be read: remove it, and the pass begins anew") from None

    def advance(self, now: datetime, has_time: Callable[[], bool], *, at_once: bool = False) -> PassState:
        """Do what there is time for; return the state then. `at_once` begins a pass before its week is over.

        Raises:
            TransientError: S3 or the table does not answer; the next call continues.

        """
        state = self.load()
        if state.phase == "done":
            if not at_once and state.begun and now - datetime.fromisoformat(state.begun) < EVERY:
                return state
            state = PassState(
                phase="members", begun=now.isoformat(), before=state.begun, known=state.erased, ended=""
            )
        while state.phase == "members" and has_time():
            state = self._collect(state)
        if state.phase == "files":
            state = self._sweep(state, now, has_time)
        self._save(state)
        return state

    def _collect(self, state: PassState) -> PassState:
        page = self.member_scan.page(state.scan)
        if page.unreadable:
            raise TransientError("members that newer code has written cannot be read: are they erased?")
        found = {
            member.customer_id: (erased_at.isoformat(), member.is_erased)
            for member in page.items
            if (erased_at := erased_since(member))
        }
        state = replace(state, erased={**state.erased, **found}, scan=page.cursor)
        if page.cursor:
            return state
        return replace(state, phase="files", cursor=_first_file(state))

    def _sweep(self, state: PassState, now: datetime, has_time: Callable[[], bool]) -> PassState:
        everyone, new = state.erased, state.new()
        if not everyone:
            return _ended(state, now)
        before = datetime.fromisoformat(state.before) if state.before else None
        for number, stored in enumerate(self.archive.files(state.cursor), start=1):
            if not has_time():
                return state
            if self._is_over(stored, now):
                self.archive.remove(stored.name)
            else:
                is_new = before is None or stored.written_at >= before
                lines = self._rewrite(stored.name, everyone if is_new else new)
                state = replace(state, files=state.files + bool(lines), lines=state.lines + lines)
            state = replace(state, cursor=stored.name)
            if number % _SAVED_AFTER == 0:
                self._save(state)
        return _ended(state, now)

    def _is_over(self, stored: StoredFile, now: datetime) -> bool:
        day = day_of(stored.name)
        return day is not None and now.date() - day > timedelta(days=self.journal_days + 1)

    def _rewrite(self, name: str, erased: Mapping[str, tuple[str, bool]]) -> int:
        """Rewrite a file without what it says of these members; return how many lines changed."""
        if not erased or not (content := self.archive.read(name)):
            return 0
        lines = unpacked(content)
        # Nearly every file names none of them, and need not be read as JSON.
        named = {found.decode() for found in set(_NUMBER.findall(lines))}
        if not named & erased.keys() and _PACKED not in lines:
            return 0
        written, changed = [], 0
        for line in lines.splitlines(keepends=True):
            shorter = _without(line, erased)
            changed += shorter is not None
            written.append(line if shorter is None else shorter)
        if changed:
            self.archive.write(name, packed(b"".join(written)))
        return changed

    def _save(self, state: PassState) -> None:
        self.archive.write(STATE, json.dumps(asdict(state)).encode())


def erased_since(member: Member) -> datetime | None:
    """Return since when a member is, or was, erased; None where the erasure was lifted, or there is none."""
    erased_at, lifted_at = member.moment("erased_at"), member.moment("erasure_lifted_at")
    return erased_at if erased_at and (lifted_at is None or erased_at > lifted_at) else None


def _first_file(state: PassState) -> str:
    """Return the name behind which the files begin that this pass has to read."""
    if state.new() or not state.before:
        return ""
    since = datetime.fromisoformat(state.before) - _LATEST
    return f"journal/{since:%Y/%m/%d}/"


def _ended(state: PassState, now: datetime) -> PassState:
    return replace(state, phase="done", ended=now.isoformat(), cursor="", known={})


def _without(line: bytes, erased: Mapping[str, tuple[str, bool]]) -> bytes | None:
    """Return a line without what it says of an erased member; None where there is nothing to take out."""
    try:
        columns = json.loads(line)
    except ValueError:
        return None
    if not isinstance(columns, dict) or columns.get("erased"):
        return None
    for customer in _customers(columns):
        if customer in erased and _is_covered(columns, *erased[customer]):
            return _shortened(columns)
    return None


def _shortened(columns: Mapping[str, Any]) -> bytes | None:
    if columns.get("kind") != "action":
        return dump(without_body(columns))
    # Who did what is no personal data of the member; what a letter carried may be.
    body = body_of(columns)
    if columns.get("action") in _ERASURES or not isinstance(body, dict) or "content" not in body:
        return None
    rest = {name: value for name, value in body.items() if name != "content"}
    return dump({**without_body(columns), "body": rest})


def _is_covered(columns: Mapping[str, Any], erased_at: str, still: bool) -> bool:  # noqa: FBT001 - a stored pair
    """Return whether a line is of the time that the erasure is about: any, or before it where the member has joined again."""
    received_at = time_in(columns, "received_at")
    return still or received_at is None or received_at <= datetime.fromisoformat(erased_at)


def _customers(columns: Mapping[str, Any]) -> Iterator[str]:
    """Yield the customer id that a line names: in its column, or in the body of a webhook that could not be placed."""
    if customer := columns.get("customer"):
        yield str(customer)
        return
    body = body_of(columns)
    payload = body.get("payload") if isinstance(body, dict) else None
    if isinstance(payload, dict):
        try:
            yield str(member_id_in(payload))
        except UnreadableEventError:
            return


def is_pending(state: PassState, customer: str, erased_at: datetime) -> bool:
    """Return whether the journal may still say something of a member that was erased at this moment.

    It may until a pass that has found this erasure has ended: one of an earlier erasure has not read what came between.
    """
    done = state.erased if state.phase == "done" else state.known
    return done.get(customer, ("",))[0] != erased_at.isoformat()
