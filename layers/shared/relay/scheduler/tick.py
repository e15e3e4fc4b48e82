"""Runs one tick of the clock: the notifier's tick, the programme's conditions, the daily run, and `unclaimed`.

It asks every CRM's function to try the members again that wait, and once a week for the audit of the CRM; once a week it
takes erased members out of the journal. Everything goes by the time for which the tick was
scheduled. The parts are independent: the next tick repeats one that fails, and the tick then counts as failed,
so that Lambda tries it again and the alarm sees it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

from relay.crm import audit, waiting
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
from relay.recovery.erasure_pass import ErasurePass
from relay.recovery.erasure_pass import Phase as PassPhase
from relay.scheduler import conditions
from relay.scheduler.daily import DailyRunner

_NIGHT: Final = (1, 7)
"""The hours of the pass over the journal: 24 ticks a night, and a journal of a year takes some nights."""

_KEEP_MS: Final = 25_000
"""The slowest file of the journal, 64 MB, with the writing of the state."""

PartResult: TypeAlias = str | Mapping[str, int]


def tick_time(event: Mapping[str, Any], otherwise: datetime) -> datetime:
    """Return the scheduled time in a tick's `time` (ISO 8601); `otherwise` where it has none.

    So a month can be replayed in minutes.
    """
    try:
        moment = datetime.fromisoformat(event["time"])
    except (KeyError, TypeError, ValueError):
        return otherwise
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduler:
    """Does what is due at a tick. `crm_queues` are the queues of the CRMs that there are, `reconcile` its own where it runs.

    `erasures` makes the weekly pass over the journal; it is called in the hours of the pass alone.
    """

    alerts: MessageSender
    members: MemberStore
    kpis: KpiStore
    daily: DailyRunner
    drain: UnclaimedDrain
    telemetry: Telemetry
    crm_queues: Sequence[MessageSender] = ()
    reconcile: MessageSender | None = None
    erasures: Callable[[], ErasurePass] | None = None

    def tick(self, now: datetime, context: Context) -> dict[str, PartResult]:
        """Do what is due at `now`; return the result of each part.

        Raises:
            Exception: the first that a part has raised, after all parts have run.

        """
        parts: Mapping[str, Callable[[], PartResult]] = {
            "notifier": lambda: self._send_tick(self.alerts, now),
            "reconcile": lambda: self._send_tick(self.reconcile, now) if self.reconcile else "no_api",
            "conditions": lambda: self._measure_conditions(now),
            "daily_run": lambda: self.daily.advance(now, context),
            "audits": lambda: self._request_audits(now),
            "waiting": lambda: self._request_rounds(now),
            "unclaimed": lambda: self.drain.run(now, self.telemetry, context),
            # Last, since it takes what time there is.
            "erasures": lambda: self._sweep_erasures(now, context),
        }
        results: dict[str, PartResult] = {}
        failures: list[Exception] = []
        for name, part in parts.items():
            try:
                results[name] = part()
            except ConflictError:
                # Two ticks at once: the other one has advanced the run, and this one need not.
                results[name] = "elsewhere"
            except Exception as error:  # noqa: BLE001 - a defect in one part must not stop the others
                failures.append(error)
                results[name] = "failed"
                self._log_failure(name, error)
        if failures:
            raise failures[0]
        return results

    def _log_failure(self, part: str, error: Exception) -> None:
        # The texts of our own errors hold no value of an event; those of others might.
        ours = type(error).__module__ == "relay.errors"
        self.telemetry.outcome(
            "tick_failed",
            event_id=None,
            topic=None,
            part=part,
            error=type(error).__name__,
            reason=str(error) if ours else None,
        )

    def _send_tick(self, queue: MessageSender, now: datetime) -> PartResult:
        """Send a function the time. Of the notifier, what it deferred for quiet hours or a flood may be due.

        `reconcile` begins the day's full run, continues one that has lost its steps, and looks at the subscriptions.
        """
        message = OutgoingMessage(body=dump(ClockTick(at=now)), header=MessageHeader(topic=TICK_TOPIC))
        for refusal in queue.send([message]):
            if refusal is not None:
                raise refusal
        return "woken"

    def _request_audits(self, now: datetime) -> PartResult:
        """Request the week's audit of every CRM while it is due; its week identifies it, so a repetition has no effect."""
        week = audit.due(now, self.daily.zone)
        refusals: list[TransientError] = []
        for queue in self.crm_queues if week else ():
            try:
                audit.start(queue, week or now)
            except TransientError as error:  # the other CRMs are audited all the same
                refusals.append(error)
        if refusals:
            raise refusals[0]
        return {"requested": len(self.crm_queues) if week else 0}

    def _sweep_erasures(self, now: datetime, context: Context) -> PassPhase | str:
        """Go on with the weekly pass that takes erased members out of the journal, in the night by the shop's clock.

        By day it rests: reading the bucket loads a library that no other part of a tick needs.
        """
        if self.erasures is None or not _NIGHT[0] <= now.astimezone(self.daily.zone).hour < _NIGHT[1]:
            return "by night"
        state = self.erasures().advance(now, lambda: context.get_remaining_time_in_millis() > _KEEP_MS)
        if state.ended == now.isoformat():
            self.telemetry.outcome(
                "erasures_swept",
                event_id=None,
                topic=None,
                members=len(state.erased),
                files=state.files,
                lines=state.lines,
            )
        return state.phase

    def _request_rounds(self, now: datetime) -> PartResult:
        """Request a round of waiting members from every CRM; it looks at its own schedule."""
        refusals: list[TransientError] = []
        for queue in self.crm_queues:
            try:
                waiting.request_round(queue, now)
            except TransientError as error:  # the other CRMs are asked all the same
                refusals.append(error)
        if refusals:
            raise refusals[0]
        return {"requested": len(self.crm_queues)}

    def _measure_conditions(self, now: datetime) -> PartResult:
        """Measure each condition of the programme as 0 or 1; CloudWatch's alarms go by them."""
        _, rules = self.members.load(())
        hour, *before = [list(self.kpis.between(*window)) for window in conditions.windows(now)]
        recent = conditions.RecentEvents(at=now, hour=hour, usual=before)
        webhooks = self.kpis.webhooks(now - KEPT_FOR, now)
        found = conditions.evaluate(recent, webhooks, rules.spikes)
        for metric, is_met in found.items():
            self.telemetry.measure(metric, int(is_met))
        return {metric.name: int(is_met) for metric, is_met in found.items()}
