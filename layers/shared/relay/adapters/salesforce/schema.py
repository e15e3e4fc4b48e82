"""The fields that our contacts need, and which of them the org lacks.

They are not made here. The right to define fields is the right to customise the whole org, and a field that
is made through the API stays hidden until somebody grants it; so an administrator deploys them, once
(`docs/salesforce.md`).
"""

from __future__ import annotations

from collections.abc import Mapping

from relay.adapters.crm_http import ClosedError, changing_nothing
from relay.adapters.salesforce.client import SalesforceClient
from relay.adapters.salesforce.mapping import KEY, ours
from relay.adapters.salesforce.upsert import soon
from relay.ports.crm import CrmOutcome


def missing(client: SalesforceClient) -> list[str]:
    """Return the fields of ours that the object does not have, or that our user may not see.

    Raises:
        ClosedError: when it cannot be asked, or has our key as something that identifies nobody.

    """
    with changing_nothing():
        reply = client.call("GET", f"/sobjects/{client.org.object_name}/describe", until=soon())
    fields = reply.body.get("fields") if isinstance(reply.body, Mapping) else None
    if not isinstance(fields, list):
        raise ClosedError(CrmOutcome(state="retry", reason="fields_not_read"))
    there = {str(each.get("name")): each for each in fields if isinstance(each, Mapping)}
    key = there.get(KEY)
    if key and not (key.get("externalId") is True and key.get("unique") is True):
        raise ClosedError(CrmOutcome(state="unauthorised", reason="membership_key_is_not_unique"))
    return [theirs for theirs in ours(client.org.object_name).values() if theirs not in there]
