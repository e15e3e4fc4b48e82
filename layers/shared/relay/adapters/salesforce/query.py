"""Queries Salesforce (SOQL) for the records that have one of the given keys or e-mail addresses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from relay.adapters.http import CrmUnavailableError, without_effect
from relay.adapters.salesforce.client import SalesforceClient
from relay.model.formats import sendable_text
from relay.ports.crm import CrmOutcome

_MAX_LENGTH: Final = 8_000
"""Characters of the values in one query, as they travel in its address; Salesforce takes 16,000 in all."""

_ESCAPES: Final = str.maketrans(
    {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f", "\0": ""}
)


def find(
    client: SalesforceClient,
    fields: Sequence[str],
    by: str,
    values: Iterable[str],
    *,
    until: float,
) -> list[Mapping[str, Any]]:
    """Return the records whose field `by` has one of these values, in as few queries as their lengths allow.

    Raises:
        CrmUnavailableError: Salesforce does not answer.

    """
    found: list[Mapping[str, Any]] = []
    # Object and fields are names that were checked or are our own; values become escaped literals.
    select = f"SELECT {', '.join(fields)} FROM {client.org.object_name} WHERE {by} IN"  # noqa: S608 - see above # nosec B608
    for literals in _chunks(values):
        found += query(client, f"{select} ({','.join(literals)})", until=until)
    return found


def query(client: SalesforceClient, soql: str, *, until: float) -> list[Mapping[str, Any]]:
    """Return all records of one query. Errors as in `find`."""
    records: list[Mapping[str, Any]] = []
    path, params = "/query", {"q": soql}
    while True:
        with without_effect():
            reply = client.call("GET", path, until=until, query=params)
        body = reply.body
        if not isinstance(body, Mapping) or not isinstance(body.get("records"), list):
            raise CrmUnavailableError(CrmOutcome(state="retry", reason="unreadable_answer"))
        records += [record for record in body["records"] if isinstance(record, Mapping)]
        following = str(body.get("nextRecordsUrl") or "").partition("/query/")[2]
        if body.get("done") is not False or not following:
            return records
        path, params = f"/query/{following}", {}


def literal(value: str) -> str:
    """Return a text as a SOQL literal. A member chooses its e-mail address, and must not choose our query."""
    return f"'{sendable_text(value).translate(_ESCAPES)}'"


def _chunks(values: Iterable[str]) -> Iterator[list[str]]:
    chunk: list[str] = []
    length = 0
    for value in dict.fromkeys(values):
        text = literal(value)
        cost = len(quote(text, safe="")) + 3
        if chunk and length + cost > _MAX_LENGTH:
            yield chunk
            chunk, length = [], 0
        chunk.append(text)
        length += cost
    if chunk:
        yield chunk
