"""Takes a member's fields from Klaviyo's profiles, and an erased person from those that Relay made.

A profile that is to go loses its values first: the deletion is a job that Klaviyo does later. It goes by the profile's
id, so that another profile with the address stays; Klaviyo keeps a record that it was deleted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from relay.adapters.fault_table import deletion_refused, fault_of
from relay.adapters.http import CrmUnavailableError
from relay.adapters.klaviyo.client import DELETIONS, IMPORT, KlaviyoClient, KlaviyoReply, inner
from relay.adapters.klaviyo.contacts import KlaviyoProfile, read_profile
from relay.adapters.klaviyo.faults import FAULTS
from relay.adapters.klaviyo.mapping import PROPERTIES, names
from relay.adapters.klaviyo.upsert import CONFLICT, KlaviyoOptions, profiles_of, unset_request
from relay.ports.crm import ContactRef, CrmOutcome

_CUSTOMER: Final = PROPERTIES["shopify_customer_id"]

_PERSON: Final[Mapping[str, None]] = dict.fromkeys(("email", "phone_number", "first_name", "last_name"))


def clear(
    client: KlaviyoClient, contacts: Sequence[ContactRef], options: KlaviyoOptions
) -> dict[str, CrmOutcome]:
    """Remove the key and all of our fields from the members' profiles; return outcomes by member key."""
    outcomes: dict[str, CrmOutcome] = {}
    try:
        found = profiles_of(client, contacts)
        for contact in contacts:
            outcomes[contact.key] = _clear(client, contact, found.get(contact.key), options)
    except CrmUnavailableError as error:
        return {contact.key: error.outcome for contact in contacts} | outcomes
    return outcomes


def _clear(
    client: KlaviyoClient, contact: ContactRef, found: KlaviyoProfile | None, options: KlaviyoOptions
) -> CrmOutcome:
    if found is None or not _is_theirs(contact, found):
        return CrmOutcome(state="skipped", reason="owned_by_other" if found and found.key else "not_there")
    own: dict[str, Any] = {"external_id": None} if found.external_id == contact.key else {}
    person = _PERSON if contact.loses_the_person else {}
    reply = _empty(client, found, {**own, **person}, options)
    outcome = _outcome(reply, found, without_address=bool(person))
    if person and outcome.state in {"waiting", "refused"}:
        # A profile whose address Klaviyo keeps loses at least all else; the refusal stands.
        kept = {name: value for name, value in person.items() if name != "email"}
        _empty(client, found, {**own, **kept}, options)
    if contact.is_deleted and outcome.state not in {"retry", "skipped"}:
        return _delete(client, found)
    return outcome


def _is_theirs(contact: ContactRef, found: KlaviyoProfile) -> bool:
    """Return whether a profile has this member's fields.

    Without a key it has them too: a merchant can empty it, and a former try takes it first.
    """
    if found.key:
        return found.key == contact.key
    customer = str(found.properties.get(_CUSTOMER) or "")
    return contact.loses_the_person or customer == contact.key.rpartition(":")[2]


def _empty(
    client: KlaviyoClient, found: KlaviyoProfile, attributes: Mapping[str, Any], options: KlaviyoOptions
) -> KlaviyoReply:
    meta = unset_request(names(compat=options.compat))
    return client.post(IMPORT, {"type": "profile", "id": found.id, "attributes": attributes, "meta": meta})


def _outcome(reply: KlaviyoReply, found: KlaviyoProfile, *, without_address: bool) -> CrmOutcome:
    if reply.status in CONFLICT:
        return CrmOutcome(state="skipped", reason="not_there")
    if not reply.ok:
        return fault_of(FAULTS, [reply.code]).outcome(reply.code)
    written = read_profile(inner(reply.body, "data"))
    if written.id != found.id or written.key or (without_address and written.email):
        return CrmOutcome(state="waiting", reason="silent_2xx")
    return CrmOutcome(state="mirrored", id=found.id)


def _delete(client: KlaviyoClient, found: KlaviyoProfile) -> CrmOutcome:
    """Request a profile's deletion.

    Raises:
        CrmUnavailableError: not now.

    """
    profile = {"data": {"type": "profile", "id": found.id}}
    try:
        reply = client.post(
            DELETIONS, {"type": "data-privacy-deletion-job", "attributes": {"profile": profile}}
        )
    except CrmUnavailableError as error:
        outcome = deletion_refused(error.outcome)
        if outcome.state == "retry":
            raise
        return outcome
    if reply.ok:
        return CrmOutcome(state="mirrored", id=found.id)
    return fault_of(FAULTS, [reply.code]).outcome(reply.code)
