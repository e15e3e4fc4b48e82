"""Takes a member's fields from Salesforce's records, and an erased person from those that Relay made.

A record that is to go loses its values first: what is deleted lies in the org's bin, and a deletion may be refused, for
a record with cases for instance. Then the empty record stays and the member waits, by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from relay.adapters.fault_table import deletion_refused
from relay.adapters.http import CrmUnavailableError
from relay.adapters.salesforce.answers import read_answer
from relay.adapters.salesforce.client import SalesforceClient
from relay.adapters.salesforce.mapping import (
    KEY,
    PERSON_FIELDS,
    encode,
    names,
    needs_last_name,
    ours,
    placeholder_name,
)
from relay.adapters.salesforce.query import find
from relay.adapters.salesforce.upsert import RecordWriter
from relay.ports.crm import ContactRef, CrmOutcome

_NO_CONTACT: Final = CrmOutcome(state="skipped", reason="no_contact")
_DELETED: Final = "entity_is_deleted"


def clear(
    client: SalesforceClient, contacts: Sequence[ContactRef], writer: RecordWriter
) -> dict[str, CrmOutcome]:
    """Empty these contacts, as many as a call takes, and delete those that are to go; return outcomes by member key.

    Raises:
        CrmUnavailableError: no further contact can be cleared.

    """
    present = _present(client, contacts, writer.until)
    records = {id_: {"id": id_, **_empty(client, contact)} for id_, contact in present.items()}
    writer.write(records)
    outcomes = dict(writer.outcomes)
    is_done = {id_ for id_, outcome in outcomes.items() if outcome.state == "mirrored"}
    outcomes |= _delete(
        client, [id_ for id_ in present if id_ in is_done and present[id_].is_deleted], writer.until
    )
    by_key = dict.fromkeys((contact.key for contact in contacts), _NO_CONTACT)
    for id_, contact in present.items():
        if by_key[contact.key].state in {"skipped", "mirrored"}:
            by_key[contact.key] = outcomes[id_]
    return by_key


def _present(client: SalesforceClient, contacts: Sequence[ContactRef], until: float) -> dict[str, ContactRef]:
    """Return the records that there are, by id: those under the members' keys, and those to find by id."""
    by_key = {contact.key.lower(): contact for contact in contacts if not contact.previous}
    present: dict[str, ContactRef] = {}
    for record in find(client, ("Id", KEY), KEY, [each.key for each in by_key.values()], until=until):
        contact, id_ = by_key.get(str(record.get(KEY) or "").lower()), str(record["Id"])
        if contact:
            present[id_] = contact if contact.id == id_ else ContactRef(key=contact.key, id=id_)
    found = {contact.key for contact in present.values()}
    # Also a member's own contact, where the merchant has edited or emptied the key.
    by_id = {
        contact.id: contact
        for contact in contacts
        if contact.id
        and contact.id not in present
        and (contact.previous or contact.loses_the_person or contact.key not in found)
    }
    customer = names(client.org.object_name)["shopify_customer_id"]
    for record in find(client, ("Id", KEY, customer), "Id", by_id, until=until):
        contact = by_id.get(str(record["Id"]))
        if contact and _is_theirs(contact, record, customer):
            present[str(record["Id"])] = contact
    return present


def _is_theirs(contact: ContactRef, record: Mapping[str, Any], customer: str) -> bool:
    """Return whether a record has this member's fields: another member may have it by now."""
    key = str(record.get(KEY) or "").strip().lower()
    if key:
        return key == contact.key.lower()
    return contact.loses_the_person or str(record.get(customer) or "") == contact.key.rpartition(":")[2]


def _empty(client: SalesforceClient, contact: ContactRef) -> dict[str, Any]:
    """Return the values of an empty record; a person's last name is required, and becomes the customer's number."""
    object_name = client.org.object_name
    fields: dict[str, Any] = {theirs: encode(name, None) for name, theirs in ours(object_name).items()}
    if contact.loses_the_person and needs_last_name(object_name):
        fields |= dict.fromkeys((names(object_name)["email"], *PERSON_FIELDS))
        fields["LastName"] = placeholder_name(contact.key.rpartition(":")[2])
    return fields


def _delete(client: SalesforceClient, ids: Sequence[str], until: float) -> Mapping[str, CrmOutcome]:
    if not ids:
        return {}
    query = {"ids": ",".join(ids), "allOrNone": "false"}
    try:
        answer = read_answer(client.call("DELETE", "/composite/sobjects", query=query, until=until), ids)
    except CrmUnavailableError as error:
        return dict.fromkeys(ids, deletion_refused(error.outcome))
    if answer.unavailable:
        return dict.fromkeys(ids, deletion_refused(answer.unavailable))
    reasons = answer.unclear | dict.fromkeys(answer.taken, "not_deleted")
    waiting = {id_: CrmOutcome(state="waiting", reason=reason) for id_, reason in reasons.items()}
    return {
        id_: CrmOutcome(state="mirrored", id=id_) if outcome.reason == _DELETED else deletion_refused(outcome)
        for id_, outcome in (answer.outcomes | waiting).items()
    }
