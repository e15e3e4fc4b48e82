"""Members become profiles: one query for a batch of addresses, then one call for each member.

A profile without a key becomes the member's; one under another key is not touched. Klaviyo knows people by their address, so
a profile cannot lend it: members of the batch that have each other's addresses get each other's profiles, and a profile
that another member has left in this batch is free. No call is started after `TIME_LIMIT`: the rest is tried again later.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any, Final

from relay.adapters.fault_table import fault_of
from relay.adapters.http import CrmUnavailableError
from relay.adapters.klaviyo.client import IMPORT, KlaviyoClient, KlaviyoReply, inner
from relay.adapters.klaviyo.contacts import (
    KlaviyoProfile,
    ProfileLookup,
    find_profiles,
    is_deleted,
    read_profile,
)
from relay.adapters.klaviyo.faults import FAULTS
from relay.adapters.klaviyo.mapping import KEY, properties_of
from relay.crm.address_rings import holder_key, holders_first, parting_order, rings
from relay.errors import TransientError
from relay.model.formats import json_value, sendable_text
from relay.ports.crm import CONTACT_DELETED, NO_NOTES, ContactNotes, ContactRef, CrmOutcome
from relay.rules.crm_profile import CrmProfile, PersonField

DEFAULT_REVISION: Final = "2026-07-15"

TIME_LIMIT: Final = 12.0
"""Seconds after which no further call is started; the last may take ten more."""

_PERSON: Final[Mapping[PersonField, str]] = {
    "first_name": "first_name",
    "last_name": "last_name",
}
"""No phone number: at Klaviyo it identifies a profile, and one that another profile has is a conflict."""

_NAMES: Final = frozenset(f"/data/attributes/{name}" for name in _PERSON.values())

CONFLICT: Final = frozenset({404, 409})
"""The statuses that mean another profile, or none."""
_MAX_EXTERNAL_ID: Final = 255

_NO_IDENTIFIER: Final = frozenset({"invalid", "invalid_email"})
"""The codes for a text that no profile can have as its address or id; any other refusal of a search tells nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KlaviyoOptions:
    """The API's revision; whether to set our key as `external_id`, and to write the names of Inveterate's own link too."""

    revision: str = DEFAULT_REVISION
    external_id: bool = False
    compat: bool = False


