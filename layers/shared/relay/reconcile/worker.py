"""Gives each message of `reconcile` to what it is for: a recheck, a step of the full run, or the clock's tick."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from relay.errors import TransientError
from relay.model.messages import FULL_RUN_TOPIC, TICK_TOPIC, ClockTick, RunCommand, load
from relay.queues.batch import Context, Message, Results, for_each_message
from relay.reconcile import full_run
from relay.reconcile.full_run import FullRunner
from relay.reconcile.reconciler import Reconciler
from relay.reconcile.subscriptions import SubscriptionCheck

MOST_WAITING: Final = 500
"""Above so many waiting messages one full run costs fewer calls than a reading for each."""

_WHOLE: Final = frozenset({FULL_RUN_TOPIC, TICK_TOPIC})


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileWorker:
    """The work of `reconcile`. `waiting` counts the messages of its queue; `check` is None without a callback's address."""

    rechecks: Reconciler
    full_run: FullRunner
    check: SubscriptionCheck | None
    waiting: Callable[[], int]

    def work(self, messages: Sequence[Message], context: Context) -> Results:
        """Do the rechecks first: a step of the full run takes all the time that is left."""
        whole = [message for message in messages if message.header.topic in _WHOLE]
        single = [message for message in messages if message.header.topic not in _WHOLE]
        results = dict(self.rechecks.work(single, context)) if single else {}
        return results | dict(for_each_message(whole, context, full_run.NEEDED_MS, self._whole(context)))

    def _whole(self, context: Context) -> Callable[[Message], None]:
        def handle(message: Message) -> None:
            if message.header.topic == FULL_RUN_TOPIC:
                self.full_run.obey(load(RunCommand, message.body), context)
            else:
                self._tick(load(ClockTick, message.body))

        return handle

    def _tick(self, tick: ClockTick) -> None:
        """Look at the subscriptions, then at the full run; one that fails does not hold up the other."""
        failure: TransientError | None = None
        try:
            if self.check:
                self.check.tick(tick.at)
        except TransientError as error:
            failure = error
        self.full_run.tick(tick.at, self.waiting(), MOST_WAITING)
        if failure:
            raise failure
