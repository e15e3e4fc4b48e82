"""The fan-out: every write's changes and alerts, in order, none skipped over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from relay.errors import PermanentError
from relay.ingest.fanout import fan_out
from relay.model.effects import Alert, GrantCredits, Level, Note, Recheck
from relay.model.messages import (
    CHANGE_TOPIC,
    AlertMessage,
    EventEffects,
    GrantRequest,
    MemberChanged,
    Outbox,
    RecheckRequest,
    dump,
    load,
)
from relay.ports.messaging import OutgoingMessage
from relay.queues.requests import GrantQueue, RecheckQueue
from relay.rules.timeline import with_common_properties

from tests.support.port_fakes import NOW, SHOP, FakeOutgoing, FakeTelemetry

KEY = f"{SHOP}:1"
ALERT = Alert(
    rule="r.alert", incident_key=f"dun:{KEY}", level=Level.WARNING, title="Lost", details=(("Amount", "1"),)
)
NOTE = Note(rule="r.note", name="Membership Joined", properties={"tier": "Gold"})


def event_effects(*effects: Alert | Note | Recheck | GrantCredits, event_id: str = "a" * 32) -> EventEffects:
    return EventEffects(event_id=event_id, topic="customer.payment_failed", at=NOW, effects=effects)


def write(number: int, outbox: Outbox | str | None) -> dict[str, Any]:
    image: dict[str, Any] = {"pk": {"S": KEY}}
    if outbox is not None:
        image["o"] = {"S": outbox if isinstance(outbox, str) else dump(outbox)}
    return {"eventName": "MODIFY", "dynamodb": {"SequenceNumber": str(number), "NewImage": image}}


def outbox_of(*events: EventEffects, changed: bool = True) -> Outbox:
    return Outbox(member=KEY, changed=changed, events=events)


def fanned(
    *writes: dict[str, Any], changes: FakeOutgoing | None = None, alerts: FakeOutgoing | None = None
) -> tuple[str | None, list[MemberChanged], list[AlertMessage]]:
    changes, alerts = changes or FakeOutgoing(), alerts or FakeOutgoing()
    failed = fan_out(writes, changes, alerts, FakeTelemetry())
    return (
        failed,
        [load(MemberChanged, message.body) for message in changes.sent],
        [load(AlertMessage, message.body) for message in alerts.sent],
    )


def test_a_change_names_the_member_and_carries_its_notes() -> None:
    """Alerts do not travel with changes, notes do not travel with alerts."""
    failed, changes, alert_messages = fanned(write(1, outbox_of(event_effects(ALERT, NOTE))))
    assert failed is None
    whole = with_common_properties(NOTE, member=KEY, event_id="a" * 32, at=NOW)
    assert {"membership_key", "occurred_at", "inveterate_event_id"} <= whole.properties.keys()
    assert changes == [MemberChanged(member=KEY, events=(event_effects(whole),))]
    assert alert_messages == [
        AlertMessage(
            id=f"{'a' * 32}.r.alert",
            event_id="a" * 32,
            topic="customer.payment_failed",
            member=KEY,
            at=NOW,
            alert=ALERT,
        )
    ]


def test_what_is_sent_is_ascii() -> None:
    """SQS refuses some characters, and a refused message would hold up the stream: each travels as its escape."""
    alert, note = replace(ALERT, title="Lost \uffff é"), replace(NOTE, properties={"tier": "\ufffe Ж"})
    changes, alerts = FakeOutgoing(), FakeOutgoing()
    fan_out([write(1, outbox_of(event_effects(alert, note)))], changes, alerts, FakeTelemetry())
    [sent] = alerts.sent
    assert sent.body.isascii()
    assert load(AlertMessage, sent.body).alert.title == "Lost \uffff é"
    assert changes.sent[0].body.isascii()


def test_a_write_that_changed_nothing_sends_nothing() -> None:
    """Only the memory of ids grew."""
    assert fanned(write(1, outbox_of(changed=False))) == (None, [], [])


def test_a_note_is_sent_although_nothing_changed() -> None:
    """It is an entry for the timeline."""
    assert len(fanned(write(1, outbox_of(event_effects(NOTE), changed=False)))[1]) == 1


def test_a_write_without_an_outbox_is_skipped() -> None:
    """The rules' item and removals have no outbox."""
    removal = {"eventName": "REMOVE", "dynamodb": {"SequenceNumber": "2"}}
    assert fanned(write(1, None), removal, write(4, outbox_of()))[:2] == (None, [MemberChanged(member=KEY)])


