"""Once a week the journal loses what it says of erased members, whatever ends the pass in between."""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from relay.errors import TransientError
from relay.model.facts import Facts
from relay.model.member import Member, merge
from relay.model.milestones import Milestone
from relay.recovery.erasure_pass import STATE, ErasurePass, PassState, is_pending

from tests.support.journal_fakes import FakeArchive
from tests.support.port_fakes import SHOP
from tests.support.scheduler_fakes import FakeScan

DAY = timedelta(days=1)
TOLD = datetime(2026, 3, 1, 12, tzinfo=UTC)
ERASED = TOLD + 5 * DAY
NOW = TOLD + 6 * DAY


def person(customer: str, *, erased: datetime | None = ERASED, joined: datetime | None = None) -> Member:
    """Return a member, erased and joined again at these moments."""
    member = Member(shop=SHOP, customer_id=customer)
    if erased:
        member = merge(member, Facts(event_id="e" * 32, at=erased, values={"erased_at": erased}))
    if joined:
        again = Facts(event_id="f" * 32, at=joined, rank=9, milestone=Milestone(kind="joined", detail="paid"))
        member = merge(member, again)
    return member


def line(customer: str, at: datetime = TOLD, **more: Any) -> dict[str, Any]:
    """Return the line of an event."""
    body = {"payload": {"customerId": customer, "email": f"{customer}@example.com"}}
    return {
        "v": 1,
        "kind": "event",
        "id": f"{customer}-{at:%d}",
        "customer": customer,
        "received_at": at.isoformat(),
        "outcome": "applied",
        "effects": ["x"],
        "body": body,
        **more,
    }


@dataclass
class Setup:
    """A journal and a table of members."""

    people: list[Member] = field(default_factory=list)
    archive: FakeArchive = field(default_factory=FakeArchive)

    def run(self, now: datetime = NOW, times: int = 10_000, *, at_once: bool = False) -> PassState:
        """Make the pass, or as much as there is time for."""
        left = [times]

        def has_time() -> bool:
            left[0] -= 1
            return left[0] >= 0

        self.archive.now = now
        return ErasurePass(archive=self.archive, member_scan=FakeScan(self.people), journal_days=30).advance(
            now, has_time, at_once=at_once
        )

    def says(self) -> str:
        """Return everything that the journal says."""
        return json.dumps(self.archive.lines())


def test_what_a_line_loses() -> None:
    """Its body, packed or not; what happened stays, and so does every line of everyone else, to the byte."""
    setup = Setup([person("7001"), person("7002", erased=None)])
    packed = base64.b64encode(zlib.compress(json.dumps(line("7001")["body"]).encode())).decode()
    unread = {key: value for key, value in line("7001").items() if key != "body"}
    setup.archive.deliver(TOLD, line("7001"), line("7002"), unread | {"packed": packed})
    other = setup.archive.deliver(TOLD + DAY, line("7002"), line("70010"), {"kind": "event", "id": "7001"})
    before = setup.archive.stored[other]
    assert setup.run().phase == "done"
    first, kept, second, *_ = setup.archive.lines()
    assert first == {key: value for key, value in line("7001").items() if key != "body"} | {"erased": True}
    assert second == unread | {"erased": True}
    assert kept == line("7002")
    assert setup.archive.stored[other] == before


def test_lines_of_every_kind() -> None:
    """A reading loses its body, an unclaimed webhook too; who did what stays, and what erased stays whole."""
    setup = Setup([person("7001")])
    erasure = line("7001", kind="action", action="erased", body={"by": "kim"})
    action = line(
        "7001", kind="action", action="dropped", body={"by": "kim", "content": {"note": "7001@example.com"}}
    )
    unclaimed = {key: value for key, value in line("7001", outcome="unclaimed").items() if key != "customer"}
    huge = {key: value for key, value in unclaimed.items() if key != "body"}
    huge["packed"] = base64.b64encode(zlib.compress(json.dumps(unclaimed["body"]).encode())).decode()
    setup.archive.deliver(TOLD, line("7001", kind="reading"), erasure, action, unclaimed)
    setup.archive.deliver(TOLD + DAY, huge)
    setup.run()
    assert "example.com" not in setup.says()
    assert "packed" not in setup.says()
    reading, kept, dropped, *_ = setup.archive.lines()
    assert "body" not in reading
    assert kept == erasure
    assert dropped["body"] == {"by": "kim"}


def test_who_has_joined_again_loses_what_was_before() -> None:
    """What was told after the joining is of a member."""
    setup = Setup([person("7001", joined=ERASED + DAY / 2)])
    setup.archive.deliver(TOLD, line("7001", TOLD))
    setup.archive.deliver(NOW - DAY / 4, line("7001", NOW - DAY / 4))
    setup.run()
    assert ["body" in one for one in setup.archive.lines()] == [False, True]


