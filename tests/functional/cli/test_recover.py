"""`relay recover` and `relay privacy` against a bucket with versions: what was erased is erased again, and stays so."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

import pytest
from relay.adapters.aws.boto import client
from relay.adapters.aws.s3 import S3Journal
from relay.adapters.dynamodb.members import DynamoMembers
from relay.errors import PermanentError
from relay.model import journal
from relay.model.facts import Facts
from relay.model.member import Member, merge
from relay.model.messages import Outbox, RunCommand, load
from relay.ports.crm import NOT_READABLE
from relay.ports.members import MemberRecord
from relay.ports.messaging import OutgoingMessage
from relay.recovery.journal_files import packed
from relay_cli.commands import privacy, recover
from relay_cli.commands.mirror.target import Target
from relay_cli.errors import ATTENTION, DONE, DeclinedError, UsageError
from relay_cli.full_run import Runs
from relay_cli.stack import Stack

from tests.support.command_line import parsed
from tests.support.moto_tables import make_table
from tests.support.port_fakes import SHOP
from tests.unit.reconcile.full_run_setup import FullRunSetup, TimedContext

BUCKET = "journal"
TOLD = datetime(2026, 3, 1, tzinfo=UTC)
ERASED = TOLD + timedelta(days=10)


@dataclass(frozen=True)
class StackWithJournal(Stack):
    """A stack with a members table and the journal's bucket."""

    @cached_property
    def outputs(self) -> Mapping[str, str]:
        """The outputs that the commands read."""
        return {"MembersTable": "members", "MirrorsTable": "mirrors", "JournalBucket": BUCKET, **self.more}

    @property
    def more(self) -> Mapping[str, str]:
        """Further outputs."""
        return {}

    @cached_property
    def parameters(self) -> Mapping[str, str]:
        """The shop, and how long its journal is kept: longer than this test's files are old, whenever it runs."""
        return {"ShopDomain": SHOP, "JournalDays": "36500"}


def relay(module: Any, *words: str) -> int:
    """Run a command with that stack."""
    code: int = module.main(parsed(module.configure, *words), lambda given: StackWithJournal(given.stack))
    return code


def put(at: datetime, *lines: Mapping[str, Any]) -> str:
    """Write a file of the journal as Firehose names it."""
    name = f"journal/{at:%Y/%m/%d}/relay-1-{at:%Y-%m-%d-%H-%M-%S}-0.gz"
    client("s3").put_object(Bucket=BUCKET, Key=name, Body=packed(b"".join(map(journal.dump, lines))))
    return name


def action(kind: journal.JournalAction, customer: str, at: datetime) -> dict[str, Any]:
    """Return the line of an erasure."""
    return journal.action_line(
        kind,
        f"{kind}-{customer}",
        topic="t",
        shop=SHOP,
        outcome="applied",
        received_at=at,
        customer=customer,
        at=at,
    )


def event(customer: str) -> dict[str, Any]:
    """Return the line of an event with an address."""
    return {
        "kind": "event",
        "id": "a" * 32,
        "customer": customer,
        "received_at": TOLD.isoformat(),
        "outcome": "applied",
        "body": {"payload": {"email": f"{customer}@example.com"}},
    }


def member(customer: str) -> Member:
    """Return a member's record."""
    key = f"{SHOP}:{customer}"
    return DynamoMembers("members", SHOP).load([key])[0][key].member


@pytest.fixture(autouse=True)
def _restored() -> None:
    """Make a table as it was before the erasures, and the journal of after them."""
    make_table("members")
    make_table("mirrors")
    client("s3").create_bucket(Bucket=BUCKET)
    client("s3").put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    for number, customer in enumerate(("7001", "7002", "7003")):
        facts = Facts(event_id=f"{number:032x}", at=TOLD, values={"email": f"{customer}@example.com"})
        known = merge(Member(shop=SHOP, customer_id=customer), facts)
        DynamoMembers("members", SHOP).save(
            MemberRecord(member=known), Outbox(member=known.key, changed=True)
        )
    put(TOLD, event("7001"), event("7003"))
    put(ERASED, action("erased", "7001", ERASED), action("erased", "7002", ERASED))
    put(ERASED + timedelta(days=1), action("lifted", "7002", ERASED + timedelta(days=1)))


def test_after_a_restore(capsys: pytest.CaptureFixture[str]) -> None:
    """Who was erased is erased again, who was lifted is not; without an API key and a CRM that is all; twice does no harm."""
    assert relay(recover, "--dry-run", "--json") == DONE
    planned = json.loads(capsys.readouterr().out)["erasures"]
    # An erasure that was lifted erases no member.
    assert planned == {"files": 3, "members": 1, "lifted": 1, "changed": 0}
    assert relay(recover, "--dry-run") == DONE
    assert "erased members: 1 (and 1 lifted since)\nnothing" in capsys.readouterr().out
    assert not member("7001").is_erased

    assert relay(recover, "--yes") == DONE
    assert "skipped, the stack has no API key" in capsys.readouterr().out
    assert member("7001").is_erased
    assert member("7001").value("email") is None
    assert not member("7002").is_erased
    assert member("7003").value("email") == "7003@example.com"

    assert relay(recover, "--yes", "--json") == DONE
    result = json.loads(capsys.readouterr().out)
    assert (result["erasures"]["changed"], result["resumed"], result["done"]) == (0, False, True)


