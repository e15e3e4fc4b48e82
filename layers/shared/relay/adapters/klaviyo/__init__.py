"""Klaviyo: members become profiles, found by their e-mail address, and their notes events that can start flows."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, Literal

from relay.adapters.crm_batches import in_batches
from relay.adapters.crm_http import READ_SECONDS, AccessToken, CrmHttpClient, in_our_words
from relay.adapters.klaviyo.bulk import KlaviyoBulk
from relay.adapters.klaviyo.client import KlaviyoClient
from relay.adapters.klaviyo.contacts import PROFILES
from relay.adapters.klaviyo.mapping import canonical_of, properties_of
from relay.adapters.klaviyo.timeline import record
from relay.adapters.klaviyo.upsert import KlaviyoUpsert, Options, clear, found_homes
from relay.errors import MisconfiguredError
from relay.model.messages import MemberChanged
from relay.ports.crm import ContactRef, CrmOutcome, RateLimit
from relay.rules.crm_profile import CrmProfile

if TYPE_CHECKING:
    import httpx

__all__ = ["Klaviyo", "Options"]

OLDEST_REVISION: Final = "2024-10-15"
"""Earlier ones have other names for the bulk jobs. Klaviyo answers each for about two years."""

_REVISION: Final = re.compile(r"20\d\d-[01]\d-[0-3]\d")
_CREDENTIAL: Final = "KLAVIYO_SECRET"


class Klaviyo:
    """Klaviyo as a `Crm`. `transport` stands in for the network in tests, and keeps the rates elsewhere."""

    name: Final = "klaviyo"
    # One look at so many addresses, then a call for each member: what a batch's time surely suffices for.
    batch_size: Final = 25
    notes_batch_size: Final = 1
    homes_by: Final[Literal["key", "email"]] = "email"
    automations: Final = "flows that a segment or a date starts"
    # Of 750 a minute for profiles, 3,500 for events and 150 for jobs, which all of the merchant's private
    # keys share. An eighth of a rate may come at once: that stays below the limits by the second (75, 350, 10).
    rates: Final = (
        RateLimit(calls=560, seconds=60, path="/api/profile-import"),
        RateLimit(calls=560, seconds=60, path="/api/profiles"),
        RateLimit(calls=2_400, seconds=60, path="/api/events"),
        RateLimit(calls=72, seconds=60, path="/api/profile-bulk-import-jobs"),
    )

    def __init__(
        self,
        base_url: str,
        token: AccessToken,
        options: Options | None = None,
        transport: httpx.BaseTransport | None = None,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        self._options = options or Options()
        revision = self._options.revision
        if not _REVISION.fullmatch(revision) or revision < OLDEST_REVISION:
            raise MisconfiguredError(
                "not a revision of Klaviyo's API that we know", setting="KLAVIYO_REVISION"
            )
        self._wire = CrmHttpClient(transport, read_seconds)
        self._client = KlaviyoClient(base_url.rstrip("/"), token, revision, self._wire)
        self.bulk: Final = KlaviyoBulk(self._client, self._options)

    def upsert(self, profiles: Sequence[CrmProfile]) -> Mapping[str, CrmOutcome]:
        """Write the members' profiles: a look at a batch, and a call for each."""
        return in_batches(
            profiles, self.batch_size, lambda: KlaviyoUpsert(self._client, self._options), in_a_call=1
        )

    def record(
        self, changes: Sequence[MemberChanged], homes: Mapping[str, ContactRef] | None = None
    ) -> Mapping[str, CrmOutcome]:
        """Write notes as events. Of a quiet change they are kept in the timeline and start no flow."""
        return record(self._client, changes, homes or {})

    def clear(self, homes: Sequence[ContactRef]) -> Mapping[str, CrmOutcome]:
        """Take our properties off the profiles that bear them, and touch nothing else."""
        return clear(self._client, homes, self._options)

    def read(self, homes: Sequence[ContactRef]) -> Mapping[str, Mapping[str, str]]:
        """Return what the profiles hold of these members, by key and canonical name."""
        with in_our_words(self.name, _CREDENTIAL):
            there = found_homes(self._client, homes)
        return {
            key: canonical_of(found.properties, found.email)
            for key, found in there.items()
            if found.key == key
        }

    def shown(self, profile: CrmProfile) -> Mapping[str, str]:
        """Return what `read` would find after this profile was written."""
        return canonical_of(properties_of(profile), profile.email)

    def check(self) -> None:
        """Ask for one profile: whether the key is good, and may read profiles."""
        with in_our_words(self.name, _CREDENTIAL):
            self._client.get(PROFILES, {"page[size]": "1", "fields[profile]": "email"})

    def ensure_schema(self, *, dry_run: bool = False) -> Sequence[str]:  # noqa: ARG002 - the port's word
        """Define nothing: Klaviyo knows a property or a metric from its first use on."""
        return ()

    def close(self) -> None:
        """End the connections. A function never does: they end with its environment."""
        self._wire.close()
