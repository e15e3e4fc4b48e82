"""HubSpot is down for four days: what waited becomes letters, and one redrive makes the mirror equal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from fakes.hubspot import FakeHubspot
from relay.adapters.hubspot import Hubspot
from relay.ports.messaging import MessageSender, OutgoingMessage
from relay.queues.batch import Message
from relay.recovery.dead_letters import DeadLetters, RedriveOptions
from relay.recovery.letters import LetterFilter

from scripts.prove_mirrors import mismatches, update
from tests.contract.crm.profiles import SHOP
from tests.contract.crm.tokens import FixedToken
from tests.support.port_fakes import FakeJournal, FakeOutgoing
from tests.support.virtual_crm import VirtualCrmRun
from tests.support.virtual_time import BEGIN

MEMBERS = 30
OUTAGE = timedelta(days=4)
REDRIVEN = BEGIN + OUTAGE + timedelta(hours=1)


@dataclass
class LettersInMemory:
    """The dead letters that the run has sent, as a queue that is read by hand."""

    run: VirtualCrmRun
    deleted: int = 0
    _shown: bool = field(default=False)

    def receive(self) -> Sequence[Message]:
        """Return all letters once."""
        if self._shown:
            return []
        self._shown = True
        return [
            Message(
                id=f"l{number}",
                body=letter.body,
                receives=1,
                receipt="r",
                sent_at=self.run.clock(),
                header=letter.header,
            )
            for number, letter in enumerate(self.run.dead.sent)
        ]

    def delete(self, messages: Sequence[Message]) -> None:
        """Forget letters."""
        self.deleted += len(messages)

    def release(self, receipts: Sequence[str]) -> None:
        """Show the rest: there is none."""
        assert not receipts


def redriven(run: VirtualCrmRun, back: FakeOutgoing) -> OutgoingMessage:
    """Redrive all letters at the first call; return the next message of those that went back."""
    if not back.asked:

        def queue_named(name: str) -> MessageSender | None:
            return back if name == "source" else None

        letters = LettersInMemory(run)
        box = DeadLetters(
            stack="relay",
            shop=SHOP,
            queue=letters,
            queue_named=queue_named,
            journal=FakeJournal(),
            clock=run.clock,
            sleep=lambda _seconds: None,
            fan_out_again=lambda _window: 0,
        )
        result = box.redrive(LetterFilter(reasons=frozenset({"too_old"})), RedriveOptions())
        assert (result.done, letters.deleted, dict(result.skipped)) == (MEMBERS, MEMBERS, {})
        run.dead.sent.clear()
    return back.sent.pop()


def test_four_days() -> None:
    """Every member's change dies at three days, none dies again of its age, and HubSpot holds what the records say."""
    fake, back = FakeHubspot(), FakeOutgoing()
    run = VirtualCrmRun(
        fake_crm=fake.app(),
        adapter=lambda transport: Hubspot("http://crm", FixedToken(), transport=transport, events=True),
        rate_limits=Hubspot.rate_limits,
        batch=100,
    )
    run.crm.ensure_schema()
    run.transport.down = (BEGIN, BEGIN + OUTAGE)
    for customer in range(MEMBERS):
        run.queue.arrivals.append((BEGIN, update(run, customer, 1, BEGIN)))
    for _ in range(MEMBERS):
        run.queue.arrivals.append((REDRIVEN, lambda: redriven(run, back)))
    run.run()
    assert back.asked == MEMBERS, "the letters went back"
    assert not run.dead.sent
    assert mismatches(run) == 0
    assert {state.state for state in run.sync_states.states.values()} == {"mirrored"}
    assert len(fake.portal.events.occurrences) == MEMBERS, "each note is told once"
    run.transport.close()
