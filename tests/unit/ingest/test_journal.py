"""The journal's lines: whole, small, and JSON whatever a body holds."""

from __future__ import annotations

import base64
import json
import zlib
from decimal import Decimal

import pytest
from relay.model.delivery import Delivery
from relay.model.journal import LARGEST_LINE, dump, event_line

from tests.support.port_fakes import NOW, SHOP


def test_half_a_surrogate_pair_costs_its_own_escape() -> None:
    """It stays as it was told, and the rest of the line is not blown up to three times its size for it."""
    columns = {"body": {"name": "\ud800", "note": "Ж" * 1000}}
    line = dump(columns)
    assert json.loads(line) == columns
    assert len(line) < 2100


@pytest.mark.parametrize("name", ["cancelToken", "cancel_token", "CANCELTOKEN", "token"])
def test_a_secret_in_either_spelling(name: str) -> None:
    """One topic writes its keys in snake_case: the token goes in that spelling too, read or raw."""
    body = {"payload": {name: "s3cret"}}
    kept = Delivery(event_id="a" * 32, body=json.dumps(body).encode(), received_at=NOW)
    assert "s3cret" not in str(event_line(kept, shop=SHOP, outcome="applied", body=body))
    raw = event_line(kept, shop=SHOP, outcome="unclaimed")["raw"]
    assert b"s3cret" not in base64.b64decode(raw)


def test_a_body_that_outgrows_its_line_is_packed() -> None:
    """Written anew a body can be larger than it came; packed it fits, and nothing of it is missing."""
    body = {"payload": {"numbers": [Decimal("1e15")] * 200_000}}
    kept = Delivery(event_id="a" * 32, body=b"{}", received_at=NOW)
    written = dump(event_line(kept, shop=SHOP, outcome="applied", body=body))
    assert len(written) < LARGEST_LINE
    columns = json.loads(written)
    assert (columns["id"], columns["outcome"]) == ("a" * 32, "applied")
    assert json.loads(zlib.decompress(base64.b64decode(columns["packed"]))) == {
        "payload": {"numbers": [1e15] * 200_000}
    }


def test_what_is_no_json_is_packed_as_it_came() -> None:
    """Its bytes, without the detour over base64."""
    kept = Delivery(event_id="a" * 32, body=b"x" * 900_000, received_at=NOW)
    columns = json.loads(dump(event_line(kept, shop=SHOP, outcome="unclaimed")))
    assert zlib.decompress(base64.b64decode(columns["packed"])) == kept.body
