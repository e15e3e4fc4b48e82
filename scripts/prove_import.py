"""An import of a million members takes no more memory than one of a thousand: each page is read, merged and forgotten.

The list comes page by page through the SDK's own client, from an API that makes its members up; the run, its merges and its
journal lines are the real ones, and its progress is stored after each page. The table counts the members and keeps none:
what is measured is the run. Prints the peak of the memory on the way, and fails where it grew by more than `--most` MB after
the first invocation.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qs

import httpx
from inveterate import Client
from relay.adapters.inveterate_api import InveterateApi
from relay.model.member import Member
from relay.model.messages import Outbox, RunCommand
from relay.ports.full_run import FullRun
from relay.ports.members import MemberRecord
from relay.ports.messaging import OutgoingMessage
from relay.ports.scans import Page
from relay.reconcile.full_run import FullRunner
from relay.rules.settings import Rules

from tests.support.port_fakes import FakeTelemetry

SHOP: Final = "acme.myshopify.com"
AT: Final = datetime(2026, 3, 1, tzinfo=UTC)
PER_PAGE: Final = 100
MARKS: Final = (10_000, 100_000, 250_000, 500_000)
"""After so many members a line is printed."""
FIRST: Final = 7_000_000_000_000
"""The customer id of the first member."""


@dataclass
class MadeUpApi:
    """A platform of `members` members, made up by their number."""

    members: int

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Return a page of the list."""
        query = parse_qs(request.url.query.decode())
        last = query.get("lastCustomerId")
        start = int(last[0]) - FIRST + 1 if last else 0
        page = [self._member(number) for number in range(start, min(start + PER_PAGE, self.members))]
        body: dict[str, Any] = {"message": "ok", "data": page}
        if page:
            body["lastCustomerId"] = page[-1]["customerId"]
        return httpx.Response(200, json=body, headers={"Date": "Sun, 01 Mar 2026 00:00:00 GMT"})

    @staticmethod
    def _member(number: int) -> dict[str, Any]:
        return {
            "customerId": str(FIRST + number),
            "email": f"member-{number}@example.com",
            "firstName": f"First{number}",
            "lastName": f"Last{number}",
            "status": "ACTIVE",
            "tierId": f"t{number % 5}",
            "tierName": f"Tier {number % 5}",
            "credit": number % 97,
            "creditsEarned": number % 970,
            "joinedAt": "2024-05-01T00:00:00Z",
            "anonymized": False,
        }


class Key:
    """A secret as the adapter reads it."""

    def value(self) -> str:
        """Return it."""
        return "made-up"

    def forget(self) -> None:
        """Keep it."""


@dataclass
class CountedTable:
    """The members table, the journal, the queues and the run's progress: all count, and none keeps a member."""

    saved: int = 0
    journaled: int = 0
    run: FullRun | None = None
    steps: list[OutgoingMessage] = field(default_factory=list)

    def load(self, keys: Iterable[str]) -> tuple[Mapping[str, MemberRecord], Rules]:
        """Return empty records: every member is new."""
        pairs = [(key, *key.rsplit(":", 1)) for key in keys]
        return {
            key: MemberRecord(member=Member(shop=shop, customer_id=customer)) for key, shop, customer in pairs
        }, Rules()

    def save(self, record: MemberRecord, outbox: Outbox) -> None:
        """Count a write."""
        self.saved += bool(record.member.value("email") and outbox.backfill and not outbox.events)

    def write(self, lines: Sequence[Mapping[str, Any]]) -> Sequence[Exception | None]:
        """Count lines."""
        self.journaled += len(lines)
        return [None] * len(lines)

    def send(self, messages: Sequence[OutgoingMessage]) -> Sequence[Exception | None]:
        """Take the run's next step."""
        self.steps += messages
        return [None] * len(messages)

    def page(self, cursor: str | None = None) -> Page[Member]:  # noqa: ARG002 - the port's argument
        """Return the table's members: none that the list did not show."""
        return Page(items=())

    def stored(self) -> Runs:
        """Return where the run is kept."""
        return Runs(self)


@dataclass
class Runs:
    """The stored run."""

    table: CountedTable

    def load(self) -> FullRun | None:
        """Return it."""
        return self.table.run

    def save(self, run: FullRun) -> FullRun:
        """Keep it."""
        self.table.run = replace(run, version=run.version + 1)
        return self.table.run


@dataclass
class OneInvocation:
    """The time of one invocation: so many questions for it that it takes a hundred pages, 10,000 members."""

    left: int = 100

    def get_remaining_time_in_millis(self) -> int:
        """Return less each time."""
        self.left -= 1
        return 900_000 if self.left > 0 else 0


def imported(members: int) -> Iterator[tuple[int, float]]:
    """Import so many members; yield how many were read and the peak of the memory in MB, after each invocation.

    Raises:
        RuntimeError: not every member was imported, or not quietly.

    """
    table = CountedTable()
    api = InveterateApi(
        "https://api.example",
        Key(),  # type: ignore[arg-type]  # a secret that is none of SSM's
        lambda url, key, hook: Client(
            key, base_url=url, transport=httpx.MockTransport(MadeUpApi(members)), hooks=(hook,)
        ),
    )
    runner = FullRunner(
        shop=SHOP,
        members=table,
        member_scan=table,
        api=api,
        runs=table.stored(),
        journal=table,
        clock=lambda: AT + timedelta(minutes=10),
        telemetry=FakeTelemetry(),
        steps=table,
        alerts=table,
        pause=lambda _seconds: None,
    )
    command = RunCommand(action="import", id="r1")
    runner.obey(command, OneInvocation())
    yield table.saved, peak_mb()
    while table.steps:
        table.steps.clear()
        runner.obey(replace(command, action="next"), OneInvocation())
        yield table.saved, peak_mb()
    if (run := table.run) is None:
        raise RuntimeError("no run was stored")
    done = (run.phase, run.whole, run.read, run.new, run.told, table.saved, table.journaled)
    if done != ("finished", True, members, members, 0, members, members):
        raise RuntimeError(f"not every member was imported, quietly: {done}")


def peak_mb() -> float:
    """Return the most memory that this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def main(members: int, most: float) -> int:
    """Import them, and print the peak of the memory on the way; return 1 where it grew by more than `most` MB."""
    marks = sorted({mark for mark in MARKS if mark < members} | {members})
    first, last, began = 0.0, 0.0, time.process_time()
    for read, peak in imported(members):
        first, last = first or peak, peak
        while marks and read >= marks[0]:
            cpu = time.process_time() - began
            print(
                f"{marks.pop(0):>9,} members: peak {peak:.1f} MB, {cpu:.0f} s of processor time", flush=True
            )
    print(f"{last - first:.1f} MB more at the end than after the first invocation")
    return int(last - first > most)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--members", type=int, default=100_000, help="(default: %(default)s)")
    parser.add_argument("--most", type=float, default=8.0, help="MB (default: %(default)s)")
    options = parser.parse_args()
    sys.exit(main(options.members, options.most))
