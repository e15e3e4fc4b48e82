"""Klaviyo: members become profiles, found by their e-mail address; their notes become events that can start flows."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Final, Literal

from relay.adapters.crm_batches import in_batches
from relay.adapters.http import READ_SECONDS, CrmHttpClient, SecretSource, port_errors
from relay.adapters.klaviyo.bulk import KlaviyoBulk
from relay.adapters.klaviyo.clearing import clear
from relay.adapters.klaviyo.client import KlaviyoClient
from relay.adapters.klaviyo.contacts import PROFILES
from relay.adapters.klaviyo.faults import REVISION
from relay.adapters.klaviyo.mapping import canonical_of, properties_of
from relay.adapters.klaviyo.timeline import record
from relay.adapters.klaviyo.upsert import KlaviyoOptions, KlaviyoUpsert, fill_names, profiles_of
from relay.errors import MisconfiguredError
from relay.model.messages import MemberChanged
from relay.ports.crm import NO_NOTES, ContactNotes, ContactRef, CrmOutcome, RateLimit
from relay.rules.crm_profile import CrmProfile

if TYPE_CHECKING:
    import httpx

__all__ = ["Klaviyo", "KlaviyoOptions"]

OLDEST_REVISION: Final = "2024-10-15"
"""Earlier revisions have other names for the bulk jobs. Klaviyo supports each revision for about two years."""

_REVISION_YEARS: Final = 2
_REVISION: Final = re.compile(r"20\d\d-[01]\d-[0-3]\d")
_CREDENTIAL: Final = "KlaviyoSecret"


class Klaviyo:
    """Klaviyo as a `Crm`. `transport` replaces the network in tests; elsewhere it keeps the rate limits."""

    name: Final = "klaviyo"
    # One query for that many addresses, then a call for each member: as many as surely fit into a batch's time.
    batch_size: Final = 25
    members_per_call: Final = 1
    notes_batch_size: Final = 1
    identified_by: Final[Literal["key", "email"]] = "email"
    automations: Final = "flows that a segment or a date starts"
    # Klaviyo allows 750 a minute for profiles, 3,500 for events, 150 for jobs and 60 for deletions, shared by all of the merchant's
    # private keys. An eighth of a limit may come at once: that stays below the limits by the second (75, 350, 10, 3).
    rate_limits: Final = (
        RateLimit(calls=560, seconds=60, path="/api/profile-import"),
        RateLimit(calls=560, seconds=60, path="/api/profiles"),
        RateLimit(calls=2_400, seconds=60, path="/api/events"),
        RateLimit(calls=72, seconds=60, path="/api/profile-bulk-import-jobs"),
        RateLimit(calls=20, seconds=60, path="/api/data-privacy-deletion-jobs"),
    )

    def __init__(
        self,
        base_url: str,
        token: SecretSource,
        options: KlaviyoOptions | None = None,
        transport: httpx.BaseTransport | None = None,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        self._options = options or KlaviyoOptions()
        revision = self._options.revision
        if not _REVISION.fullmatch(revision) or revision < OLDEST_REVISION:
            raise MisconfiguredError("not a known revision of Klaviyo's API", setting=REVISION)
        self.version_ends: Final = _ends(revision)
        self._http = CrmHttpClient(transport, read_seconds, "KlaviyoUrl")
        self._client = KlaviyoClient(base_url.rstrip("/"), token, revision, self._http)
        self.bulk: Final = KlaviyoBulk(self._client, self._options)

    def upsert(
        self, profiles: Sequence[CrmProfile], notes: ContactNotes = NO_NOTES
    ) -> Mapping[str, CrmOutcome]:
        """Write the members' profiles: one query for a batch, and a call for each member."""
        return in_batches(
            profiles, self.batch_size, lambda: KlaviyoUpsert(self._client, self._options, notes), per_call=1
        )

    def record(
        self, changes: Sequence[MemberChanged], contacts: Mapping[str, ContactRef] | None = None
    ) -> Mapping[str, CrmOutcome]:
        """Write notes as events. Those of a back-fill appear in the timeline and start no flow."""
        return record(self._client, changes, contacts or {})

    def clear(self, contacts: Sequence[ContactRef]) -> Mapping[str, CrmOutcome]:
        """Remove our properties from the members' profiles, and an erased person from one that Relay made."""
        return clear(self._client, contacts, self._options)

    def read(self, contacts: Sequence[ContactRef]) -> Mapping[str, Mapping[str, str]]:
        """Return what the profiles hold of these members, by key and canonical name."""
        with port_errors(self.name, _CREDENTIAL):
            profiles = profiles_of(self._client, contacts)
        return {
            key: canonical_of(profile.properties, profile.email)
            for key, profile in profiles.items()
            if profile.key == key
        }

    def expected_fields(self, profile: CrmProfile) -> Mapping[str, str]:
        """Return what `read` finds after this profile was written."""
        return canonical_of(properties_of(profile), profile.email)

    def fill_names(self, profiles: Sequence[CrmProfile], contacts: Sequence[ContactRef]) -> None:
        """Write names where the profile's own are empty."""
        with port_errors(self.name, _CREDENTIAL):
            fill_names(self._client, profiles, contacts)

    def check(self) -> None:
        """Read one profile, to find out whether the key is valid and may read profiles."""
        with port_errors(self.name, _CREDENTIAL):
            self._client.get(PROFILES, {"page[size]": "1", "fields[profile]": "email"})

    def ensure_schema(self, *, dry_run: bool = False) -> Sequence[str]:  # noqa: ARG002 - the port's argument
        """Define nothing: Klaviyo knows a property or a metric from its first use on."""
        return ()

    def close(self) -> None:
        """Close the connections. A function never does: they end with its environment."""
        self._http.close()


def _ends(revision: str) -> date | None:
    """Return the day on which Klaviyo ends a revision: two years after its date, by its policy on versions."""
    try:
        day = date.fromisoformat(revision)
        return day.replace(year=day.year + _REVISION_YEARS)
    except ValueError:
        return None  # the 29th of February, or no day at all: Klaviyo refuses it itself