def test_from_a_moment_on(capsys: pytest.CaptureFixture[str]) -> None:
    """Older files are not read; an erasure after the moment is found in a file that was begun two days before at most."""
    assert relay(recover, "--since", ERASED.isoformat(), "--yes", "--json") == DONE
    assert json.loads(capsys.readouterr().out)["erasures"]["files"] == 2
    assert member("7001").is_erased


@dataclass(frozen=True)
class StackWithCrms(StackWithJournal):
    """The same with an API key and two CRMs."""

    @property
    def more(self) -> Mapping[str, str]:
        """The queue of reconcile."""
        return {"ReconcileQueueUrl": "https://sqs.example.com/reconcile"}

    @cached_property
    def parameters(self) -> Mapping[str, str]:
        """The CRMs."""
        return {"ShopDomain": SHOP, "Targets": "hubspot,webhook"}


@dataclass
class Stage:
    """A programme of 30 members, the function reconcile beside the command, and the audits that it made."""

    setup: FullRunSetup = field(default_factory=FullRunSetup)
    queue: list[OutgoingMessage] = field(default_factory=list)
    audited: list[str] = field(default_factory=list)
    down: bool = False
    waits: int = 0

    def send(self, messages: Sequence[OutgoingMessage]) -> Sequence[Exception | None]:
        self.queue += messages
        return [None] * len(messages)

    def pass_time(self, _seconds: float) -> None:
        """Let the function take one step; end the command by force where there is nothing to wait for."""
        waiting = [*self.queue, *self.setup.steps.sent]
        self.queue, self.setup.steps.sent = [], []
        self.waits += 1
        if self.down and self.waits > 1:
            raise KeyboardInterrupt
        if waiting:
            self.setup.runner.obey(load(RunCommand, waiting[0].body), TimedContext(questions=3))

    def audit(self, target: Target, _: object) -> dict[str, Any]:
        """Audit a CRM; a receiver of the webhook cannot be read."""
        if target.name == "webhook":
            raise PermanentError(NOT_READABLE)
        self.audited.append(target.name)
        return {"read": 30, "repaired": 2, "again": 0}

    def relay(self, *words: str) -> int:
        """Run `relay recover …`."""
        runs = Runs(self.setup.runs, self, self.pass_time, lambda: float(self.waits))
        return recover.main(
            parsed(recover.configure, *words, "--yes"),
            lambda given: StackWithCrms(given.stack),
            lambda _stack: runs,
            lambda _stack, name: AuditedTarget(StackWithCrms("relay"), name),
        )


class AuditedTarget(Target):
    """A CRM whose function is not deployed."""

    def load_settings(self) -> None:
        """Read none."""


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    """Return a programme of 30 members that was imported the day before."""
    stage = Stage()
    stage.setup.has(*range(1, 31))
    stage.setup.command("import")
    stage.setup.next_day()
    stage.setup.members.outboxes.clear()
    monkeypatch.setattr("relay_cli.commands.mirror.maintenance.audit", stage.audit)
    return stage