@dataclass(slots=True)
class KlaviyoUpsert:
    """The upsert of one batch of members with an address. `outcomes` grows with every answer."""

    client: KlaviyoClient
    options: KlaviyoOptions
    notes: ContactNotes = NO_NOTES
    outcomes: dict[str, CrmOutcome] = field(default_factory=dict)
    _until: float = field(default_factory=lambda: time.monotonic() + TIME_LIMIT)

    def run(self, profiles: Mapping[str, CrmProfile]) -> None:
        """Write these members.

        Raises:
            CrmUnavailableError: no further member can be written; the outcomes so far stay.

        """
        addresses = list({address(profile): None for profile in profiles.values()})
        lookup = find_profiles(self.client, "email", addresses)
        links = _links(profiles, lookup)
        for ring in rings(links):
            self._check_time()
            self._part(ring, profiles, lookup)
        for key in holders_first([key for key in profiles if key not in self.outcomes], links):
            self._check_time()
            self.outcomes[key] = self._write(profiles[key], profiles, lookup)

    def _check_time(self) -> None:
        if time.monotonic() > self._until:
            raise CrmUnavailableError(CrmOutcome(state="retry", reason="out_of_time", retry_after=1.0))

    def _part(self, ring: Sequence[str], profiles: Mapping[str, CrmProfile], lookup: ProfileLookup) -> None:
        """Write members that have each other's addresses, each to the profile with its new one: all of them, or none.

        The second member is nowhere from the first call to the last; a crash there is mended by the next try. A refusal
        puts each back.
        """
        targets = {key: lookup.found[address(profiles[key])] for key in ring}
        links = dict(zip(ring, [*ring[1:], ring[0]], strict=True))
        done: list[str] = []
        for key in parting_order(ring):
            outcome = self._import(profiles[key], targets[key])
            if outcome.state != "mirrored":
                for written in reversed(done):
                    former = profiles[links[written]]
                    back = replace(former, values={**former.values, "email": profiles[written].email})
                    self._import(back, targets[written])
                waits = CrmOutcome(state="waiting", reason="email_held_by_member")
                self.outcomes |= {each: replace(waits, holder=links[each]) for each in ring}
                self.outcomes[key] = (
                    replace(outcome, holder=links[key]) if outcome.state == "waiting" else outcome
                )
                return
            self.outcomes[key] = outcome
            done.append(key)
        for key in ring:
            lookup.found[address(profiles[key])] = replace(targets[key], key=key)

    def _write(
        self, profile: CrmProfile, profiles: Mapping[str, CrmProfile], lookup: ProfileLookup
    ) -> CrmOutcome:
        email = address(profile)
        found = lookup.found.get(email)
        if email in lookup.refused:
            reason = lookup.refused[email]
            return fault_of(FAULTS, [f"{reason} /data/attributes/email"]).outcome(reason)
        if found and owned_by_other(found, profile.key) and not self._was_left(found, profile, profiles):
            outcome = self._claimed(profile, found)
            if outcome:
                return outcome
        home = None if found else home_to_keep(profile, self.notes)
        if home and is_deleted(self.client, home):
            return CONTACT_DELETED
        outcome = self._import(profile, found)
        if outcome.state == "mirrored":
            # Two members of the batch with one address: the second must not take the first one's profile.
            lookup.found[email] = KlaviyoProfile(outcome.id or "", email, profile.key, None, {})
        return outcome

    def _was_left(
        self, found: KlaviyoProfile, profile: CrmProfile, profiles: Mapping[str, CrmProfile]
    ) -> bool:
        """Return whether another member had this profile, and was written to another one in this batch."""
        holder = found.key or ""
        outcome = self.outcomes.get(holder)
        return (
            outcome is not None
            and outcome.state == "mirrored"
            and address(profiles[holder]) != address(profile)
        )

    def _claimed(self, profile: CrmProfile, found: KlaviyoProfile) -> CrmOutcome | None:
        """Return the outcome of a member whose address is on a profile with another key; None if it may have the profile."""
        holder = holder_key(profile.key, found.key or "")
        if holder is None:
            return CrmOutcome(state="refused", reason="owned_by_other", id=found.id)
        try:
            if self.notes.gives_way(profile.key, holder):
                return None
        except TransientError:
            return CrmOutcome(state="retry", reason="holder_not_read", member_only=True)
        return CrmOutcome(state="waiting", reason="email_held_by_member", holder=holder)

    def _import(self, profile: CrmProfile, found: KlaviyoProfile | None) -> CrmOutcome:
        """Write one profile; if its identifiers are in conflict, once more by its address alone."""
        reply = self.client.post(IMPORT, resource(profile, found, self.options))
        conflict = reply.status in CONFLICT
        if conflict:
            by_email = replace(self.options, external_id=False)
            reply = self.client.post(IMPORT, resource(profile, found, by_email))
        if reply.pointers and _NAMES.issuperset(reply.pointers) and person_of(profile):
            # A profile is not to lack all else for a name.
            nameless = replace(profile, first_name="", last_name="")
            reply = self.client.post(IMPORT, resource(nameless, found, self.options))
        if reply.ok:
            return _confirmed(reply, profile, "identity_conflict" if conflict else "")
        reason = "identity_conflict" if conflict else reply.code
        return fault_of(FAULTS, [reason, reason.partition(" ")[0]]).outcome(reason)


def home_to_keep(profile: CrmProfile, notes: ContactNotes) -> str | None:
    """Return the profile that held this member last, if it must not be made again once it was deleted."""
    return None if "klaviyo" in profile.remake_contacts else notes.home(profile.key)


def _links(profiles: Mapping[str, CrmProfile], lookup: ProfileLookup) -> dict[str, str]:
    """Return by member whose profile has its address, where that is another member of this batch."""
    held = {key: lookup.found.get(address(profile)) for key, profile in profiles.items()}
    return {
        key: found.key
        for key, found in held.items()
        if found and found.key and found.key != key and found.key in profiles
    }


