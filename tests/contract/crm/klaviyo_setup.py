"""The test setup of Klaviyo's adapter: a fake Klaviyo, and the faults that the contract needs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

from fakes.fault_queue import Fault
from fakes.klaviyo import FakeKlaviyo
from fakes.local_server import serve
from relay.adapters.klaviyo import Klaviyo
from relay.adapters.klaviyo.mapping import PROPERTIES, text
from relay.adapters.klaviyo.upsert import KlaviyoOptions

from tests.contract.crm.hurry import hurry
from tests.contract.crm.tokens import FixedToken

IMPORT: Final = "/api/profile-import"

FAULTS: Final[dict[str, Callable[[], Fault]]] = {
    "silent_2xx": lambda: Fault(silent=True, path=IMPORT),
    "locked_423": lambda: Fault(status=423),
    "rate_limited": lambda: Fault(status=429, retry_after=7),
    "rate_limited_no_header": lambda: Fault(status=429),
    # Klaviyo counts these calls only by the second and the minute; waits of hours were observed all the same.
    "daily_limit": lambda: Fault(status=429, retry_after=67_608),
    "unauthorised_mid_batch": lambda: Fault(status=401, after=1, path=IMPORT),
    "missing_scopes": lambda: Fault(status=403),
    "timeout_after_write": lambda: Fault(apply_then_drop=True, path=IMPORT),
    "hang": lambda: Fault(hang=1.0, path=IMPORT),
    "edge_page": lambda: Fault(status=403, body="<html>403 Forbidden</html>"),
    "version_ended": lambda: Fault(status=410),
    "provider_wide_code": lambda: Fault(status=400, code="limit_exceeded", path=IMPORT),
    "unknown_code": lambda: Fault(status=400, code="code_of_tomorrow", path=IMPORT),
    "down": lambda: Fault(status=503),
    "deletion_refused": lambda: Fault(status=403, path="/api/data-privacy-deletion-jobs"),
    "bad_gateway": lambda: Fault(status=502, path=IMPORT),
}


@dataclass
class KlaviyoTestSetup:
    """The adapter and a fake Klaviyo."""

    fake: FakeKlaviyo
    crm: Klaviyo
    per_call: int = 1
    longest_text: int | None = None

    def prepare(self) -> None:
        """Define nothing: Klaviyo knows a property from its first use on."""

    def shown(self, key: str) -> Mapping[str, str] | None:
        """Return a profile's properties by canonical name."""
        return next((contact for contact in self.contacts() if contact.get("key") == key), None)

    def contacts(self) -> list[Mapping[str, str]]:
        """Return all profiles."""
        names = {theirs: ours for ours, theirs in PROPERTIES.items()}
        shown: list[Mapping[str, str]] = []
        for profile in self.fake.account.profiles.values():
            values: dict[str, Any] = {
                "email": profile.attributes.get("email"),
                "merchants_note": profile.attributes.get("first_name"),
                **{names.get(theirs, theirs): value for theirs, value in profile.properties.items()},
            }
            shown.append({name: text(value) for name, value in values.items() if value is not None})
        return shown

    def texts(self) -> str:
        """Return the profiles."""
        return json.dumps([profile.resource() for profile in self.fake.account.profiles.values()])

    def seed(self, **values: str) -> None:
        """Add a profile."""
        attributes: dict[str, Any] = {"email": values.pop("email")}
        if "merchants_note" in values:
            attributes["first_name"] = values.pop("merchants_note")
        attributes["properties"] = {PROPERTIES[ours]: value for ours, value in values.items()}
        self.fake.account.upsert({"type": "profile", "attributes": attributes})

    def remove_option(self, field: str, option: str) -> None:
        """Not applicable."""
        raise NotImplementedError

    def add_address(self, email: str, other: str) -> None:
        """Not applicable."""
        raise NotImplementedError

    def delete(self, key: str) -> None:
        """Delete a profile."""
        profiles = self.fake.account.profiles
        [profile] = [each for each in profiles.values() if each.properties.get(PROPERTIES["key"]) == key]
        del profiles[profile.id]

    def edit_key(self, key: str, text: str) -> None:
        """Change the key of a profile."""
        for profile in self.fake.account.profiles.values():
            if profile.properties.get(PROPERTIES["key"]) == key:
                profile.properties[PROPERTIES["key"]] = text
                if not text:
                    del profile.properties[PROPERTIES["key"]]

    def fail(self, case: str, times: int = 1) -> None:
        """Set the fault."""
        self.fake.faults.append(replace(FAULTS[case](), times=times))

    def heal(self) -> None:
        """End all faults."""
        self.fake.faults.waiting.clear()

    def hurry(self) -> None:
        """Wait for each answer for less time than "hang" takes, on new connections."""
        hurry(self.crm)

    def writes(self) -> list[int]:
        """Return the sizes of the writes: Klaviyo takes one member in each."""
        return [1 for asked in self.fake.requests if asked["path"] == IMPORT]

    def started(self) -> list[str]:
        """Return the metrics that would have started a flow."""
        return self.fake.account.flows


@contextmanager
def klaviyo(options: KlaviyoOptions | None = None) -> Iterator[KlaviyoTestSetup]:
    """Serve a fake Klaviyo and connect the adapter to it."""
    fake = FakeKlaviyo()
    with serve(fake.app()) as base_url:
        crm = Klaviyo(base_url, FixedToken("pk_made_up"), options)
        try:
            yield KlaviyoTestSetup(fake, crm)
        finally:
            crm.close()