def test_the_three_steps(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    """Erasures, then a quiet comparison of all members, then each CRM that can be read; progress on the standard error."""
    stage.setup.whenever(lambda one: one.update(status="CANCELLED"), 5)
    assert stage.relay("--json") == DONE
    shown = capsys.readouterr()
    result = json.loads(shown.out)
    assert result["erasures"]["changed"] == 2
    assert (result["comparison"]["read"], result["comparison"]["changed"], result["comparison"]["told"]) == (
        30,
        1,
        0,
    )
    assert result["audits"] == {
        "hubspot": {"read": 30, "repaired": 2, "again": 0},
        "webhook": {"skipped": NOT_READABLE},
    }
    assert (result["resumed"], result["done"]) == (False, True)
    assert next(line[:1] for line in shown.err.splitlines() if line[:1].isdigit()) == "1"
    assert "2  members: 30 of 30" in shown.err


def test_a_recovery_that_was_ended_goes_on(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    """Ended by force during the comparison: the same run is followed, the erasures are not read again."""
    stage.down = True
    with pytest.raises(KeyboardInterrupt):
        stage.relay()
    began = stage.setup.runs.run
    assert began is not None
    stage.down = False
    capsys.readouterr()
    with pytest.raises(UsageError, match="another moment"):
        stage.relay("--since", "2026-03-05")
    assert stage.relay("--json") == DONE
    result = json.loads(capsys.readouterr().out)
    assert (result["resumed"], result["done"], "erasures" in result) == (True, True, False)
    assert result["comparison"]["id"] == began.id
    assert stage.audited == ["hubspot"]
    assert stage.relay("--json") == DONE
    assert not json.loads(capsys.readouterr().out)["resumed"], "after its end it begins anew"


def test_a_recovery_waits_for_people(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    """A brake stops the comparison: no CRM is compared, exit code 3, and `--confirm` goes on with the same run."""
    stage.setup.whenever(lambda one: one.update(status="CANCELLED"), *range(1, 26))
    assert stage.relay() == ATTENTION
    shown = capsys.readouterr().out
    assert "STOPPED" in shown
    assert "relay recover --confirm" in shown
    assert stage.relay() == ATTENTION
    assert stage.audited == []
    capsys.readouterr()
    assert stage.relay("--confirm", "--json") == DONE
    assert json.loads(capsys.readouterr().out)["comparison"]["changed"] == 25
    assert stage.setup.member(25).status == "cancelled"


def test_a_recovery_with_a_list_that_is_not_whole(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    """It is not done, and the next command compares again."""
    stage.setup.programme.is_certain, stage.setup.programme.end = False, "full_page"
    assert stage.relay() == ATTENTION
    assert "go on: relay recover" in capsys.readouterr().out
    stage.setup.programme.is_certain = True
    assert stage.relay() == DONE
    assert stage.audited == ["hubspot"]


def test_a_run_from_before_does_not_count(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    """A run that was under way has read the table as it was: it ends, and another one follows."""
    stage.setup.runner.obey(RunCommand(action="reconcile", id="before"), TimedContext(questions=3))
    assert stage.relay("--json") == DONE
    assert json.loads(capsys.readouterr().out)["comparison"]["id"] != "before"


def test_wrong_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """A time that is none, a name with a sweep; and no change without a yes."""
    with pytest.raises(UsageError, match="lately is no time"):
        relay(recover, "--since", "lately")
    with pytest.raises(UsageError, match="name no customer"):
        relay(privacy, "7001", "--sweep")
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    with pytest.raises(DeclinedError, match="--yes"):
        relay(recover)
    assert not member("7001").is_erased


def test_before_the_first_pass(capsys: pytest.CaptureFixture[str]) -> None:
    """A stack in which no member was erased is clear; one erased member makes the same state need attention."""
    assert relay(privacy) == DONE
    assert "nothing is outstanding" in capsys.readouterr().out
    assert relay(privacy, "--json") == DONE
    assert json.loads(capsys.readouterr().out)["clear"] is True

    assert relay(recover, "--yes") == DONE
    capsys.readouterr()
    assert relay(privacy) == ATTENTION
    assert "relay privacy --sweep" in capsys.readouterr().out
    assert relay(privacy, "--json") == ATTENTION
    assert json.loads(capsys.readouterr().out)["clear"] is False


def test_a_member_that_is_not_erased_is_no_proof(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 0 says that the member is erased everywhere; an id that Relay has not heard of is named as that."""
    assert relay(privacy, "424242", "--json") == ATTENTION
    shown_now = json.loads(capsys.readouterr().out)
    assert (shown_now["known"], shown_now["erased"]) == (False, False)
    assert relay(privacy, "424242") == ATTENTION
    shown = capsys.readouterr().out
    assert "`relay dead-letters list --customer 424242` shows the member's" in shown
    assert "has not heard of this customer id" in shown


def test_the_pass_leaves_no_older_version(capsys: pytest.CaptureFixture[str]) -> None:
    """The file is written anew, and the one with the address is gone with every version of it; who asks is told so."""
    assert relay(recover, "--yes") == DONE
    assert relay(privacy, "7001") == ATTENTION
    shown_now = capsys.readouterr().out
    assert "the next pass takes it out" in shown_now
    assert "erased: yes" in shown_now
    assert "personal fields: none" in shown_now

    assert relay(privacy, "--sweep", "--json") == DONE
    assert json.loads(capsys.readouterr().out)["lines_changed"] == 1
    found = client("s3").list_object_versions(Bucket=BUCKET)
    assert "DeleteMarkers" not in found
    journal_files = [one for one in found["Versions"] if one["Key"].startswith("journal/")]
    assert len(journal_files) == 3
    assert len(found["Versions"]) == 4, "the state has one version as well"
    archive = S3Journal(BUCKET)
    everything = b"".join(archive.read(stored.name) or b"" for stored in archive.files())
    assert everything
    lines = [json.dumps(line) for stored in archive.files() for line in _lines(archive, stored.name)]
    assert not [line for line in lines if "7001@example.com" in line]
    assert [line for line in lines if "7003@example.com" in line]

    assert relay(privacy, "7001", "--json") == DONE
    shown = json.loads(capsys.readouterr().out)
    assert (shown["erased"], shown["personal_fields"], shown["journal"]) == (True, [], "done")
    assert relay(privacy) == DONE


def _lines(archive: S3Journal, name: str) -> list[Mapping[str, Any]]:
    from relay.recovery.journal_files import read_lines

    return list(read_lines(archive.read(name) or b""))


def test_a_file_is_removed_whole() -> None:
    """With every version, and without a marker; a longer name beside it stays."""
    archive = S3Journal(BUCKET)
    name = put(TOLD, event("7001"))
    client("s3").put_object(Bucket=BUCKET, Key=f"{name}.copy", Body=b"x")
    archive.remove(name)
    assert archive.read(name) is None
    assert archive.read(f"{name}.copy") == b"x"
    assert next(stored.name for stored in archive.files(name)) == f"{name}.copy"
