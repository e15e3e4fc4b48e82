"""The signed webhook: what a message says, under which id, how it is signed, and what answers mean."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import jsonschema_rs
import pytest
from relay.adapters.webhook import Webhook
from relay.adapters.webhook.bodies import event, schema, updated
from relay.adapters.webhook.signing import keys_of, signed
from relay.canonical import CANONICAL, profile
from relay.changes import Audit, Change, Happening, dump
from relay.effects import Note
from relay.errors import PermanentError
from relay.mirrors.auditing import Auditing
from relay.mirrors.writing import Writing
from relay.ports.crm import Home, Outcome
from relay.ports.members import Record
from relay.ports.mirrors import Mirror, MirrorPage
from relay.rules import Rules

from tests.contract.crm.profiles import AT, key_of, member, wanted
from tests.contract.crm.tokens import FixedToken
from tests.contract.crm.webhook import SECRET
from tests.fakes import ROOT, FakeContext, FakeMembers, FakeOutgoing
from tests.fakes_crm import FakeMirrors, change_message

KEY = key_of(7001)
OTHER_SECRET = "whsec_" + base64.b64encode(bytes(32)).decode()
NOTE = Note(
    rule="joined", name="Membership Joined", properties={"amount": Decimal("9.90"), "tier_name": "Gold"}
)
HAPPENING = Happening(event_id="e1", topic="customer.joined.paid_tier", at=AT, effects=(NOTE,))


# ------------------------------------------------------------------------------- signing


def test_the_standards_own_example() -> None:
    """The signature is that of the example with which Standard Webhooks' libraries are tested."""
    keys = keys_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    headers = signed("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body, keys)
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("text", ["", " ", "a-token", "whsec_", "whsec_!!!", "whsec_c2hvcnQ=", SECRET[6:]])
def test_secrets_that_are_none(text: str) -> None:
    """A secret of another form is a setting to mend; nothing of it is told."""
    sent: list[httpx.Request] = []
    outcome = _answering(lambda request: httpx.Response(204), sent, secret=text).upsert([wanted()])[KEY]
    assert (outcome.state, outcome.reason) == ("unauthorised", "secret_is_not_whsec")
    assert not sent


@pytest.mark.parametrize("known", [SECRET, OTHER_SECRET])
def test_the_documented_check_believes_us(known: str) -> None:
    """The receiver's part in the documentation verifies what we send, by either secret of a rotation, and no other."""
    [request] = _sent(secret=f"{SECRET} {OTHER_SECRET}")
    verified = _documented()
    assert verified(request.headers, request.content, known)
    assert not verified(request.headers, request.content + b" ", known)
    assert not verified(request.headers, request.content, "whsec_" + base64.b64encode(b"x" * 32).decode())
    assert not verified({**request.headers, "webhook-id": "another"}, request.content, known)
    old = {**request.headers, "webhook-timestamp": str(int(time.time()) - 400)}
    assert not verified(old, request.content, known)


def test_a_repetition_is_signed_anew_under_the_same_id() -> None:
    """The time is that of sending, or a receiver would turn an old message away; the id is what it knows it by."""
    now = [1_764_000_000.0]
    sent: list[httpx.Request] = []
    crm = _answering(lambda request: httpx.Response(503), sent, clock=lambda: now[0])
    crm.upsert([wanted()])
    now[0] += 3600
    crm.upsert([wanted()])
    first, second = sent
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert second.headers["webhook-timestamp"] == "1764003600"
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]


# -------------------------------------------------------------------------------- bodies


def test_ids() -> None:
    """The same state has the same id whenever it is sent; another state, or a return to the first, has another."""

    def sent(balance: int, minutes: int) -> str:
        known = member(7001, AT + timedelta(minutes=minutes), credit_balance=Decimal(balance))
        return updated(profile(known, Rules()).sent_at(datetime.now(UTC))).id

    assert sent(5, 0) == sent(5, 0)
    assert len({sent(5, 0), sent(9, 1), sent(5, 2)}) == 3
    assert "." not in sent(5, 0) + event(KEY, HAPPENING, NOTE, backfill=False).id


