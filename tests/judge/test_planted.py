"""The judge finds a fault that is planted into the service: each within a bounded number of histories.

Each is one that a service could have, put in by a patch for the time of a test.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
import relay.adapters.dynamodb.members
import relay.alerts.delivery
import relay.ingest.consumer
from relay.adapters.aws.client import aws
from relay.adapters.aws.sns import SnsOutgoing
from relay.adapters.aws.sqs import SqsOutgoing, SqsSource
from relay.adapters.dynamodb.members import DynamoMembers
from relay.alerts.pending import record_delivery
from relay.ingest.consumer import _ConsumerRun
from relay.ingest.fanout import alerts_of, changes_of
from relay.ingest.reducer import Reduction, reduce_events
from relay.model.incident import DeliveryState

from tests.judge.building import Script
from tests.judge.campaign import examine
from tests.judge.generator import draw
from tests.judge.history import History
from tests.judge.rig import CHANGES, play

pytestmark = pytest.mark.slow

Patch = Callable[[pytest.MonkeyPatch], None]
CONFLICTS = frozenset({"conflict"})
THROTTLED = frozenset({"throttled"})
CRASHES = frozenset({"crash_before", "crash_after"})


def unconditional_write(patch: pytest.MonkeyPatch) -> None:
    """Write a record over whatever stands there."""

    def put(client: Any, table: str, item: Mapping[str, Any], *, read: int, what: str, version: str) -> None:
        del what
        written = {**item, version: {"N": str(read + 1)}}
        client.call("dynamodb", "PutItem", {"TableName": table, "Item": written})

    patch.setattr(relay.adapters.dynamodb.members, "put_version", put)


def decides_by_the_record_after(patch: pytest.MonkeyPatch) -> None:
    """Decide as if the record before the event were the one after it."""

    def reduce(record: Any, received: Any, rule: Any, rules: Any) -> Any:
        def decide(event: Any, _before: Any, after: Any, known_rules: Any) -> Any:
            return rule.decide(event, after, after, known_rules)

        return reduce_events(record, received, replace(rule, decide=decide), rules)

    patch.setattr(relay.ingest.consumer, "reduce_events", reduce)


def effects_before_the_write(patch: pytest.MonkeyPatch) -> None:
    """Send the effects, then write the record."""
    save = DynamoMembers.save

    def send_and_save(self: DynamoMembers, record: Any, outbox: Any) -> None:
        SqsOutgoing("https://sqs.eu-west-1.amazonaws.com/123456789012/alerts", "alerts", aws()).send(
            alerts_of(outbox)
        )
        SnsOutgoing(CHANGES, "changes", aws()).send(changes_of(outbox))
        save(self, record, outbox)

    patch.setattr(DynamoMembers, "save", send_and_save)


def merges_by_group(patch: pytest.MonkeyPatch) -> None:
    """Merge all events of a batch, then decide on each by the record before the first and after the last."""

    def reduce(record: Any, received: Any, rule: Any, rules: Any) -> Any:
        last = reduce_events(record, received, rule, rules).record.member

        def decide(event: Any, _before: Any, _after: Any, known_rules: Any) -> Any:
            return rule.decide(event, record.member, last, known_rules)

        return reduce_events(record, received, replace(rule, decide=decide), rules)

    patch.setattr(relay.ingest.consumer, "reduce_events", reduce)


def channel_marked_before_sending(patch: pytest.MonkeyPatch) -> None:
    """Note a message as sent before it is."""

    def mark(incident: Any, event_id: str, channel: str, delivery: Any, *ref: Any) -> Any:
        if delivery.state in {DeliveryState.SENDING, DeliveryState.RETRYING}:
            delivery = replace(delivery, state=DeliveryState.SENT, claimed_until=None)
        return record_delivery(incident, event_id, channel, delivery, *ref)

    patch.setattr(relay.alerts.delivery, "record_delivery", mark)


def failed_entry_ignored(patch: pytest.MonkeyPatch) -> None:
    """Take a batch that was sent as sent whole, though its reply names an entry as failed."""
    send = SqsOutgoing._send

    def ignore(self: SqsOutgoing, chunk: Any) -> list[Exception | None]:
        return [None if str(answer).endswith(": InternalError") else answer for answer in send(self, chunk)]

    patch.setattr(SqsOutgoing, "_send", ignore)


def swallowed_exception(patch: pytest.MonkeyPatch) -> None:
    """Acknowledge the events of a record that could not be written."""
    commit = _ConsumerRun._commit

    def swallow(self: Any, record: Any, received: Any, rules: Any) -> Any:
        try:
            return commit(self, record, received, rules)
        except Exception:  # noqa: BLE001 - the fault itself
            self.results.update(dict.fromkeys([each.message_id for each in received]))
            return Reduction(record, None, ())

    patch.setattr(_ConsumerRun, "_commit", swallow)


def missing_deferral(patch: pytest.MonkeyPatch) -> None:
    """Acknowledge what is to be deferred without its delayed copy."""

    def defer(_self: SqsSource, messages: Sequence[Any]) -> list[None]:
        return [None] * len(messages)

    patch.setattr(SqsSource, "defer", defer)


@dataclass(frozen=True, slots=True)
class Planted:
    """A planted fault, the most histories that it takes to find it, and the faults of AWS that show it soonest.

    With a `script`, its one history is played in as many orders.
    """

    put_in: Patch
    most: int
    rate: float = 0.2
    kinds: frozenset[str] | None = None
    members: int = 2
    steps: int = 8
    script: Script | None = None

    def history(self, seed: int) -> History:
        """Return the history of a seed."""
        if self.script is not None:
            # By its name an arrival waits for the next one or not: each seed has other batches.
            events = [replace(e, name=f"{e.name}-{seed}") for e in self.script.events]
            return replace(self.script.history(), seed=seed, events=tuple(events))
        return draw(seed, switches=(), members=self.members, steps=self.steps)


# Three faults need a history made for them, since chance hardly ever draws what shows them:
# * effects before the write are right but where the write is refused because another topic has decided on the same fee
#   in between: an ending and a payment of one open fee must be at work together;
# * a batch that is merged as one goes wrong only with several failures and payments of one member, of which two of one
#   topic are in its queue together; in a drawn life they lie days apart, and seldom in one batch;
# * a channel that is marked too early loses a message only where the process ends between the mark and the sending. A drawn
#   life has few messages, and most faults strike elsewhere.
PLANTED = (
    Planted(unconditional_write, 20, 0.9, CONFLICTS),
    Planted(decides_by_the_record_after, 10),
    Planted(
        effects_before_the_write,
        20,
        0.9,
        CONFLICTS,
        script=Script().join("03-01").attempt("04-01", 2).cancel("04-02").pay("04-03"),
    ),
    Planted(
        merges_by_group,
        20,
        0.0,
        script=Script()
        .join("03-01")
        .attempt("04-01", 1)
        .attempt("04-02", 2)
        .pay("04-02 12")
        .attempt("05-01", 1)
        .attempt("05-02", 2),
    ),
    Planted(
        channel_marked_before_sending,
        10,
        0.5,
        CRASHES,
        script=Script()
        .join("03-01")
        .attempt("04-01", 1)
        .attempt("04-02", 2)
        .final("04-03", 3)
        .cancel("04-04"),
    ),
    Planted(failed_entry_ignored, 10, 0.9, THROTTLED),
    Planted(swallowed_exception, 10),
    Planted(missing_deferral, 10),
)


def found(planted: Planted, seed: int) -> list[str]:
    """Return what a history of the seed violates with the planted fault, and does not violate without it."""

    def violations() -> list[str]:
        faults = examine(play, planted.history(seed), rate=planted.rate, kinds=planted.kinds)
        return [str(fault.violation) for fault in faults]

    sound = set(violations())
    with pytest.MonkeyPatch.context() as patch:
        planted.put_in(patch)
        return [violation for violation in violations() if violation not in sound]


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.put_in.__name__)
def test_a_planted_fault_is_found(planted: Planted) -> None:
    """A history among the first few violates a property that it keeps in the service as it is."""
    assert any(found(planted, seed) for seed in range(planted.most))
