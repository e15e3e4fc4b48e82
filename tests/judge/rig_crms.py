"""The four CRMs of the rig: a fake of each, the settings of its `crm_sync`, and what it holds of each member."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from fakes.hubspot import FakeHubspot
from fakes.klaviyo import FakeKlaviyo
from fakes.salesforce import FakeSalesforce
from fakes.signed_webhook import FakeWebhookReceiver
from relay.adapters.hubspot import Hubspot
from starlette.types import ASGIApp

from tests.contract.crm.salesforce_setup import define_fields
from tests.contract.crm.tokens import FixedToken
from tests.judge import crm_names
from tests.judge.adversary import Adversary
from tests.judge.observed import Profile
from tests.judge.rig_faults import StruckAws, StruckTransport
from tests.support.aws.fake_aws import FakeAws

WEBHOOK_SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


@dataclass(frozen=True, slots=True)
class RigCrm:
    """One CRM of a play. `contacts` yields (member key, fields by canonical name), `notes` (key, name, id).

    `delete` deletes a member's contact as the merchant does, where Relay can see that.
    """

    target: str
    secret: str
    settings: Mapping[str, str]
    app: ASGIApp
    contacts: Callable[[], Iterator[tuple[str, Profile]]]
    notes: Callable[[], Iterator[tuple[str, str, str]]] | None = None
    delete: Callable[[str], None] | None = None


def hubspot() -> RigCrm:
    """Return a HubSpot that has Relay's properties."""
    fake = FakeHubspot()
    fake.portal = copy.deepcopy(_prepared_portal())

    def contacts() -> Iterator[tuple[str, Profile]]:
        for contact in fake.portal.contacts.values():
            yield contact.get("membership_key", ""), crm_names.profile(dict(contact), crm_names.HUBSPOT)

    settings = {
        "HUBSPOT_URL": "https://hubspot.example",
        "HUBSPOT_VERSION": "2026-09",
        "HUBSPOT_EVENTS": "true",
    }

    def delete(key: str) -> None:
        _delete(fake.portal.contacts, lambda held: held.get("membership_key"), key)

    return RigCrm("hubspot", "a-service-key", settings, fake.app(), contacts, delete=delete)


def _delete(contacts: dict[str, Any], key_of: Callable[[Any], Any], key: str) -> None:
    """Delete the contacts under a key."""
    for contact in [each for each, held in contacts.items() if key_of(held) == key]:
        del contacts[contact]


@cache
def _prepared_portal() -> Any:
    fake = FakeHubspot()
    transport = StruckTransport("hubspot", fake.app(), StruckAws(FakeAws(), Adversary()))
    crm = Hubspot("https://hubspot.example", FixedToken(), "2026-09", transport, events=True)
    crm.ensure_schema()
    return fake.portal


def klaviyo() -> RigCrm:
    """Return a Klaviyo."""
    fake = FakeKlaviyo()

    def contacts() -> Iterator[tuple[str, Profile]]:
        for profile in fake.account.profiles.values():
            fields = crm_names.profile(dict(profile.properties), crm_names.KLAVIYO)
            yield str(profile.properties.get("Membership Key", "")), fields

    settings = {
        "KLAVIYO_URL": "https://klaviyo.example",
        "KLAVIYO_REVISION": "2025-10-15",
        "KLAVIYO_SET_EXTERNAL_ID": "false",
        "KLAVIYO_COMPAT_NAMES": "false",
    }

    def delete(key: str) -> None:
        _delete(fake.account.profiles, lambda held: held.properties.get("Membership Key"), key)

    return RigCrm("klaviyo", "pk_made_up", settings, fake.app(), contacts, delete=delete)


def salesforce() -> RigCrm:
    """Return a Salesforce org with Relay's fields; it has no timeline."""
    fake = FakeSalesforce()
    define_fields(fake)

    def contacts() -> Iterator[tuple[str, Profile]]:
        for record in fake.org.records.values():
            fields = crm_names.profile(dict(record), crm_names.SALESFORCE)
            yield str(record.get("Membership_Key__c", "")), fields

    settings = {
        "SALESFORCE_URL": "https://salesforce.example",
        "SALESFORCE_OBJECT": "Contact",
        "SALESFORCE_VERSION": "65.0",
    }
    secret = json.dumps({"client_id": "an-app", "client_secret": "its-secret"})

    def delete(key: str) -> None:
        _delete(fake.org.records, lambda held: held.get("Membership_Key__c"), key)

    return RigCrm("salesforce", secret, settings, fake.app(), contacts, delete=delete)


def webhook() -> RigCrm:
    """Return the merchant's own receiver, which takes members without an address as well."""
    fake = FakeWebhookReceiver((WEBHOOK_SECRET,))

    def contacts() -> Iterator[tuple[str, Profile]]:
        yield from ((key, dict(fields)) for key, fields in fake.members.items())

    def notes() -> Iterator[tuple[str, str, str]]:
        # One webhook can complete two pairs: each is a message of its own, with the name of both.
        for event, id_ in zip(fake.events, fake.event_ids, strict=True):
            yield event["key"], event["name"], id_

    settings = {"WEBHOOK_URL": "https://webhook.example/hook"}
    return RigCrm("webhook", WEBHOOK_SECRET, settings, fake.app(), contacts, notes)


CRMS = (hubspot, klaviyo, salesforce, webhook)
