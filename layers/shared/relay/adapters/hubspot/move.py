"""Moves members to the contacts that have their e-mail addresses, in steps after each of which one contact is whole.

The key is unique at HubSpot, so it cannot stand on two contacts. A member with a contact of its own (8) whose address
another contact has (7) moves like this, and a refusal of any step takes the steps before it back:

0  the sync state notes both contacts
1  7 gets all fields, and no key
2  8 loses the key, and nothing else
3  7 gets the key
   then the caller clears 8, and the sync state no longer names it (`crm/claimed_write.py`)

2 and 3 are never in one batch call: it has no order. After a crash it all begins again: 7 is found by its address, 8 by
the note. HubSpot has no conditional write: a key that another shop sets between our read and our write is overwritten,
and that shop's next write finds it.

The contact may be another member's of ours. Then everything but the address is written to the member's own contact, and
it waits; members that hold each other's addresses are parted when one call has them all. The address may also be a secondary one
of a contact: then that contact gets everything but `email`, because Relay never makes an address the primary one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, Final, TypeAlias

from relay.adapters.http import CrmUnavailableError
from relay.adapters.hubspot.answers import read_answer
from relay.adapters.hubspot.client import HubspotClient, HubspotReply
from relay.adapters.hubspot.contacts import contacts_in, read_request
from relay.adapters.hubspot.mapping import KEY, OURS, properties_of
from relay.crm.address_rings import holder_key, holders_first, parting_order, rings
from relay.errors import TransientError
from relay.ports.crm import ContactNotes, CrmOutcome
from relay.rules.crm_profile import CrmProfile

Call: TypeAlias = Callable[[str, str, Mapping[str, Any]], HubspotReply]

_EMAIL: Final = "email"
_GONE: Final = CrmOutcome(state="retry", reason="contact_gone", member_only=True)


@dataclass(frozen=True, slots=True)
class _Contact:
    """A contact as HubSpot holds it: `key` as it is there, `email` its primary address."""

    id: str
    key: str
    email: str


@dataclass(slots=True)
class HubspotMove:
    """The moves of one batch. `outcomes` are those of all its members, and grow."""

    client: HubspotClient
    call: Call
    notes: ContactNotes
    outcomes: dict[str, CrmOutcome]

    def run(self, profiles: Mapping[str, CrmProfile], taken: Mapping[str, str]) -> None:
        """Move these members; `taken` are the contacts that have their addresses.

        Raises:
            CrmUnavailableError: no further member can be written; the outcomes so far stay.

        """
        for key, profile in profiles.items():
            self.outcomes[key] = self._move(profile, taken[key])
        links = {key: holder for key in profiles if (holder := self.outcomes[key].holder)}
        for ring in rings(links):
            self._part(ring, profiles)
        for key in holders_first(links, links):
            self._follow(profiles[key], links[key], profiles)

    def _move(self, profile: CrmProfile, contact: str) -> CrmOutcome:
        target, own = self._contact(contact), self._contact(profile.key, KEY)
        if target is None:
            return _GONE
        is_primary = target.email.lower() == (profile.email or "").lower()
        holder = target.key.strip()
        if holder and holder.lower() != profile.key.lower():
            outcome = self._claimed(profile, own, holder, contact)
            other = self.outcomes.get(outcome.holder) if outcome else None
            if outcome and not is_primary and (other is None or other.state != "mirrored"):
                # A secondary address: no contact gives it away by changing its primary one.
                return replace(outcome, holder="")
            if outcome:
                return outcome
        if own is None or own.id == target.id:
            # Its own contact has the address as another one of it; or it has none, and takes this one.
            return self._patch_all(profile, target, with_email=is_primary)
        return self._move_between(profile, own, target, with_email=is_primary)

    def _claimed(
        self, profile: CrmProfile, own: _Contact | None, holder: str, contact: str
    ) -> CrmOutcome | None:
        """Return the outcome of a member whose address is on a contact with another key; None if it may have the contact."""
        ours = holder_key(profile.key, holder)
        if ours is None:
            return CrmOutcome(state="refused", reason="owned_by_other", id=contact)
        try:
            gives_way = self.notes.gives_way(profile.key, ours)
        except TransientError:
            return CrmOutcome(state="retry", reason="holder_not_read", member_only=True)
        return None if gives_way else self._wait_for(profile, own, ours)

    def _move_between(
        self, profile: CrmProfile, own: _Contact, target: _Contact, *, with_email: bool
    ) -> CrmOutcome:
        """Move a member from its own contact to another: see the module's steps."""
        try:
            self.notes.add(profile.key, (own.id, target.id))
        except TransientError:
            return CrmOutcome(state="retry", reason="move_not_noted", member_only=True)
        fields = _fields(profile, with_email=with_email)
        refusal = self._refusal(profile, target.id, fields)
        if refusal:
            return replace(refusal, id=own.id)
        refusal = self._refusal(profile, own.id, {KEY: ""})
        if refusal:
            self._take_back(target)
            return replace(refusal, id=own.id)
        refusal = self._refusal(profile, target.id, {KEY: profile.key})
        if refusal:
            self._try_patch(own.id, {KEY: profile.key})
            self._take_back(target)
            return replace(refusal, id=own.id)
        return CrmOutcome(state="mirrored", id=target.id)

    def _take_back(self, target: _Contact) -> None:
        """Empty the fields that were written to a contact, as far as possible: the note names it in any case."""
        self._try_patch(target.id, {name: "" for name in OURS if name != KEY})

    def _wait_for(self, profile: CrmProfile, own: _Contact | None, holder: str) -> CrmOutcome:
        """Write all but the address, if the member has a contact; it waits for the other member."""
        if own is not None:
            refusal = self._refusal(profile, own.id, _fields(profile, with_email=False))
            if refusal:
                return refusal
        return CrmOutcome(
            state="waiting", reason="email_held_by_member", id=own.id if own else None, holder=holder
        )

    def _part(self, ring: Sequence[str], profiles: Mapping[str, CrmProfile]) -> None:
        """Write members that have each other's addresses: the second one's contact is without an address meanwhile.

        All are claimed, so none is written elsewhere. A refusal gives each its former address back; after a crash all
        are written again.
        """
        waiting = {key: self.outcomes[key] for key in ring}
        second = waiting[ring[1]].id
        if any(outcome.state != "waiting" or not outcome.id for outcome in waiting.values()):
            return  # one of them has no contact of its own yet
        former = {holder: profiles[key].email or "" for key, holder in _links(ring).items()}
        for key in ring:
            del self.outcomes[key]  # without an answer from here on, each is to be tried again
        if self._refusal(profiles[ring[1]], str(second), {_EMAIL: ""}):
            self.outcomes |= waiting
            return
        done: list[str] = []
        for key in parting_order(ring):
            outcome = self._write_own(profiles[key], waiting[key])
            if outcome.state != "mirrored":
                for written in (*reversed(done), ring[1]):
                    self._try_patch(str(waiting[written].id), {_EMAIL: former[written]})
                self.outcomes |= waiting
                if outcome.state != "waiting":
                    self.outcomes[key] = outcome
                return
            done.append(key)
            self.outcomes[key] = outcome

    def _follow(self, profile: CrmProfile, holder: str, profiles: Mapping[str, CrmProfile]) -> None:
        """Write a member whose holder was written in this call after it: its former address may be free now."""
        own, other = self.outcomes[profile.key], self.outcomes.get(holder)
        wanted = profiles.get(holder)
        if own.state != "waiting" or other is None or other.state != "mirrored":
            return
        if wanted is None or (wanted.email or "").lower() != (profile.email or "").lower():
            self.outcomes[profile.key] = self._write_own(profile, own)

    def _write_own(self, profile: CrmProfile, waits: CrmOutcome) -> CrmOutcome:
        """Write a member that waits for an address to its own contact, the address included."""
        own = self._contact(profile.key, KEY)
        if own is None:
            return waits  # a new member gets its contact with its next try
        outcome = self._patch_all(profile, own, with_email=True)
        return replace(outcome, holder=waits.holder) if outcome.state == "waiting" else outcome

    def _patch_all(self, profile: CrmProfile, contact: _Contact, *, with_email: bool) -> CrmOutcome:
        refusal = self._refusal(
            profile, contact.id, _fields(profile, with_email=with_email) | {KEY: profile.key}
        )
        return refusal or CrmOutcome(state="mirrored", id=contact.id)

    def _refusal(self, profile: CrmProfile, contact: str, properties: Mapping[str, str]) -> CrmOutcome | None:
        """Change a contact; return the outcome if HubSpot refuses."""
        reply = self._patch(contact, properties)
        if reply.status == HTTPStatus.OK:
            return None
        if reply.status == HTTPStatus.NOT_FOUND:
            return _GONE
        answer = read_answer(reply, [profile.key])
        if profile.key in answer.undefined:
            return CrmOutcome(state="waiting", reason=answer.undefined[profile.key])
        taken = CrmOutcome(state="waiting", reason="email_held_by_contact")
        return answer.outcomes.get(profile.key, taken)

    def _try_patch(self, contact: str, properties: Mapping[str, str]) -> None:
        try:
            self._patch(contact, properties)
        except CrmUnavailableError:
            return  # the note names the contact

    def _patch(self, contact: str, properties: Mapping[str, str]) -> HubspotReply:
        return self.call("PATCH", f"{self.client.paths.contacts}/{contact}", {"properties": dict(properties)})

    def _contact(self, value: str, id_property: str = "") -> _Contact | None:
        body = read_request([{"id": value}], [KEY, _EMAIL], id_property)
        reply = self.call("POST", f"{self.client.paths.contacts}/batch/read", body)
        for found in contacts_in(reply):
            properties = found.get("properties")
            if isinstance(properties, Mapping) and found.get("id"):
                return _Contact(
                    str(found["id"]), str(properties.get(KEY) or ""), str(properties.get(_EMAIL) or "")
                )
        return None


def _fields(profile: CrmProfile, *, with_email: bool) -> dict[str, str]:
    """Return a member's properties without the key, and without the address where it must not be written."""
    left_out = {KEY} if with_email else {KEY, _EMAIL}
    return {name: value for name, value in properties_of(profile).items() if name not in left_out}


def _links(ring: Sequence[str]) -> dict[str, str]:
    return dict(zip(ring, [*ring[1:], ring[0]], strict=True))