def test_every_message_is_as_the_schema_says() -> None:
    """A member with everything, one with nothing, a moment and a removal: each is valid, and says all that it must."""
    everything = wanted(
        tier_type="paid",
        joined_at=AT,
        next_payment_on=date(2026, 12, 5),
        fee_amount=Decimal("9.90"),
        failed_attempts=1,
        credit_balance=Decimal("0.30000000000000004"),
    )
    sent: list[httpx.Request] = []
    crm = _answering(lambda request: httpx.Response(204), sent)
    crm.upsert([everything, wanted(7002, email=None)])
    crm.record([Change(member=KEY, happenings=(HAPPENING,))], {KEY: Home(key=KEY)})
    crm.clear([Home(key=KEY)])
    validator = jsonschema_rs.validator_for(schema(), validate_formats=True)
    bodies = [json.loads(request.content) for request in sent]
    for body in bodies:
        validator.validate(body)
    assert [body["type"] for body in bodies] == [
        "member.updated",
        "member.updated",
        "member.event",
        "member.removed",
    ]
    told = bodies[0]["data"]
    assert told.keys() == CANONICAL.keys() | {"backfill"}
    assert (told["credit_balance"], told["fee_amount"], told["failed_attempts"]) == (0.3, 9.9, 1)
    assert (told["joined_at"], told["next_payment_on"]) == ("2026-11-22T10:00:00.000Z", "2026-12-05")
    assert bodies[1]["data"]["email"] is None
    del told["status"]
    assert not validator.is_valid(bodies[0])
    assert not validator.is_valid({**bodies[2], "type": "member.unheard_of"})


@pytest.mark.parametrize("quiet", [True, False])
def test_quiet_backfill(quiet: bool) -> None:  # noqa: FBT001 - the two sides
    """A moment of a back-fill says so, by which a receiver knows to start nothing; its id is that of the moment."""
    sent: list[httpx.Request] = []
    crm = _answering(lambda request: httpx.Response(204), sent)
    change = Change(member=KEY, happenings=(HAPPENING,), quiet=quiet)
    assert crm.record([change]) == {"e1.joined": Outcome(state="mirrored")}
    data = json.loads(sent[0].content)["data"]
    assert data == {
        "key": KEY,
        "name": "Membership Joined",
        "event_id": "e1",
        "topic": "customer.joined.paid_tier",
        "occurred_at": "2026-11-22T10:00:00.000Z",
        "properties": {"amount": 9.9, "tier_name": "Gold"},
        "backfill": quiet,
    }


@pytest.mark.parametrize("quiet", [True, False])
def test_a_member_of_a_backfill(quiet: bool) -> None:  # noqa: FBT001 - the two sides
    """A member that is told because a receiver is filled says so; the same state has the same id either way."""
    sent: list[httpx.Request] = []
    crm = _answering(lambda request: httpx.Response(204), sent)
    crm.upsert([wanted().sent_at(AT, quiet=quiet)])
    assert json.loads(sent[0].content)["data"]["backfill"] is quiet
    assert sent[0].headers["webhook-id"] == updated(wanted()).id


# ------------------------------------------------------------------------------- answers


@pytest.mark.parametrize(
    ("status", "state", "wait", "unanswered"),
    [
        (200, "mirrored", None, False),
        (202, "mirrored", None, False),
        (301, "unauthorised", None, False),
        (400, "refused", None, False),
        (401, "unauthorised", None, False),
        (404, "unauthorised", None, False),
        (408, "retry", None, True),
        (410, "unauthorised", None, False),
        (418, "refused", None, False),
        (423, "retry", 2.0, False),
        (425, "retry", 2.0, False),
        (429, "retry", 10.0, False),
        (500, "retry", None, False),
        (501, "retry", None, False),
        (504, "retry", None, True),
    ],
)
def test_answers(status: int, state: str, wait: float | None, unanswered: bool) -> None:  # noqa: FBT001 - a table's column
    """Each status means what the documentation says."""
    outcome = _answering(lambda request: httpx.Response(status)).upsert([wanted()])[KEY]
    assert (outcome.state, outcome.retry_after, outcome.unanswered) == (state, wait, unanswered)


@pytest.mark.parametrize("asked", ["soon", "-5", "nan", "inf", "9" * 30])
def test_an_insane_wait_is_not_obeyed(asked: str) -> None:
    """A `Retry-After` that is no sane number of seconds is left aside."""
    crm = _answering(lambda request: httpx.Response(429, headers={"Retry-After": asked}))
    assert crm.upsert([wanted()])[KEY].retry_after == 10