def profiles_of(
    client: KlaviyoClient, contacts: Sequence[ContactRef], *, person: bool = False
) -> dict[str, KlaviyoProfile]:
    """Return the profiles in which these members were last written, by member key; with `person` their names as well.

    Raises:
        CrmUnavailableError: Klaviyo does not answer, or refuses to search for one of them.

    """
    by_id = find_profiles(client, "id", [contact.id for contact in contacts if contact.id], person=person)
    emails = [contact.email.lower() for contact in contacts if contact.email and not contact.id]
    by_email = find_profiles(client, "email", emails, person=person)
    for reason in (*by_id.refused.values(), *by_email.refused.values()):
        if reason.partition(" ")[0] not in _NO_IDENTIFIER:
            raise CrmUnavailableError(fault_of(FAULTS, [reason]).outcome(reason))
    found = {
        contact.key: by_id.found.get(contact.id)
        if contact.id
        else by_email.found.get((contact.email or "").lower())
        for contact in contacts
    }
    return {key: profile for key, profile in found.items() if profile}


def resource(
    profile: CrmProfile, found: KlaviyoProfile | None, options: KlaviyoOptions, *, unset: bool = False
) -> dict[str, Any]:
    """Return a member as a resource: every field each time, null without a value, so that it clears.

    With `unset`, fields without a value are named under `meta` instead: a bulk job ignores null.
    """
    properties: dict[str, Any] = dict(properties_of(profile, compat=options.compat))
    attributes: dict[str, Any] = {"email": json_value(profile.email), "properties": properties}
    if found is None and not unset:
        attributes |= person_of(profile)
    if options.external_id and _may_identify(profile.key, found):
        attributes["external_id"] = profile.key
    data: dict[str, Any] = {"type": "profile", "attributes": attributes}
    if unset:
        attributes["properties"] = {name: value for name, value in properties.items() if value is not None}
        data["meta"] = unset_request([name for name, value in properties.items() if value is None])
    return data


def person_of(profile: CrmProfile) -> dict[str, str]:
    """Return what the profile may get of the member's names."""
    known = profile.person("klaviyo")
    return {_PERSON[name]: sendable_text(value) for name, value in known.items() if name in _PERSON}


def fill_names(client: KlaviyoClient, profiles: Sequence[CrmProfile], contacts: Sequence[ContactRef]) -> None:
    """Write what the members' profiles lack of names. Errors as in `profiles_of`."""
    wanted = {profile.key: known for profile in profiles if (known := person_of(profile))}
    if not wanted:
        return
    found = profiles_of(client, [contact for contact in contacts if contact.key in wanted], person=True)
    for key, held in found.items():
        lacking = {
            name: value for name, value in wanted[key].items() if not held.person.get(name, "").strip()
        }
        if lacking and held.key == key:
            client.post(IMPORT, {"type": "profile", "id": held.id, "attributes": lacking})


def _may_identify(key: str, found: KlaviyoProfile | None) -> bool:
    """Return whether our key may be the profile's `external_id`: it never replaces one that is not ours."""
    return len(key) <= _MAX_EXTERNAL_ID and (found is None or found.external_id in {None, key})


def unset_request(properties: Sequence[str]) -> dict[str, Any]:
    """Return what a resource has under `meta` to take properties from a profile."""
    return {"patch_properties": {"unset": list(properties)}}


def _confirmed(reply: KlaviyoReply, profile: CrmProfile, reason: str) -> CrmOutcome:
    """Return `mirrored` if the answer shows the member's key: a success without it is not one."""
    written = read_profile(inner(reply.body, "data"))
    if not written.id or written.properties.get(KEY) != profile.key:
        return CrmOutcome(state="waiting", reason="silent_2xx")
    made = reply.status == HTTPStatus.CREATED
    return CrmOutcome(state="mirrored", id=written.id, reason=reason, made=made)


def owned_by_other(found: KlaviyoProfile | None, key: str) -> bool:
    """Return whether a profile is under another key."""
    return found is not None and found.key not in {None, key}


def address(profile: CrmProfile) -> str:
    """Return a member's e-mail address as Klaviyo compares it."""
    return sendable_text(profile.email or "").lower()
