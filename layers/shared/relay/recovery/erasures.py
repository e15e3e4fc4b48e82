"""Applies the journal's erasures to the members table: a restored table has people that it must not have."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from relay.ingest.reducer import differs
from relay.model.facts import Facts
from relay.model.member import Member, member_key, merge
from relay.model.messages import Outbox
from relay.ports.archive import JournalArchive
from relay.ports.members import MemberRecord, MemberStore
from relay.ports.optimistic import retry_conflicts
from relay.recovery.journal_files import read_lines, time_in

_FIELDS: Final[Mapping[str, str]] = {"erased": "erased_at", "lifted": "erasure_lifted_at"}
"""The field of the record that each action of the journal is about."""


@dataclass(slots=True)
class JournaledErasures:
    """What the journal says of erasures: by customer id, the facts of each line. `files` were read."""

    by_customer: dict[str, list[Facts]] = field(default_factory=dict)
    files: int = 0


def journaled_erasures(
    archive: JournalArchive, since: datetime | None, report: Callable[[int], None] = lambda _files: None
) -> JournaledErasures:
    """Read the erasures, and their liftings, from the journal: of all of it, or of what was written after a moment."""
    found = JournaledErasures()
    # Firehose writes a file a day after it was begun at the latest.
    mark = f"journal/{since - timedelta(days=2):%Y/%m/%d}/" if since else ""
    for stored in archive.files(mark):
        found.files += 1
        report(found.files)
        for customer, facts in _erasures_in(archive.read(stored.name) or b""):
            found.by_customer.setdefault(customer, []).append(facts)
    return found


def in_force(shop: str, by_customer: Mapping[str, Sequence[Facts]]) -> int:
    """Return how many of these members are erased by what the journal says: an erasure that was lifted is none."""
    return sum(
        _merged(Member(shop=shop, customer_id=customer), facts).is_erased
        for customer, facts in by_customer.items()
    )


def _merged(member: Member, erasures: Iterable[Facts]) -> Member:
    for facts in erasures:
        member = merge(member, facts)
    return member


def _erasures_in(content: bytes) -> Iterator[tuple[str, Facts]]:
    for line in read_lines(content):
        name = _FIELDS.get(str(line.get("action")))
        at, customer = time_in(line, "at"), line.get("customer")
        if line.get("kind") == "action" and name and at and customer:
            yield str(customer), _facts(line, name, at)


def _facts(line: Mapping[str, Any], name: str, at: datetime) -> Facts:
    return Facts(event_id=str(line.get("id")), at=at, values={name: at})


def apply_again(members: MemberStore, shop: str, customer: str, erasures: list[Facts]) -> bool:
    """Merge a member's erasures into its record; return whether that changed it.

    Raises:
        TransientError: the table does not answer.

    """
    key = member_key(shop, customer)

    def read() -> MemberRecord:
        return members.load([key])[0][key]

    def write(record: MemberRecord) -> bool:
        after = _merged(record.member, erasures)
        if after == record.member and not record.member.unknown:
            return False
        members.save(replace(record, member=after), Outbox(member=key, changed=differs(record.member, after)))
        return True

    return retry_conflicts(read(), write, read, what="the member")
