"""Members become profiles: one look at a batch of addresses, then one call for each member.

A profile that nobody has keyed becomes the member's; one under another key is left alone. All of it ends
after `PATIENCE`: the rest is tried again later.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from relay.adapters.crm_http import ClosedError
from relay.adapters.klaviyo.client import IMPORT, KlaviyoClient, KlaviyoReply, inner
from relay.adapters.klaviyo.contacts import Found, Look, found_in, look
from relay.adapters.klaviyo.mapping import KEY, names, properties_of
from relay.model.formats import json_value, sendable_text
from relay.ports.crm import ContactRef, CrmOutcome
from relay.rules.crm_profile import CrmProfile

DEFAULT_REVISION: Final = "2026-07-15"

PATIENCE: Final = 12.0
"""Seconds after which no further call is started; the last may take ten more."""

_CONFLICT: Final = frozenset({404, 409})
_LONGEST_EXTERNAL_ID: Final = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What can be set: the API's revision; our key as `external_id`, and the names of Inveterate's own link, beside ours."""

    revision: str = DEFAULT_REVISION
    external_id: bool = False
    compat: bool = False


@dataclass(slots=True)
class KlaviyoUpsert:
    """One run over members with an address, by key. `outcomes` is filled as they come in."""

    client: KlaviyoClient
    options: Options
    outcomes: dict[str, CrmOutcome] = field(default_factory=dict)
    _until: float = field(default_factory=lambda: time.monotonic() + PATIENCE)

    def run(self, profiles: Mapping[str, CrmProfile]) -> None:
        """Write these members.

        Raises:
            ClosedError: when nobody gets through; who has an outcome by then keeps it.

        """
        there = look(self.client, "email", list({address(wanted): None for wanted in profiles.values()}))
        for key, wanted in profiles.items():
            if time.monotonic() > self._until:
                raise ClosedError(CrmOutcome(state="retry", reason="out_of_time", retry_after=1.0))
            self.outcomes[key] = self._write(wanted, there)

    def _write(self, wanted: CrmProfile, there: Look) -> CrmOutcome:
        where = address(wanted)
        known = there.found.get(where)
        if where in there.refused:
            return CrmOutcome(state="refused", reason=there.refused[where])
        if known and owned_by_other(known, wanted.key):
            return CrmOutcome(state="refused", reason="owned_by_other", id=known.id)
        outcome = self._import(wanted, known)
        if outcome.state == "mirrored":
            # Two members with one address, in one call: the second must not take the first one's profile.
            there.found[where] = Found(outcome.id or "", where, wanted.key, None, {})
        return outcome

    def _import(self, wanted: CrmProfile, known: Found | None) -> CrmOutcome:
        """Write one profile; where its identifiers are in conflict, once more by its address alone."""
        reply = self.client.post(IMPORT, resource(wanted, known, self.options))
        conflict = reply.status in _CONFLICT
        if conflict:
            reply = self.client.post(
                IMPORT, resource(wanted, known, replace(self.options, external_id=False))
            )
        if reply.ok:
            return _proven(reply, wanted, "identity_conflict" if conflict else "")
        return CrmOutcome(state="refused", reason="identity_conflict" if conflict else reply.code)


def clear(client: KlaviyoClient, homes: Sequence[ContactRef], options: Options) -> dict[str, CrmOutcome]:
    """Take the key and all of our fields off the profiles that bear them; by member key."""
    outcomes: dict[str, CrmOutcome] = {}
    try:
        there = found_homes(client, homes)
        for home in homes:
            outcomes[home.key] = _clear(client, home, there.get(home.key), options)
    except ClosedError as closed:
        return {home.key: closed.outcome for home in homes} | outcomes
    return outcomes


def found_homes(client: KlaviyoClient, homes: Sequence[ContactRef]) -> dict[str, Found]:
    """Return the profiles in which these members were last written, by member key.

    Raises:
        ClosedError: when Klaviyo cannot be asked.

    """
    by_id = look(client, "id", [home.id for home in homes if home.id])
    by_email = look(client, "email", [home.email.lower() for home in homes if home.email and not home.id])
    there = {
        home.key: by_id.found.get(home.id) if home.id else by_email.found.get((home.email or "").lower())
        for home in homes
    }
    return {key: found for key, found in there.items() if found}


def resource(
    wanted: CrmProfile, known: Found | None, options: Options, *, unset: bool = False
) -> dict[str, Any]:
    """Return a member as a resource: every field each time, null where it has no value, so that it clears.

    With `unset` such fields are named under `meta` instead: a bulk job ignores null.
    """
    properties: dict[str, Any] = dict(properties_of(wanted, compat=options.compat))
    attributes: dict[str, Any] = {"email": json_value(wanted.email), "properties": properties}
    if options.external_id and _may_identify(wanted.key, known):
        attributes["external_id"] = wanted.key
    data: dict[str, Any] = {"type": "profile", "attributes": attributes}
    if unset:
        attributes["properties"] = {name: value for name, value in properties.items() if value is not None}
        data["meta"] = _unset([name for name, value in properties.items() if value is None])
    return data


def _may_identify(key: str, known: Found | None) -> bool:
    """Say whether our key may be the profile's `external_id`: never in place of one that somebody else set."""
    return len(key) <= _LONGEST_EXTERNAL_ID and (known is None or known.external_id in {None, key})


def _clear(client: KlaviyoClient, home: ContactRef, known: Found | None, options: Options) -> CrmOutcome:
    if known is None or known.key != home.key:
        return CrmOutcome(state="skipped", reason="owned_by_other" if known and known.key else "not_there")
    attributes = {"external_id": None} if known.external_id == home.key else {}
    reply = client.post(
        IMPORT,
        {
            "type": "profile",
            "id": known.id,
            "attributes": attributes,
            "meta": _unset(names(compat=options.compat)),
        },
    )
    if reply.status in _CONFLICT:
        return CrmOutcome(state="skipped", reason="not_there")
    if not reply.ok:
        return CrmOutcome(state="refused", reason=reply.code)
    written = found_in(inner(reply.body, "data"))
    if written.id != known.id or written.key:
        return CrmOutcome(state="refused", reason="silent_2xx")
    return CrmOutcome(state="mirrored", id=known.id)


def _unset(properties: Sequence[str]) -> dict[str, Any]:
    return {"patch_properties": {"unset": list(properties)}}


def _proven(reply: KlaviyoReply, wanted: CrmProfile, reason: str) -> CrmOutcome:
    """Return that the member is mirrored, where the answer shows its key: a success that names nobody is none."""
    written = found_in(inner(reply.body, "data"))
    if not written.id or written.properties.get(KEY) != wanted.key:
        return CrmOutcome(state="refused", reason="silent_2xx")
    return CrmOutcome(state="mirrored", id=written.id, reason=reason)


def owned_by_other(known: Found | None, key: str) -> bool:
    """Say whether a profile is another's."""
    return known is not None and known.key not in {None, key}


def address(wanted: CrmProfile) -> str:
    """Return a member's e-mail address as Klaviyo compares it."""
    return sendable_text(wanted.email or "").lower()