def test_an_outbox_that_cannot_be_read_is_handed_out_again() -> None:
    """In a deployment an older function may read what a newer one wrote: skipped, its alerts would be lost."""
    failed, changes, _ = fanned(write(1, outbox_of()), write(2, "{"), write(3, outbox_of()))
    assert (failed, changes) == ("2", [MemberChanged(member=KEY), MemberChanged(member=KEY)])


def test_the_first_write_that_was_not_sent_is_named() -> None:
    """Lambda hands it out again with all after it; those before it are done."""
    writes = [
        write(number, outbox_of(event_effects(ALERT, event_id=f"{number:032x}"))) for number in (1, 2, 3)
    ]
    assert fanned(*writes, changes=FakeOutgoing(refuse={2}))[0] == "3"
    assert fanned(*writes, changes=FakeOutgoing(refuse={2}), alerts=FakeOutgoing(refuse={1}))[0] == "2"


RECHECK = Recheck(rule="recheck.balance_gap", reason="balance_gap")


def test_a_recheck_goes_to_its_own_queue() -> None:
    """It is sent with a delay, and to no other queue."""
    queue, changes, alerts = FakeOutgoing(), FakeOutgoing(), FakeOutgoing()
    writes = [write(1, outbox_of(event_effects(RECHECK), changed=False))]
    assert fan_out(writes, changes, alerts, FakeTelemetry(), RecheckQueue(queue, 600)) is None
    assert [(load(RecheckRequest, sent.body), sent.delay) for sent in queue.sent] == [
        (RecheckRequest(member=KEY, reason="balance_gap"), 600)
    ]
    assert (changes.sent, alerts.sent) == ([], [])


def test_a_recheck_that_was_not_sent_is_sent_again() -> None:
    """Its write is named like any other."""
    queue = RecheckQueue(FakeOutgoing(refuse={1}), 600)
    writes = [write(number, outbox_of(event_effects(RECHECK))) for number in (1, 2)]
    assert fan_out(writes, FakeOutgoing(), FakeOutgoing(), FakeTelemetry(), queue) == "2"


CREDITS = GrantCredits(rule="retention.credits", key=f"{KEY}:2025-08-01", amount=Decimal("12.50"))


def test_a_grant_goes_to_its_own_queue() -> None:
    """It is sent with everything that granting needs, and with the delay of a recheck."""
    queue, changes, alerts = FakeOutgoing(), FakeOutgoing(), FakeOutgoing()
    writes = [write(1, outbox_of(event_effects(CREDITS), changed=False))]
    telemetry = FakeTelemetry()
    assert fan_out(writes, changes, alerts, telemetry, grants=GrantQueue(queue, 600)) is None
    [sent] = queue.sent
    assert load(GrantRequest, sent.body) == GrantRequest(
        id=f"{'a' * 32}.retention.credits",
        event_id="a" * 32,
        topic="customer.payment_failed",
        member=KEY,
        at=NOW,
        rule="retention.credits",
        key=f"{KEY}:2025-08-01",
        amount=Decimal("12.50"),
    )
    assert (sent.delay, sent.header.event_id) == (600, "a" * 32)
    assert (changes.sent, alerts.sent, telemetry.outcomes) == ([], [], [])


def test_a_grant_that_was_not_sent_is_sent_again() -> None:
    """Its write is named like any other."""
    queue = GrantQueue(FakeOutgoing(refuse={1}), 600)
    writes = [write(number, outbox_of(event_effects(CREDITS))) for number in (1, 2)]
    assert fan_out(writes, FakeOutgoing(), FakeOutgoing(), FakeTelemetry(), grants=queue) == "2"


