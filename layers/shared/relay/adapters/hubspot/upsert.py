"""One upsert of up to a hundred members: the batch, and what it takes to bring stragglers home.

At most one call more for a missing property, one more for each e-mail address that another contact has,
and halves of a batch that was refused as a whole. All of it ends after `PATIENCE`: the rest is tried
again later.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from relay.adapters.crm_http import ClosedError, objects
from relay.adapters.hubspot.answers import HubspotAnswer, read
from relay.adapters.hubspot.client import HubspotClient, HubspotReply
from relay.adapters.hubspot.contacts import question
from relay.adapters.hubspot.mapping import KEY, OURS, properties_of
from relay.adapters.hubspot.paths import HubspotPaths
from relay.adapters.hubspot.schema import provide
from relay.ports.crm import CrmOutcome
from relay.rules.crm_profile import CrmProfile

PATIENCE: Final = 12.0
"""Seconds after which no further call is started; the last may take ten more."""


@dataclass(slots=True)
class HubspotUpsert:
    """One run. `outcomes` is filled as they come in."""

    client: HubspotClient
    paths: HubspotPaths
    outcomes: dict[str, CrmOutcome] = field(default_factory=dict)
    _until: float = field(default_factory=lambda: time.monotonic() + PATIENCE)
    _provided: bool = False

    def run(self, profiles: Mapping[str, CrmProfile]) -> None:
        """Write these members.

        Raises:
            ClosedError: when nobody gets through; who has an outcome by then keeps it.

        """
        if not profiles:
            return
        inputs = [_input(wanted) for wanted in profiles.values()]
        reply = self._call("POST", f"{self.paths.contacts}/batch/upsert", {"inputs": inputs})
        reading = read(reply, list(profiles))
        self.outcomes |= reading.outcomes
        self._define(reading, profiles)
        self._halve(reading.unclear, profiles)
        for key, contact in reading.taken.items():
            self.outcomes[key] = self._adopt(profiles[key], contact)

    def _define(self, reading: HubspotAnswer, profiles: Mapping[str, CrmProfile]) -> None:
        """Define our properties, once, and write again those that lacked one."""
        if not reading.undefined:
            return
        if self._provided:
            # All is defined and one is still not known: a matter of HubSpot's, not of these members.
            raise ClosedError(CrmOutcome(state="retry", reason="unknown_property"))
        self._provided = True
        provide(self.client, self.paths)
        self.run({key: profiles[key] for key in reading.undefined})

    def _halve(self, keys: Sequence[str], profiles: Mapping[str, CrmProfile]) -> None:
        """Write a refused batch in halves, so that one member's fault does not keep the others out."""
        middle = (len(keys) + 1) // 2
        for half in (keys[:middle], keys[middle:]):
            self.run({key: profiles[key] for key in half})

    def _adopt(self, wanted: CrmProfile, contact: str) -> CrmOutcome:
        """Give the member to the contact that has its e-mail address, unless that is another's.

        Another shop's Relay may have keyed it: two shops can share one portal. The contact that bore our
        key until now gives it up first: the key is unique, and a crash in between leaves none rather than
        two. HubSpot knows no conditional write: a key that another shop sets between our look and our
        write would be lost to it, and found by its next one.
        """
        found = self._contact(contact)
        if found is None:
            return CrmOutcome(state="retry", reason="contact_gone", alone=True)
        bears = (found.get("properties") or {}).get(KEY)
        if bears and bears != wanted.key:
            return CrmOutcome(state="refused", reason="owned_by_other", id=contact)
        former = self._contact(wanted.key, KEY)
        if former is not None and str(former.get("id")) != contact:
            self._patch(str(former.get("id")), dict.fromkeys(OURS, ""))
        reply = self._patch(contact, properties_of(wanted))
        if reply.status == HTTPStatus.OK:
            return CrmOutcome(state="mirrored", id=contact)
        if reply.status == HTTPStatus.NOT_FOUND:
            return CrmOutcome(state="retry", reason="contact_gone", alone=True)
        return read(reply, [wanted.key]).outcomes.get(
            wanted.key, CrmOutcome(state="retry", reason="conflict", alone=True)
        )

    def _contact(self, contact: str, by: str = "") -> Mapping[str, Any] | None:
        reply = self._call(
            "POST", f"{self.paths.contacts}/batch/read", question([{"id": contact}], [KEY], by)
        )
        found = objects(reply.body, "results")
        return found[0] if found else None

    def _patch(self, contact: str, properties: Mapping[str, str]) -> HubspotReply:
        return self._call("PATCH", f"{self.paths.contacts}/{contact}", {"properties": properties})

    def _call(self, method: str, path: str, body: Mapping[str, Any]) -> HubspotReply:
        if time.monotonic() > self._until:
            raise ClosedError(CrmOutcome(state="retry", reason="out_of_time", retry_after=1.0))
        return self.client.call(method, path, body)


def _input(wanted: CrmProfile) -> dict[str, Any]:
    """Return a member's part of the batch. Without a trace id HubSpot would not tell errors apart (no 207)."""
    return {
        "idProperty": KEY,
        "id": wanted.key,
        "objectWriteTraceId": wanted.key,
        "properties": properties_of(wanted),
    }