def test_a_lifted_erasure_touches_nothing() -> None:
    """`relay erase --undo` in time: the journal keeps what it has."""
    lifted = Facts(event_id="a" * 32, at=NOW, values={"erasure_lifted_at": NOW})
    setup = Setup([merge(person("7001"), lifted)])
    setup.archive.deliver(TOLD, line("7001"))
    assert setup.run().lines == 0
    assert "example.com" in setup.says()


@pytest.mark.parametrize("times", [1, 2, 3, 5])
def test_any_end_of_a_step(times: int) -> None:
    """With little time, or after a crash before the state is written, the next step goes on; the whole is done once."""
    setup = Setup([person(str(7000 + number)) for number in range(5)])
    for number in range(12):
        setup.archive.deliver(TOLD + number * timedelta(hours=1), line(str(7000 + number % 6)))
    for _ in range(60):
        state = setup.run(times=times)
        if state.phase == "done":
            break
    assert state.phase == "done"
    assert [customer for customer in range(7000, 7006) if f"{customer}@example.com" in setup.says()] == [7005]


def test_a_server_that_does_not_answer() -> None:
    """The error is raised, and the next step begins where the state was saved."""
    setup = Setup([person("7001")])
    setup.archive.deliver(TOLD, line("7001"))
    setup.archive.failure = TransientError("journal's bucket: SlowDown")
    with pytest.raises(TransientError):
        setup.run()
    setup.archive.failure = None
    assert setup.run().phase == "done"
    assert "example.com" not in setup.says()


def test_once_a_week() -> None:
    """Not at every tick; on request at once."""
    setup = Setup([person("7001")])
    setup.run()
    setup.archive.deliver(NOW, line("7001", NOW))
    setup.run(NOW + 6 * DAY)
    assert "example.com" in setup.says()
    setup.run(NOW + 6 * DAY, at_once=True)
    assert "example.com" not in setup.says()


def test_the_second_pass_reads_what_is_new() -> None:
    """Old files are read for those alone who were erased since; a new file is read for everyone, however old its day is."""
    setup = Setup([person("7001")])
    old = setup.archive.deliver(TOLD, line("7001"), line("7002"))
    setup.run()
    late = setup.archive.deliver(NOW - DAY, line("7001"), late=NOW + DAY)
    setup.archive.reads.clear()
    setup.run(NOW + 7 * DAY)
    assert late in setup.archive.reads
    assert old not in setup.archive.reads
    assert "7001@" not in setup.says()
    # Confirmed late, an erasure may be dated before the pass that did not see it.
    setup.people.append(person("7002", erased=ERASED - DAY))
    setup.run(NOW + 14 * DAY)
    assert "7002@" not in setup.says()


def test_a_rewritten_file_lives_no_longer_than_its_day_allows() -> None:
    """S3 counts its age from the rewriting; the pass counts from its day."""
    setup = Setup([person("7001")])
    old = setup.archive.deliver(TOLD, line("7002"))
    young = setup.archive.deliver(TOLD + 20 * DAY, line("7002"))
    setup.run(TOLD + 33 * DAY)
    assert old not in setup.archive.stored
    assert young in setup.archive.stored


def test_unreadable_members_stop_the_pass() -> None:
    """In the middle of a deployment it waits: no member may be left out."""
    setup = Setup([person("7001")])
    archive = setup.archive
    scan = FakeScan(setup.people, unreadable=1)
    with pytest.raises(TransientError):
        ErasurePass(archive=archive, member_scan=scan, journal_days=30).advance(NOW, lambda: True)


def test_a_state_that_cannot_be_read() -> None:
    """It is said so, and nothing is taken for done."""
    setup = Setup([person("7001")])
    setup.archive.stored[STATE] = b'{"phase": 7'
    with pytest.raises(TransientError, match=STATE):
        setup.run()


def test_what_is_pending() -> None:
    """An erasure is pending until a pass that has found it has ended."""
    setup = Setup([person("7001")])
    assert is_pending(PassState(), "7001", ERASED)
    setup.archive.deliver(TOLD, line("7001"))
    assert is_pending(setup.run(times=1), "7001", ERASED)
    ended = setup.run()
    assert not is_pending(ended, "7001", ERASED)
    assert is_pending(ended, "7002", ERASED)


def test_a_second_erasure_is_pending() -> None:
    """A member that joined again and is erased once more waits for another pass: the journal has what came between."""
    setup = Setup([person("7001")])
    assert is_pending(setup.run(), "7001", ERASED + DAY)
