"""Very many members in one job, for back-fills: Klaviyo takes them in its own time and tells the failures after.

A member counts as mirrored once the job is complete, its errors were read, and the job lists a profile
that bears the member's key. Who is in no list then was not taken: an address that Klaviyo would not
have, or one under another key.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from relay.adapters.crm_http import ClosedError
from relay.adapters.klaviyo.client import JOBS, KlaviyoClient, KlaviyoReply, inner, pages
from relay.adapters.klaviyo.contacts import found_in, look
from relay.adapters.klaviyo.mapping import KEY
from relay.adapters.klaviyo.upsert import Options, address, owned_by_other, resource
from relay.ports.crm import CrmOutcome
from relay.rules.crm_profile import CrmProfile

_REFUSED: Final = CrmOutcome(state="refused", reason="not_imported")
_PAGE: Final = {"page[size]": "100"}
_WHICH: Final = re.compile(r"^/data/attributes/profiles/data/(\d{1,5})(?:/|$)")


@dataclass(frozen=True, slots=True)
class KlaviyoBulk:
    """Klaviyo's bulk import as a `Bulk`. A job may have 10,000 profiles and 5 MB: a thousand are some two."""

    client: KlaviyoClient
    options: Options
    size: int = 1_000

    def submit(self, profiles: Sequence[CrmProfile]) -> CrmOutcome:
        """Hand a job in: `pending` with its id, or what kept us from it."""
        try:
            data = self._resources(profiles)
            return self._submit(data) if data else _REFUSED
        except ClosedError as closed:
            return closed.outcome

    def collect(self, job: str, keys: Sequence[str]) -> Mapping[str, CrmOutcome]:
        """Return what became of a job's members, after its errors were read; `pending` while it runs."""
        try:
            return self._collect(job, keys)
        except ClosedError as closed:
            # The job itself goes on: to be asked again, and nothing to be sent again.
            pending = CrmOutcome(state="pending", id=job, retry_after=closed.outcome.retry_after)
            barred = closed.outcome if closed.outcome.state == "unauthorised" else None
            return dict.fromkeys(keys, barred or pending)

    def _resources(self, profiles: Sequence[CrmProfile]) -> list[dict[str, Any]]:
        """Return the job's profiles: one for an address, and none that bears another key."""
        wanted = {address(each): each for each in profiles if each.email}
        there = look(self.client, "email", list(wanted))
        return [
            resource(each, there.found.get(where), self.options, unset=True)
            for where, each in wanted.items()
            if where not in there.refused and not owned_by_other(there.found.get(where), each.key)
        ]

    def _submit(self, data: list[dict[str, Any]]) -> CrmOutcome:
        """Send a job; once more without the profiles for which it was refused, where the answer names them."""
        reply = self._send(data)
        spoiling = {int(number) for pointer in reply.pointers for number in _WHICH.findall(pointer)}
        rest = [wanted for number, wanted in enumerate(data) if number not in spoiling]
        if not reply.ok and rest and spoiling:
            reply = self._send(rest)
        job = inner(reply.body, "data").get("id")
        if reply.ok:
            # Taken without a word on its id: it may run, and nobody could ask for it.
            nameless = CrmOutcome(state="retry", reason="silent_2xx", unanswered=True)
            return CrmOutcome(state="pending", id=str(job)) if job else nameless
        return CrmOutcome(state="retry", reason=reply.code, alone=True)

    def _send(self, data: list[dict[str, Any]]) -> KlaviyoReply:
        return self.client.post(
            JOBS, {"type": "profile-bulk-import-job", "attributes": {"profiles": {"data": data}}}
        )

    def _collect(self, job: str, keys: Sequence[str]) -> Mapping[str, CrmOutcome]:
        reply = self.client.get(f"{JOBS}/{job}")
        status = inner(reply.body, "data", "attributes").get("status")
        if not reply.ok or status == "cancelled":
            # Klaviyo keeps no job for ever. Of nobody anything is known: they are sent again.
            return {}
        if status != "complete":
            return dict.fromkeys(keys, CrmOutcome(state="pending", id=job))
        outcomes = dict.fromkeys(keys, _REFUSED)
        listing = {**_PAGE, "fields[profile]": "email,external_id,properties"}
        for found in map(found_in, pages(self.client, f"{JOBS}/{job}/profiles", listing)):
            if found.key in outcomes:
                outcomes[found.key] = CrmOutcome(state="mirrored", id=found.id)
        for error in pages(self.client, f"{JOBS}/{job}/import-errors", _PAGE):
            for key in _keys(inner(error, "attributes", "original_payload")):
                if key in outcomes:
                    outcomes[key] = CrmOutcome(state="refused", reason=_code(error))
        return outcomes


def _keys(payload: object) -> Iterator[str]:
    """Yield the member keys in what Klaviyo gives back of a failed profile, at whatever depth it keeps them."""
    if isinstance(payload, Mapping):
        key = payload.get(KEY)
        if isinstance(key, str):
            yield key
        for item in payload.values():
            yield from _keys(item)


def _code(error: Mapping[str, Any]) -> str:
    code = inner(error, "attributes").get("code")
    return code.lower() if isinstance(code, str) and code.replace("_", "").isalnum() else "not_imported"
