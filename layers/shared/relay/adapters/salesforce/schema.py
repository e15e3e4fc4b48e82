"""Finds the fields that our contacts need and that the org lacks.

Relay does not define them. The right to define fields is the right to customise the whole org, and a field that is
defined through the API stays hidden until a user grants it; so an administrator deploys them, once
(`docs/salesforce.md`).
"""

from __future__ import annotations

from collections.abc import Mapping

from relay.adapters.http import CrmUnavailableError, without_effect
from relay.adapters.salesforce.client import SalesforceClient
from relay.adapters.salesforce.mapping import KEY, ours
from relay.adapters.salesforce.upsert import time_limit
from relay.ports.crm import CrmOutcome


def missing(client: SalesforceClient) -> list[str]:
    """Return our fields that the object does not have, or that our user may not see.

    Raises:
        CrmUnavailableError: Salesforce does not answer, or our key's field is not unique.

    """
    with without_effect():
        reply = client.call("GET", f"/sobjects/{client.org.object_name}/describe", until=time_limit())
    fields = reply.body.get("fields") if isinstance(reply.body, Mapping) else None
    if not isinstance(fields, list):
        raise CrmUnavailableError(CrmOutcome(state="retry", reason="fields_not_read"))
    existing = {str(each.get("name")): each for each in fields if isinstance(each, Mapping)}
    key = existing.get(KEY)
    if key and not (key.get("externalId") is True and key.get("unique") is True):
        raise CrmUnavailableError(CrmOutcome(state="unauthorised", reason="membership_key_is_not_unique"))
    return [theirs for theirs in ours(client.org.object_name).values() if theirs not in existing]
