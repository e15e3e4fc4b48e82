"""Writes thousands of members in one job, for back-fills: Klaviyo processes the job later and reports failures then.

A member counts as mirrored once the job is complete, its errors were read, and the job lists a profile under the member's
key. A member that is in no list then was not taken: its address is one that Klaviyo rejects, or is under another key. It waits,
and its next try is a call of its own, whose answer says which. A job that has not ended after a day counts as lost: while it
is pending no other call writes its members, and what changed meanwhile would never arrive. A profile that is younger than its job is one that Relay
made.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from relay.adapters.fault_table import fault_of
from relay.adapters.http import CrmUnavailableError
from relay.adapters.klaviyo.client import JOBS, KlaviyoClient, KlaviyoReply, inner, pages
from relay.adapters.klaviyo.contacts import find_profiles, moment, read_profile
from relay.adapters.klaviyo.faults import FAULTS
from relay.adapters.klaviyo.mapping import KEY
from relay.adapters.klaviyo.upsert import (
    KlaviyoOptions,
    address,
    home_to_keep,
    owned_by_other,
    resource,
)
from relay.ports.crm import NO_NOTES, ContactNotes, CrmOutcome
from relay.rules.crm_profile import CrmProfile

LONGEST_JOB: Final = timedelta(days=1)
"""Klaviyo imports thousands of profiles in minutes to hours."""

_NOT_TAKEN: Final = CrmOutcome(state="waiting", reason="not_imported")
_PAGE: Final = {"page[size]": "100"}
_POSITION: Final = re.compile(r"^/data/attributes/profiles/data/(\d{1,5})(?:/|$)")


@dataclass(frozen=True, slots=True)
class KlaviyoBulk:
    """Klaviyo's bulk import as a `BulkImport`. A job may have 10,000 profiles and 5 MB: a thousand are some 2 MB."""

    client: KlaviyoClient
    options: KlaviyoOptions
    size: int = 1_000

    def submit(self, profiles: Sequence[CrmProfile], notes: ContactNotes = NO_NOTES) -> CrmOutcome:
        """Submit a job; return `pending` with its id, or the outcome of every member if it was not taken."""
        try:
            data = self._resources(profiles, notes)
            return self._submit(data) if data else _NOT_TAKEN
        except CrmUnavailableError as error:
            return error.outcome

    def collect(self, job: str, keys: Sequence[str]) -> Mapping[str, CrmOutcome]:
        """Return the outcomes of a job's members, after its errors were read; `pending` while it runs."""
        try:
            return self._collect(job, keys)
        except CrmUnavailableError as error:
            # The job itself continues: its outcomes are read later, and nothing is sent again.
            pending = CrmOutcome(state="pending", id=job, retry_after=error.outcome.retry_after)
            rejected = error.outcome if error.outcome.state == "unauthorised" else None
            return dict.fromkeys(keys, rejected or pending)

    def _resources(self, profiles: Sequence[CrmProfile], notes: ContactNotes) -> list[dict[str, Any]]:
        """Return the job's profiles: one for an address, none that is under another key, and none that was deleted."""
        by_address = {address(profile): profile for profile in profiles if profile.email}
        lookup = find_profiles(self.client, "email", list(by_address))
        left_out = self._deleted(
            [by_address[email] for email in by_address.keys() - lookup.found.keys()], notes
        )
        return [
            resource(profile, lookup.found.get(email), self.options, unset=True)
            for email, profile in by_address.items()
            if email not in lookup.refused
            and not owned_by_other(lookup.found.get(email), profile.key)
            and profile.key not in left_out
        ]

    def _deleted(self, profiles: Sequence[CrmProfile], notes: ContactNotes) -> set[str]:
        """Return the members whose former profile is not found: a call of their own finds out whether it was deleted."""
        homes = {profile.key: home for profile in profiles if (home := home_to_keep(profile, notes))}
        found = find_profiles(self.client, "id", list(homes.values())).found
        return {key for key, home in homes.items() if home not in found}

    def _submit(self, data: list[dict[str, Any]]) -> CrmOutcome:
        """Send a job; once more without the profiles that it was refused for, if the answer names them."""
        reply = self._send(data)
        faulty = {int(number) for pointer in reply.pointers for number in _POSITION.findall(pointer)}
        rest = [profile for number, profile in enumerate(data) if number not in faulty]
        if not reply.ok and rest and faulty:
            reply = self._send(rest)
        job = inner(reply.body, "data").get("id")
        if reply.ok:
            # A job without an id may run, and its outcomes could not be read.
            without_id = CrmOutcome(state="retry", reason="silent_2xx", unanswered=True)
            return CrmOutcome(state="pending", id=str(job)) if job else without_id
        return CrmOutcome(state="retry", reason=reply.code, member_only=True)

    def _send(self, data: list[dict[str, Any]]) -> KlaviyoReply:
        return self.client.post(
            JOBS, {"type": "profile-bulk-import-job", "attributes": {"profiles": {"data": data}}}
        )

    def _collect(self, job: str, keys: Sequence[str]) -> Mapping[str, CrmOutcome]:
        reply = self.client.get(f"{JOBS}/{job}")
        about = inner(reply.body, "data", "attributes")
        status, began = about.get("status"), moment(about.get("created_at"))
        if not reply.ok or status == "cancelled":
            # Klaviyo does not keep a job for ever. Nothing is known of its members: they are sent again.
            return {}
        if status != "complete":
            if began is not None and datetime.now(UTC) - began > LONGEST_JOB:
                return {}
            return dict.fromkeys(keys, CrmOutcome(state="pending", id=job))
        outcomes = dict.fromkeys(keys, _NOT_TAKEN)
        listing = {**_PAGE, "fields[profile]": "email,external_id,properties,created"}
        for profile in map(read_profile, pages(self.client, f"{JOBS}/{job}/profiles", listing)):
            if profile.key in outcomes:
                made = began is not None and profile.created is not None and profile.created >= began
                outcomes[profile.key] = CrmOutcome(state="mirrored", id=profile.id, made=made)
        for error in pages(self.client, f"{JOBS}/{job}/import-errors", _PAGE):
            for key in _keys(inner(error, "attributes", "original_payload")):
                if key in outcomes:
                    outcomes[key] = fault_of(FAULTS, [_code(error)]).outcome(_code(error))
        return outcomes


def _keys(payload: object) -> Iterator[str]:
    """Yield the member keys in Klaviyo's copy of a failed profile, at whatever depth they are."""
    if isinstance(payload, Mapping):
        key = payload.get(KEY)
        if isinstance(key, str):
            yield key
        for item in payload.values():
            yield from _keys(item)


def _code(error: Mapping[str, Any]) -> str:
    code = inner(error, "attributes").get("code")
    return code.lower() if isinstance(code, str) and code.replace("_", "").isalnum() else "not_imported"
