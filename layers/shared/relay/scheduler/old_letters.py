"""Once a day: dead letters that will expire are journaled and alerted, and those of erased members are dropped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from relay.model.effects import Alert, Level
from relay.model.header import MessageHeader
from relay.model.messages import AlertMessage, dump
from relay.ports.messaging import MessageSender, OutgoingMessage
from relay.ports.runtime import Telemetry
from relay.ports.scans import DailyRun
from relay.queues.batch import Context
from relay.recovery.dead_letters import LetterBox

RULE: Final = "letters.expiring"
TOPIC: Final = "relay.letters"

_KEEP_MS: Final = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class OldLetters:
    """Looks at all dead letters of the shop. `alerts` is the notifier's queue."""

    shop: str
    box: LetterBox
    alerts: MessageSender
    telemetry: Telemetry

    def __call__(self, run: DailyRun, context: Context) -> None:
        """Journal the letters of ten days and more, and tell people how many there are.

        Raises:
            Exception: the journal or a queue does not answer; the next tick tries again.

        """
        done = self.box.archive(run.end, has_time=lambda: context.get_remaining_time_in_millis() > _KEEP_MS)
        if done.archived or done.erased or not done.is_whole:
            self.telemetry.outcome(
                "letters_archived",
                event_id=None,
                topic=None,
                archived=done.archived,
                erased=done.erased,
                whole=done.is_whole,
            )
        if done.archived:
            for refusal in self.alerts.send([self._alert(run, done.archived)]):
                if refusal is not None:
                    raise refusal

    def _alert(self, run: DailyRun, letters: int) -> OutgoingMessage:
        alert_id = f"letters:{self.shop}:{run.day.isoformat()}"
        alert = Alert(
            rule=RULE,
            incident_key=alert_id,
            level=Level.ERROR,
            title="Dead letters will expire within four days",
            details=(("Letters", str(letters)),),
            advice="Run `relay dead-letters list`, mend the cause, then `relay dead-letters redrive`. The journal keeps what they "
            "carry.",
            one_off=True,
        )
        message = AlertMessage(
            id=alert_id, event_id=alert_id, topic=TOPIC, member="", at=run.end, alert=alert
        )
        return OutgoingMessage(body=dump(message), header=MessageHeader(event_id=alert_id, topic=TOPIC))