def test_a_crash_is_that_members_own_until_there_are_three() -> None:
    """A receiver that stumbles over one member keeps nobody else out; one that always stumbles is down."""
    poisoned = _answering(lambda request: httpx.Response(500 if b":7001" in request.content else 204))
    for _ in range(4):
        outcomes = poisoned.upsert([wanted(7001), wanted(7002)])
        assert (outcomes[KEY].state, outcomes[KEY].alone) == ("retry", True)
        assert outcomes[key_of(7002)].state == "mirrored"
    sent: list[httpx.Request] = []
    down = _answering(lambda request: httpx.Response(500), sent)
    outcomes = down.upsert([wanted(number) for number in range(9)])
    assert {outcome.state for outcome in outcomes.values()} == {"retry"}
    assert [outcome.alone for outcome in outcomes.values()] == [True, True] + [False] * 7
    assert len(sent) == 3


def test_an_address_that_is_none() -> None:
    """An address that cannot be posted to is a setting to mend."""
    outcome = Webhook("ftp://nowhere", FixedToken(SECRET)).upsert([wanted()])[KEY]
    assert (outcome.state, outcome.reason) == ("unauthorised", "not_a_url")


def test_a_receiver_cannot_be_asked() -> None:
    """Reading is refused by a name of its own; checking and preparing have nothing to do."""
    crm = _answering(lambda request: httpx.Response(500))
    with pytest.raises(PermanentError) as caught:
        crm.read([Home(key=KEY)])
    assert caught.value.reason == "not_readable"
    crm.check()
    assert crm.ensure_schema() == ()
    shown = crm.shown(wanted(credit_balance=Decimal("9.90")))
    assert shown["credit_balance"] == "9.9"
    assert "last_decline_code" not in shown


def test_an_audit_of_a_receiver_is_nothing_to_bury() -> None:
    """Who can only be told cannot be audited: the clock's weekly message ends, and is no dead letter."""
    crm = _answering(lambda request: httpx.Response(204))
    known = profile(member(), Rules())
    mirrors = FakeMirrors({KEY: Mirror(digest=known.digest, state="mirrored")})
    members = FakeMembers({KEY: Record(member=member())})
    writing = Writing(
        crm=crm, members=members, mirrors=mirrors, clock=lambda: AT, observe=lambda key, outcome: None
    )
    page = OnePage(MirrorPage(mirrors=mirrors.mirrors, cursor=None))
    auditing = Auditing(writing=writing, inventory=page, queue=FakeOutgoing())
    received = replace(change_message("m1", KEY), body=dump(Audit(run=AT)))
    assert auditing.run(received, FakeContext()) is None


@dataclass
class OnePage:
    """All that was noted, on one page."""

    only: MirrorPage

    def page(self, cursor: str | None = None) -> MirrorPage:
        return self.only

    def run(self, name: str) -> Mapping[str, Any]:
        return {}

    def note(self, name: str, run: Mapping[str, Any]) -> None:
        raise AssertionError("an audit that never was is noted")


def test_the_pages_are_current() -> None:
    """Whoever changes a field runs scripts/targets: the schema, and what Salesforce's administrator deploys."""
    ran = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "targets.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")


Answer = Callable[[httpx.Request], httpx.Response]


def _answering(
    answer: Answer,
    sent: list[httpx.Request] | None = None,
    *,
    secret: str = SECRET,
    clock: Callable[[], float] = time.time,
) -> Webhook:
    def respond(request: httpx.Request) -> httpx.Response:
        if sent is not None:
            sent.append(request)
        return answer(request)

    transport = httpx.MockTransport(respond)
    return Webhook("https://hooks.example/in", FixedToken(secret), transport, clock=clock)


def _sent(secret: str) -> list[httpx.Request]:
    sent: list[httpx.Request] = []
    _answering(lambda request: httpx.Response(204), sent, secret=secret).upsert([wanted()])
    return sent


def _documented() -> Callable[[Any, bytes, str], bool]:
    """Return the check that docs/webhook.md gives to receivers."""
    text = (ROOT / "docs" / "webhook.md").read_text()
    found = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert found
    names: dict[str, Any] = {}
    exec(found[1], names)  # noqa: S102 - the sample is ours, and is to run as it stands there
    check: Callable[[Any, bytes, str], bool] = names["verified"]
    return check
