"""`relay recover` and `relay privacy` against a bucket with versions: what was erased is erased again, and stays so."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

import pytest
from relay.adapters.aws.boto import client
from relay.adapters.aws.s3 import S3Journal
from relay.adapters.dynamodb.members import DynamoMembers
from relay.model import journal
from relay.model.facts import Facts
from relay.model.member import Member, merge
from relay.model.messages import Outbox
from relay.ports.members import MemberRecord
from relay.recovery.journal_files import packed
from relay_cli.commands import privacy, recover
from relay_cli.errors import ATTENTION, DONE, DeclinedError, UsageError
from relay_cli.stack import Stack

from tests.support.command_line import parsed
from tests.support.moto_tables import make_table
from tests.support.port_fakes import SHOP

BUCKET = "journal"
TOLD = datetime(2026, 3, 1, tzinfo=UTC)
ERASED = TOLD + timedelta(days=10)


@dataclass(frozen=True)
class StackWithJournal(Stack):
    """A stack with a members table and the journal's bucket."""

    @cached_property
    def outputs(self) -> Mapping[str, str]:
        """The outputs that the commands read."""
        return {"MembersTable": "members", "JournalBucket": BUCKET}

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
    """Who was erased is erased again, who was lifted is not, and what comes next is named; twice does no harm."""
    assert relay(recover, "--dry-run", "--json") == DONE
    planned = json.loads(capsys.readouterr().out)
    assert (planned["files"], planned["members"], planned["changed"]) == (3, 2, 0)
    assert not member("7001").is_erased

    assert relay(recover, "--yes") == DONE
    assert "relay mirror audit" in capsys.readouterr().out
    assert member("7001").is_erased
    assert member("7001").value("email") is None
    assert not member("7002").is_erased
    assert member("7003").value("email") == "7003@example.com"

    assert relay(recover, "--yes", "--json") == DONE
    assert json.loads(capsys.readouterr().out)["changed"] == 0


def test_from_a_moment_on(capsys: pytest.CaptureFixture[str]) -> None:
    """Older files are not read; an erasure after the moment is found in a file that was begun two days before at most."""
    assert relay(recover, "--since", ERASED.isoformat(), "--yes", "--json") == DONE
    assert json.loads(capsys.readouterr().out)["files"] == 2
    assert member("7001").is_erased


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


def test_the_pass_leaves_no_older_version(capsys: pytest.CaptureFixture[str]) -> None:
    """The file is written anew, and the one with the address is gone with every version of it; who asks is told so."""
    assert relay(recover, "--yes") == DONE
    assert relay(privacy, "7001") == ATTENTION
    assert "the next pass takes it out" in capsys.readouterr().out

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
