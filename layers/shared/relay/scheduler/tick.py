"""What the clock does at every tick: wake the notifier, watch the programme, make the daily round, drain `unclaimed`.

Once a week it asks for the audits of the CRMs as well. Everything goes by the time for which the tick was
meant. The parts are nothing to each other: one that fails is done by the next tick, and the tick then counts
as failed, so that Lambda tries it again and the alarm sees it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from relay.crm import audit
from relay.errors import ConflictError, TransientError
from relay.ingest.unclaimed import UnclaimedDrain
from relay.model.header import MessageHeader
from relay.model.kpis import KEPT_FOR
from relay.model.messages import TICK_TOPIC, ClockTick, dump
from relay.ports.kpis import KpiStore
from relay.ports.members import MemberStore
from relay.ports.messaging import MessageSender, OutgoingMessage
from relay.ports.runtime import Telemetry
from relay.queues.batch import Context
from relay.scheduler import conditions
from relay.scheduler.daily import DailyRound

Done: TypeAlias = str | Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduler:
    """What a tick needs. `shop` is the dimension by which the conditions are measured: alarms go by it.

    `audited` are the queues of the CRMs.
    """

    shop: str
    alerts: MessageSender
    members: MemberStore
    figures: KpiStore
    daily: DailyRound
    drain: UnclaimedDrain
    telemetry: Telemetry
    audited: Sequence[MessageSender] = ()

    def tick(self, now: datetime, context: Context) -> dict[str, Done]:
        """Do what is due at `now`; returns what became of each part.

        Raises:
            Exception: the first that a part has raised, after all parts had their turn.

        """
        parts: Mapping[str, Callable[[], Done]] = {
            "notifier": lambda: self._wake_notifier(now),
            "conditions": lambda: self._conditions(now),
            "round": lambda: self.daily.run(now, context),
            "audits": lambda: self._audits(now),
            "unclaimed": lambda: self.drain.run(now, self.telemetry, context),
        }
        done: dict[str, Done] = {}
        failed: list[Exception] = []
        for name, part in parts.items():
            try:
                done[name] = part()
            except ConflictError:
                # Two ticks at once: the other one has gone on with the round, and this one need not.
                done[name] = "elsewhere"
            except Exception as error:  # noqa: BLE001 - a defect in one part must not stop the clock for the others
                failed.append(error)
                done[name] = "failed"
                ours = type(error).__module__ == "relay.errors"
                self.telemetry.outcome(
                    "tick_failed",
                    event_id=None,
                    topic=None,
                    part=name,
                    error=type(error).__name__,
                    reason=str(error) if ours else None,
                )
        if failed:
            raise failed[0]
        return done

    def _wake_notifier(self, now: datetime) -> Done:
        """Tell the notifier what time it is: what it held back for a quiet night or a flood may be due."""
        message = OutgoingMessage(body=dump(ClockTick(at=now)), header=MessageHeader(topic=TICK_TOPIC))
        for refusal in self.alerts.send([message]):
            if refusal is not None:
                raise refusal
        return "woken"

    def _audits(self, now: datetime) -> Done:
        """Ask for the week's audit of every CRM while it is due: it goes by its week, so that asking again is nothing."""
        week = audit.due(now, self.daily.zone)
        refusals: list[TransientError] = []
        for queue in self.audited if week else ():
            try:
                audit.start(queue, week or now)
            except TransientError as error:  # the others are asked all the same
                refusals.append(error)
        if refusals:
            raise refusals[0]
        return {"asked": len(self.audited) if week else 0}

    def _conditions(self, now: datetime) -> Done:
        """Measure each condition of the programme as 0 or 1; CloudWatch's alarms tell people."""
        _, rules = self.members.load(())
        settings = rules.spikes
        own, *before = [list(self.figures.between(*window)) for window in conditions.windows(now)]
        lately = conditions.RecentEvents(at=now, hour=own, usual=before)
        heard = self.figures.heard(now - KEPT_FOR, now)
        found = {
            "FailureSpike": conditions.failure_spike(lately, settings),
            "CancelSpike": conditions.cancel_spike(lately, settings),
            "ManualCredits": conditions.manual_credits(lately, settings),
            "Silence": conditions.silence(heard, now, settings),
        }
        for name, holds in found.items():
            self.telemetry.measure(name, int(holds), shop=self.shop)
        return {name: int(holds) for name, holds in found.items()}
