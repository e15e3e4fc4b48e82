"""Upserts up to a hundred members: the batch, and the calls that its conflicts need.

Beside the batch: one read of the contacts that held the members last (`homes.py`), one call that names new ones, one for a missing
definition, those that a move needs for each e-mail address that another contact has (`move.py`), and at most four halvings of a batch that was refused as a whole. No call is started after `TIME_LIMIT`: the
rest is tried again later.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final

from relay.adapters.fault_table import MOST_HALVINGS
from relay.adapters.http import CrmUnavailableError
from relay.adapters.hubspot.answers import HubspotAnswer, read_answer
from relay.adapters.hubspot.client import HubspotClient, HubspotReply
from relay.adapters.hubspot.homes import deleted_members
from relay.adapters.hubspot.mapping import KEY, properties_of
from relay.adapters.hubspot.move import HubspotMove
from relay.adapters.hubspot.names import made_in, name_new_contacts
from relay.adapters.hubspot.schema import define
from relay.ports.crm import CONTACT_DELETED, NO_NOTES, ContactNotes, CrmOutcome
from relay.rules.crm_profile import CrmProfile

TIME_LIMIT: Final = 12.0
"""Seconds after which no further call is started; the last may take ten more."""


@dataclass(slots=True)
class HubspotUpsert:
    """The upsert of one batch. `outcomes` and the contacts that were `made` grow with every answer."""

    client: HubspotClient
    notes: ContactNotes = NO_NOTES
    outcomes: dict[str, CrmOutcome] = field(default_factory=dict)
    made: dict[str, str] = field(default_factory=dict)
    _until: float = field(default_factory=lambda: time.monotonic() + TIME_LIMIT)
    _defined: bool = False
    _halvings: int = 0

    def run(self, profiles: Mapping[str, CrmProfile]) -> None:
        """Write these members.

        Raises:
            CrmUnavailableError: no further member can be written; the outcomes so far stay.

        """
        deleted = deleted_members(self.client, self._call, profiles, self.notes)
        self.outcomes |= dict.fromkeys(deleted, CONTACT_DELETED)
        taken = self._write({key: profile for key, profile in profiles.items() if key not in deleted})
        if taken:
            moved = {key: profiles[key] for key in taken}
            HubspotMove(self.client, self._call, self.notes, self.outcomes).run(moved, taken)
        if self.made:
            with suppress(CrmUnavailableError):  # the members are written; the audit names their contacts
                name_new_contacts(self.client, self._call, profiles, self.made)

    def _write(self, profiles: Mapping[str, CrmProfile]) -> dict[str, str]:
        """Write these members by their keys; return the contacts that have the addresses of those that must move."""
        if not profiles:
            return {}
        inputs = [_input(profile) for profile in profiles.values()]
        reply = self._call("POST", f"{self.client.paths.contacts}/batch/upsert", {"inputs": inputs})
        answer = read_answer(reply, list(profiles))
        made = made_in(reply, list(profiles))
        self.outcomes |= answer.outcomes | {
            key: replace(answer.outcomes[key], made=True) for key in made if key in answer.outcomes
        }
        self.made |= made
        taken = dict(answer.taken)
        taken |= self._define(answer, profiles)
        taken |= self._halve(answer.unclear, profiles)
        return taken

    def _define(self, answer: HubspotAnswer, profiles: Mapping[str, CrmProfile]) -> dict[str, str]:
        """Define what is missing, once, and write the members again that met it."""
        if not answer.undefined:
            return {}
        if self._defined:
            # All is defined and still unknown: it is not these members' fault.
            self.outcomes |= {
                key: CrmOutcome(state="waiting", reason=reason) for key, reason in answer.undefined.items()
            }
            return {}
        self._defined = True
        define(self.client)
        return self._write({key: profiles[key] for key in answer.undefined})

    def _halve(self, unclear: Mapping[str, str], profiles: Mapping[str, CrmProfile]) -> dict[str, str]:
        """Write a refused batch in halves, so that one member's fault does not affect the others."""
        if not unclear:
            return {}
        if self._halvings >= MOST_HALVINGS:
            self.outcomes |= {
                key: CrmOutcome(state="waiting", reason=reason) for key, reason in unclear.items()
            }
            return {}
        self._halvings += 1
        keys, middle = list(unclear), (len(unclear) + 1) // 2
        taken: dict[str, str] = {}
        for half in (keys[:middle], keys[middle:]):
            taken |= self._write({key: profiles[key] for key in half})
        return taken

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
