"""Upserts up to a hundred members: the batch, and the calls that its conflicts need.

At most one more call for a missing property, one for each e-mail address that another contact has, and halves of a batch
that was refused as a whole. No call is started after `TIME_LIMIT`: the rest is tried again later.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from relay.adapters.http import CrmUnavailableError, objects_in
from relay.adapters.hubspot.answers import HubspotAnswer, read_answer
from relay.adapters.hubspot.client import HubspotClient, HubspotReply
from relay.adapters.hubspot.contacts import read_request
from relay.adapters.hubspot.mapping import KEY, OURS, properties_of
from relay.adapters.hubspot.schema import define
from relay.ports.crm import CrmOutcome
from relay.rules.crm_profile import CrmProfile

TIME_LIMIT: Final = 12.0
"""Seconds after which no further call is started; the last may take ten more."""


@dataclass(slots=True)
class HubspotUpsert:
    """The upsert of one batch. `outcomes` grows with every answer."""

    client: HubspotClient
    outcomes: dict[str, CrmOutcome] = field(default_factory=dict)
    _until: float = field(default_factory=lambda: time.monotonic() + TIME_LIMIT)
    _defined: bool = False

    def run(self, profiles: Mapping[str, CrmProfile]) -> None:
        """Write these members.

        Raises:
            CrmUnavailableError: no further member can be written; the outcomes so far stay.

        """
        if not profiles:
            return
        inputs = [_input(profile) for profile in profiles.values()]
        reply = self._call("POST", f"{self.client.paths.contacts}/batch/upsert", {"inputs": inputs})
        answer = read_answer(reply, list(profiles))
        self.outcomes |= answer.outcomes
        self._define(answer, profiles)
        self._halve(answer.unclear, profiles)
        for key, contact in answer.taken.items():
            self.outcomes[key] = self._adopt(profiles[key], contact)

    def _define(self, answer: HubspotAnswer, profiles: Mapping[str, CrmProfile]) -> None:
        """Define our properties, once, and write the members again that lacked one."""
        if not answer.undefined:
            return
        if self._defined:
            # All properties are defined and one is still unknown: HubSpot's own fault, not these members'.
            raise CrmUnavailableError(CrmOutcome(state="retry", reason="unknown_property"))
        self._defined = True
        define(self.client)
        self.run({key: profiles[key] for key in answer.undefined})

    def _halve(self, keys: Sequence[str], profiles: Mapping[str, CrmProfile]) -> None:
        """Write a refused batch in halves, so that one member's fault does not affect the others."""
        middle = (len(keys) + 1) // 2
        for half in (keys[:middle], keys[middle:]):
            self.run({key: profiles[key] for key in half})

    def _adopt(self, profile: CrmProfile, contact: str) -> CrmOutcome:
        """Write the member to the contact that has its e-mail address, unless that contact is under another key.

        Another shop's Relay may have set that key: two shops can share one portal. The contact that had our key until
        now loses it first: the key is unique, and a crash in between leaves no contact under it rather than two.
        HubSpot has no conditional write: a key that another shop sets between our read and our write is overwritten,
        and that shop's next write finds it.
        """
        found = self._contact(contact)
        if found is None:
            return CrmOutcome(state="retry", reason="contact_gone", member_only=True)
        key = (found.get("properties") or {}).get(KEY)
        if key and key != profile.key:
            return CrmOutcome(state="refused", reason="owned_by_other", id=contact)
        previous = self._contact(profile.key, KEY)
        if previous is not None and str(previous.get("id")) != contact:
            self._patch(str(previous.get("id")), dict.fromkeys(OURS, ""))
        reply = self._patch(contact, properties_of(profile))
        if reply.status == HTTPStatus.OK:
            return CrmOutcome(state="mirrored", id=contact)
        if reply.status == HTTPStatus.NOT_FOUND:
            return CrmOutcome(state="retry", reason="contact_gone", member_only=True)
        return read_answer(reply, [profile.key]).outcomes.get(
            profile.key, CrmOutcome(state="retry", reason="conflict", member_only=True)
        )

    def _contact(self, contact: str, id_property: str = "") -> Mapping[str, Any] | None:
        body = read_request([{"id": contact}], [KEY], id_property)
        found = objects_in(
            self._call("POST", f"{self.client.paths.contacts}/batch/read", body).body, "results"
        )
        return found[0] if found else None

    def _patch(self, contact: str, properties: Mapping[str, str]) -> HubspotReply:
        return self._call("PATCH", f"{self.client.paths.contacts}/{contact}", {"properties": properties})

    def _call(self, method: str, path: str, body: Mapping[str, Any]) -> HubspotReply:
        if time.monotonic() > self._until:
            raise CrmUnavailableError(CrmOutcome(state="retry", reason="out_of_time", retry_after=1.0))
        return self.client.call(method, path, body)


def _input(profile: CrmProfile) -> dict[str, Any]:
    """Return a member's part of the batch. Without a trace id HubSpot does not tell errors apart (no 207)."""
    return {
        "idProperty": KEY,
        "id": profile.key,
        "objectWriteTraceId": profile.key,
        "properties": properties_of(profile),
    }