def test_a_grant_without_an_api_is_logged() -> None:
    """A merchant may switch retention on and configure no API; everything else is sent all the same."""
    telemetry = FakeTelemetry()
    writes = [write(1, outbox_of(event_effects(CREDITS, NOTE)))]
    changes = FakeOutgoing()
    assert fan_out(writes, changes, FakeOutgoing(), telemetry) is None
    [(outcome, about)] = telemetry.outcomes
    assert (outcome, about["event_id"], about["member"]) == ("grant_without_api", "a" * 32, KEY)
    assert len(changes.sent) == 1


@dataclass
class Refusing(FakeOutgoing):
    """A target that will never take a message with this text."""

    text: str = "Lost"

    def send(self, messages: Sequence[OutgoingMessage]) -> Sequence[Exception | None]:
        answers: list[Exception | None] = []
        for message in messages:
            if self.text in message.body:
                answers.append(PermanentError("refused_by_service", "queue: InvalidMessageContents"))
            else:
                answers += super().send([message])
        return answers


def test_what_can_never_be_sent_does_not_stop_the_shard() -> None:
    """The message itself goes to the dead letters, with its target; what was written after it is sent."""
    alerts, letters = Refusing(), FakeOutgoing()
    other = replace(ALERT, title="Other")
    writes = [
        write(1, outbox_of(event_effects(ALERT))),
        write(2, outbox_of(event_effects(other, event_id="b" * 32))),
    ]
    telemetry = FakeTelemetry()
    assert fan_out(writes, FakeOutgoing(), alerts, telemetry, dead_letters=letters) is None
    (letter,) = letters.sent
    assert load(AlertMessage, letter.body).alert == ALERT
    assert (letter.header.source_queue, letter.header.reason) == ("alerts", "refused_by_service")
    assert (letter.header.event_id, letter.header.topic) == ("a" * 32, "customer.payment_failed")
    assert [load(AlertMessage, sent.body).alert.title for sent in alerts.sent] == ["Other"]
    assert [name for name, _ in telemetry.outcomes] == ["not_sent"]


def test_the_shard_waits_for_the_dead_letters() -> None:
    """The letter is not taken now: the write comes again, and nothing is lost."""
    letters = FakeOutgoing(refuse={0})
    writes = [write(1, outbox_of(event_effects(ALERT)))]
    assert fan_out(writes, FakeOutgoing(), Refusing(), FakeTelemetry(), dead_letters=letters) == "1"
    assert fan_out(writes, FakeOutgoing(), Refusing(), FakeTelemetry()) == "1"


def test_what_even_the_dead_letters_refuse_is_named() -> None:
    """Too large for any queue: its event is in the journal, and the shard goes on."""
    letters, telemetry = Refusing(), FakeTelemetry()
    writes = [write(1, outbox_of(event_effects(ALERT)))]
    assert fan_out(writes, FakeOutgoing(), Refusing(), telemetry, dead_letters=letters) is None
    assert [name for name, _ in telemetry.outcomes] == ["not_sent", "never_sent"]


def test_everything_that_is_sent_is_ascii() -> None:
    """A character that SQS refuses raw is escaped in every kind of message."""
    odd = "declined\uffff \ufffe \x00 \U0001f600 é"
    alert = replace(ALERT, details=(("Reason", odd),))
    note = replace(NOTE, properties={"reason": odd})
    changes, alerts = FakeOutgoing(), FakeOutgoing()
    assert (
        fan_out([write(1, outbox_of(event_effects(alert, note)))], changes, alerts, FakeTelemetry()) is None
    )
    assert all(sent.body.isascii() for sent in (*changes.sent, *alerts.sent))
    assert load(AlertMessage, alerts.sent[0].body).alert.details == (("Reason", odd),)
    assert changes.sent[0].header.topic == CHANGE_TOPIC
