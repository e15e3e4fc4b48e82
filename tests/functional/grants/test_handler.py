"""The function `grants` as Lambda calls it, against the simulator's API: one entry in the ledger, whatever happens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import httpx
import pytest
from inveterate._grant import mark_of
from relay.adapters.aws.boto import client
from relay.model.messages import dump
from relay.rules.settings import Retention, Rules
from relay.wiring.functions import GrantServices
from relay.wiring.services import service

from functions.grants import app
from tests.functional.grants.conftest import (
    LATER,
    RULES_SET,
    SECRET,
    Deployed,
    Deploying,
    lost_answer,
    lost_request,
    set_rules,
)
from tests.functional.sim.sim_server import KEY
from tests.support.grant_fakes import CrashError
from tests.support.lambda_env import queued_count, sqs_record
from tests.support.port_fakes import FakeContext

DONE: dict[str, Any] = {"batchItemFailures": []}


def month(deployed: Deployed) -> float:
    """Return how much is reserved for the month of the function's clock."""
    return float(service(GrantServices).grants.claimed(f"{deployed.clock():%Y-%m}"))


@pytest.mark.parametrize("shape", ["named", "array", "nested"])
def test_the_whole_way_and_every_repetition_of_it(
    deploy: Deploying, shape: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The stream twice, each message twice, the event again under another id: one entry, one record."""
    with deploy(data_shape=shape) as deployed:
        customer = deployed.cancelling_member()
        wanted = deployed.wanted(customer)
        assert deployed.fan_out(wanted) == deployed.fan_out(wanted) == DONE
        received = client("sqs").receive_message(QueueUrl=deployed.queue, MaxNumberOfMessages=10)["Messages"]
        assert len(received) == 2
        for _ in range(2):
            batch = [sqs_record(message["MessageId"], message["Body"]) for message in received]
            assert app.handler({"Records": batch}, FakeContext(120_000)) == DONE
        replayed = replace(wanted, event_id="c" * 32, id=f"{'c' * 32}.retention.credits", amount=Decimal(25))
        assert deployed.call(replayed) == DONE
        assert deployed.entries(customer) == [(10.0, f"{mark_of(wanted.key)} Relay retention.credits")]
        assert (deployed.network.posts, month(deployed)) == (1, 10)
        assert deployed.said(caplog) == [*["granted"] * 4, "already_granted"]
        assert {(line["id"], line["outcome"]) for line in deployed.journal.lines} == {
            (wanted.id, "applied"),
            (replayed.id, "repeat"),
        }
        assert queued_count(deployed.dead) == 0


def test_nothing_of_the_member_is_told(deploy: Deploying, caplog: pytest.LogCaptureFixture) -> None:
    """Neither log nor journal has an address, a name or the key."""
    with deploy() as deployed:
        customer = deployed.cancelling_member()
        assert deployed.call(deployed.wanted(customer)) == DONE
        person = deployed.sim.sim.world.members[customer]
        logged = str([vars(line) for line in caplog.records if line.name == "grants"]) + str(
            deployed.journal.lines
        )
        for value in (person.email, person.first_name, person.last_name, person.phone, KEY):
            assert value is None or value not in logged
        assert person.email


def test_a_failure_after_applying(deploy: Deploying, caplog: pytest.LogCaptureFixture) -> None:
    """A 500 that was done all the same: the ledger shows it, and that is enough."""
    with deploy() as deployed:
        customer = deployed.cancelling_member()
        deployed.sim.act("faults", api_half_done=1)
        assert deployed.call(deployed.wanted(customer)) == DONE
        assert deployed.said(caplog) == ["granted"]
        assert len(deployed.entries(customer)) == deployed.network.posts == 1


def test_a_ledger_that_shows_no_notes(deploy: Deploying, caplog: pytest.LogCaptureFixture) -> None:
    """It stays unknown: never sent again, kept counted, looked up again, and a dead letter after three days."""
    with deploy(ledger_notes="no") as deployed:
        customer = deployed.cancelling_member()
        deployed.network.then = lost_answer
        wanted = deployed.wanted(customer)
        for number in range(1, 4):
            assert deployed.call(wanted) == DONE
            assert queued_count(deployed.queue) == number
            deployed.clock.pass_by(LATER)
        assert (deployed.network.posts, len(deployed.entries(customer)), month(deployed)) == (1, 1, 10)
        assert set(deployed.said(caplog)) == {"grant_unknown", "deferred"}
        assert (deployed.journal.lines, queued_count(deployed.dead)) == ([], 0)
        late = sqs_record("late", dump(wanted))
        old = deployed.clock.now.timestamp() - 3 * 86_400
        late["attributes"]["SentTimestamp"] = str(int(old * 1000))
        assert app.handler({"Records": [late]}, FakeContext(120_000)) == DONE
        assert queued_count(deployed.dead) == 1


def test_an_entry_that_shows_late(deploy: Deploying, caplog: pytest.LogCaptureFixture) -> None:
    """Unknown until it shows; then it is granted, and was sent once."""
    with deploy(write_delay=60.0) as deployed:
        customer = deployed.cancelling_member()
        deployed.network.then = lost_answer
        wanted = deployed.wanted(customer)
        assert deployed.call(wanted) == DONE
        deployed.sim.act("advance", minutes=1)
        assert deployed.call(wanted) == DONE
        assert deployed.said(caplog) == ["grant_unknown", "deferred", "granted"]
        assert (deployed.network.posts, len(deployed.entries(customer))) == (1, 1)


def test_a_request_that_was_lost(deploy: Deploying, caplog: pytest.LogCaptureFixture) -> None:
    """Sent again only when ten minutes are over and the ledger has shown a note of ours."""
    with deploy() as deployed:
        customer = deployed.cancelling_member()
        deployed.network.then = lost_request
        wanted = deployed.wanted(customer)
        assert deployed.call(wanted) == DONE
        deployed.network.then = None
        deployed.clock.pass_by(LATER)
        assert deployed.call(wanted) == DONE
        deployed.sim.act("grant", customer_id=customer, amount=1, note=mark_of("an older one"))
        assert deployed.call(wanted) == DONE
        assert deployed.said(caplog) == ["grant_unknown", "deferred", "grant_unknown", "deferred", "granted"]
        assert deployed.network.posts == 2
        assert [amount for amount, _ in deployed.entries(customer)] == [1.0, 10.0]
        assert month(deployed) == 10


def test_a_lost_request_is_not_repeated_once_the_member_stays(
    deploy: Deploying, caplog: pytest.LogCaptureFixture
) -> None:
    """The ledger proves that it was lost, and it is not called for any more: it stays unsent, and is not forgotten."""
    with deploy() as deployed:
        customer = deployed.cancelling_member()
        deployed.network.then = lost_request
        wanted = deployed.wanted(customer)
        assert deployed.call(wanted) == DONE
        deployed.network.then = None
        deployed.sim.act("grant", customer_id=customer, amount=1, note=mark_of("an older one"))
        deployed.sim.act("reactivate", customer_id=customer)
        deployed.sim.act("advance", minutes=10)
        deployed.clock.pass_by(LATER)
        assert deployed.call(wanted) == DONE
        assert deployed.network.posts == 1
        assert [amount for amount, _ in deployed.entries(customer)] == [1.0]


def crash(_request: httpx.Request, _go: Callable[[], httpx.Response]) -> httpx.Response:
    """Die before it is sent."""
    raise CrashError


def crash_after(_request: httpx.Request, go: Callable[[], httpx.Response]) -> httpx.Response:
    """Die when it has been taken."""
    go().close()
    raise CrashError


def test_a_restart_between_the_request_and_its_answer(
    deploy: Deploying, caplog: pytest.LogCaptureFixture
) -> None:
    """The function dies with the request out; the next one finds the record, and the entry."""
    with deploy() as deployed:
        customer = deployed.cancelling_member()
        wanted = deployed.wanted(customer)
        deployed.network.then = crash_after
        with pytest.raises(CrashError):
            deployed.call(wanted)
        deployed.network.then = None
        assert deployed.call(wanted) == DONE
        assert deployed.said(caplog) == ["granted"]
        assert (deployed.network.posts, len(deployed.entries(customer)), month(deployed)) == (1, 1, 10)


def test_a_restart_between_the_record_and_the_request(deploy: Deploying) -> None:
    """Nothing was sent, and nothing proves it: it is not sent until the ledger does, and stays counted once."""
    with deploy() as deployed:
        customer = deployed.cancelling_member()
        wanted = deployed.wanted(customer)
        deployed.network.then = crash
        with pytest.raises(CrashError):
            deployed.call(wanted)
        deployed.network.then = None
        assert deployed.call(wanted) == DONE
        assert (deployed.network.posts, deployed.entries(customer), month(deployed)) == (1, [], 10)
        deployed.sim.act("grant", customer_id=customer, amount=1, note=mark_of("an older one"))
        deployed.clock.pass_by(LATER)
        assert deployed.call(wanted) == DONE
        assert (deployed.network.posts, len(deployed.entries(customer)), month(deployed)) == (2, 2, 10)


def test_who_stays_gets_nothing(deploy: Deploying, caplog: pytest.LogCaptureFixture) -> None:
    """Resumed before the grant came up: nothing is written down."""
    with deploy() as deployed:
        customer = deployed.cancelling_member()
        deployed.sim.act("reactivate", customer_id=customer)
        deployed.sim.act("advance", minutes=10)
        assert deployed.call(deployed.wanted(customer)) == DONE
        assert deployed.said(caplog) == ["grant_ignored"]
        assert (deployed.network.posts, deployed.entries(customer), month(deployed)) == (0, [], 0)


def test_off_by_default(deploy: Deploying, caplog: pytest.LogCaptureFixture) -> None:
    """A merchant who set nothing gives nothing away, whatever message comes."""
    with deploy() as deployed:
        customer = deployed.cancelling_member()
        set_rules(Rules())
        calls = deployed.sim.sim.requests
        assert deployed.call(deployed.wanted(customer)) == DONE
        assert (deployed.said(caplog), deployed.sim.sim.requests) == (["grant_ignored"], calls)


@pytest.mark.parametrize("status", ["400", "401", "403"])
def test_a_wrong_key_waits_for_a_person(
    deploy: Deploying, status: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The setting is named, nothing is written down; a mended key is taken without a deployment."""
    with deploy(bad_key=status) as deployed:
        customer = deployed.cancelling_member()
        client("ssm").put_parameter(Name=SECRET, Value="wrong", Type="SecureString", Overwrite=True)
        assert deployed.call(deployed.wanted(customer)) == DONE
        assert deployed.said(caplog) == ["deferred"]
        assert (month(deployed), queued_count(deployed.queue)) == (0, 1)
        client("ssm").put_parameter(Name=SECRET, Value=KEY, Type="SecureString", Overwrite=True)
        assert deployed.call(deployed.wanted(customer)) == DONE
        assert len(deployed.entries(customer)) == 1


@pytest.mark.parametrize("status", [400, 404, 422])
def test_a_refusal_is_final_and_gives_its_part_back(deploy: Deploying, status: int) -> None:
    """A person has to look; a redrive of the dead letter begins anew."""
    with deploy() as deployed:
        customer = deployed.cancelling_member()
        wanted = deployed.wanted(customer)
        deployed.network.then = lambda request, _: httpx.Response(status, json={"message": "no such tier"})
        assert deployed.call(wanted) == DONE
        assert (queued_count(deployed.dead), month(deployed)) == (1, 0)
        assert service(GrantServices).grants.load(wanted.key) is None
        deployed.network.then = None
        assert deployed.call(wanted) == DONE
        assert len(deployed.entries(customer)) == 1


def test_a_refusal_of_the_key_for_writing_gives_its_part_back(deploy: Deploying) -> None:
    """A key that may read and not write: nothing is written down while a person mends it."""
    with deploy() as deployed:
        customer = deployed.cancelling_member()
        deployed.network.then = lambda request, _: httpx.Response(403, json={"message": "read only"})
        assert deployed.call(deployed.wanted(customer)) == DONE
        assert (queued_count(deployed.dead), queued_count(deployed.queue), month(deployed)) == (0, 1, 0)


def test_a_server_that_cannot_be_reached_gives_its_part_back(deploy: Deploying) -> None:
    """Surely nothing was sent."""

    def unreachable(_request: httpx.Request, _go: Callable[[], httpx.Response]) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with deploy() as deployed:
        customer = deployed.cancelling_member()
        deployed.network.then = unreachable
        assert deployed.call(deployed.wanted(customer)) == DONE
        assert (queued_count(deployed.queue), month(deployed)) == (1, 0)


def test_the_months_ceiling(deploy: Deploying, caplog: pytest.LogCaptureFixture) -> None:
    """Of six grants of ten under a ceiling of fifty five are given; the sixth waits for room, and is then left out."""
    with deploy() as deployed:
        customers = [deployed.cancelling_member() for _ in range(6)]
        wanted = [
            deployed.wanted(customer, event_id=f"{number:032x}") for number, customer in enumerate(customers)
        ]
        assert deployed.call(*wanted) == DONE
        assert deployed.said(caplog) == [*["granted"] * 5, "deferred"]
        assert month(deployed) == 50
        later = sqs_record("m9", dump(wanted[5]))
        deployed.clock.pass_by(3600)
        assert app.handler({"Records": [later]}, FakeContext(120_000)) == DONE
        assert deployed.said(caplog)[-1] == "grant_over_budget"
        set_rules(RULES_SET.model_copy(update={"retention": Retention(on=True, monthly_ceiling=Decimal(60))}))
        assert deployed.call(wanted[5]) == DONE
        assert [len(deployed.entries(customer)) for customer in customers] == [1] * 6
        assert month(deployed) == 60
