"""Questions to Salesforce (SOQL): which records have one of these keys or e-mail addresses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from relay.adapters.crm_http import ClosedError, changing_nothing
from relay.adapters.salesforce.client import SalesforceClient
from relay.model.formats import sendable_text
from relay.ports.crm import CrmOutcome

_LONGEST: Final = 8_000
"""Characters of the values within one question, as they travel in its address; Salesforce takes 16,000 in all."""

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
    """Return the records whose field `by` has one of these values, in as few questions as their lengths allow.

    Raises:
        ClosedError: when Salesforce cannot be asked.

    """
    found: list[Mapping[str, Any]] = []
    # Object and fields are names that were checked or are our own; values go in as escaped literals.
    select = f"SELECT {', '.join(fields)} FROM {client.org.object_name} WHERE {by} IN"  # noqa: S608 - see above # nosec B608
    for literals in _chunks(values):
        found += ask(client, f"{select} ({','.join(literals)})", until=until)
    return found


def ask(client: SalesforceClient, soql: str, *, until: float) -> list[Mapping[str, Any]]:
    """Ask one question; return all records of the answer. Errors as in `find`."""
    records: list[Mapping[str, Any]] = []
    path, query = "/query", {"q": soql}
    while True:
        with changing_nothing():
            reply = client.call("GET", path, until=until, query=query)
        body = reply.body
        if not isinstance(body, Mapping) or not isinstance(body.get("records"), list):
            raise ClosedError(CrmOutcome(state="retry", reason="question_not_answered"))
        records += [record for record in body["records"] if isinstance(record, Mapping)]
        further = str(body.get("nextRecordsUrl") or "").partition("/query/")[2]
        if body.get("done") is not False or not further:
            return records
        path, query = f"/query/{further}", {}


def literal(value: str) -> str:
    """Write a text as SOQL reads it; a member chooses its e-mail address, and must not choose our question."""
    return f"'{sendable_text(value).translate(_ESCAPES)}'"


def _chunks(values: Iterable[str]) -> Iterator[list[str]]:
    chunk: list[str] = []
    length = 0
    for value in dict.fromkeys(values):
        text = literal(value)
        cost = len(quote(text, safe="")) + 3
        if chunk and length + cost > _LONGEST:
            yield chunk
            chunk, length = [], 0
        chunk.append(text)
        length += cost
    if chunk:
        yield chunk
