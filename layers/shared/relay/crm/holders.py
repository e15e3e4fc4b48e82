"""Tries a member that waits for another one's address together with that one: no provider parts them one at a time.

A member's sync state says whose contact has the address that it waits for (`Waiting.holder`). Where that leads back to the
member, whatever tries it takes the whole ring along: all are written in one call, under all claims, and the adapter
parts them. Messages do not multiply: a ring that was not known before is queued once, by one
member, and of those taken along the nearest that has no message to come again gets one in place of that which is done.
A crash in between costs a wait: a member is found by its next try.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Final

from relay.crm.address_rings import MOST_HOLDERS, chain, rings
from relay.crm.run import SyncRun
from relay.crm.waiting import next_try_change
from relay.errors import TransientError
from relay.ports.crm import CrmOutcome
from relay.ports.crm_state import SyncState, SyncStateStore
from relay.ports.messaging import MessageSender, OutgoingMessage

_SOON: Final = 5.0
_LATEST: Final = 900.0


def links_of(sync_states: Mapping[str, SyncState]) -> dict[str, str]:
    """Return whose address each of these members waits for, of those that wait for one."""
    return {
        key: state.waiting.holder
        for key, state in sync_states.items()
        if state.waiting and state.waiting.holder
    }


def load_with_holders(store: SyncStateStore, keys: Sequence[str]) -> dict[str, SyncState]:
    """Return the sync states of these members, and of those that are to be tried with them.

    Raises:
        TransientError: the table does not answer.

    """
    found = dict(store.load(keys))
    for _ in range(MOST_HOLDERS):
        missing = {*links_of(found).values()} - found.keys()
        if not missing:
            break
        found |= store.load(sorted(missing))
    links = links_of(found)
    along = {other for key in keys for other in _taken_along(key, links, found)}
    return {key: found[key] for key in (*keys, *along)}


def _taken_along(key: str, links: Mapping[str, str], sync_states: Mapping[str, SyncState]) -> Iterable[str]:
    """Return the members to try with this one: its ring; otherwise those that it waits for, as far as their own try failed."""
    _, *holders = chain(key, links)
    if holders and links.get(holders[-1]) == key:
        return holders
    return takewhile(lambda holder: sync_states[holder].state == "retry", holders)


@dataclass(frozen=True, slots=True)
class HolderQueue:
    """Queues members that only a call together can help."""

    store: SyncStateStore
    queue: MessageSender

    def send(self, run: SyncRun) -> None:
        """Queue what this invocation has left: rings that it found, and members that it took along in vain."""
        messages = [next_try_change(key) for key in self._new_rings(run)]
        messages += _without_a_message(run)
        if messages:
            try:
                self.queue.send(messages)
            except TransientError:
                return  # they wait for their schedule

    def _new_rings(self, run: SyncRun) -> list[str]:
        """Return a member of each ring that was not known when this invocation began: it has not been written as one."""
        links = {
            key: result.holder
            for key, result in run.results.items()
            if isinstance(result, CrmOutcome) and result.state == "waiting" and result.holder
        }
        if not links:
            return []
        try:
            # Each member loads its whole ring, if it is in one now.
            known = links_of(load_with_holders(self.store, list(links)))
        except TransientError:
            return []
        tried = [frozenset(ring) for ring in rings(links_of(run.sync_states))]
        found = [ring for ring in rings({**links, **known}) if links.keys() & set(ring)]
        return [min(ring) for ring in found if frozenset(ring) not in tried]


def _without_a_message(run: SyncRun) -> list[OutgoingMessage]:
    """Return a message for each member taken along whose try has failed, where no message comes again that leads to it.

    A message that comes again leads along the links to the first member that is written: its link is gone.
    """
    links, messages = links_of(run.sync_states), dict[str, OutgoingMessage]()
    for leader in run.members:
        covered = False
        for key in chain(leader, links):
            result = run.results.get(key)
            error = run.to_error(result) if result else None
            if error is None:
                covered &= isinstance(result, CrmOutcome) and result.state == "waiting"
            elif not covered:
                covered = True
                if key not in run.members:
                    wait = getattr(error, "retry_after", None) or _SOON
                    messages[key] = next_try_change(key, delay=int(min(wait, _LATEST)))
    return list(messages.values())
