"""Faults of one request: what the platform, a gateway or the network does instead of the documented reply."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from tests.support.sdk_fault_server.platform import MEMBER, STRANGER, Platform
from tests.support.sdk_fault_server.server import Reply, Request, compressed, reply

PAGE: Final = b"<html><body>Sign in to the wireless network</body></html>"


@dataclass(frozen=True)
class Fault:
    """A fault. `applies` is True where the platform did the work before; `early` where the body never arrived."""

    name: str
    answer: Reply
    applies: bool = False
    early: bool = False
    definite: bool = False
    """The documentation says that nothing was done."""

    def __call__(self, platform: Platform, request: Request) -> Reply:
        """Apply the request or not, and return the faulty reply."""
        if self.applies:
            platform.answer(request)
        return self.answer


def _text(status: int, body: bytes, **headers: str) -> Reply:
    return Reply(status, body, {name.replace("_", "-"): value for name, value in headers.items()})


_STRANGER: Final = {
    "customerId": STRANGER,
    "email": "stranger@example.com",
    "credit": 1000,
    "status": "ACTIVE",
}

_REPLIES: Final[dict[str, Reply]] = {
    "reset": Reply(wire="reset"),
    "close": Reply(wire="close"),
    "cut": Reply(200, b'{"message": "ok", "data": {}}', wire="cut"),
    "hang": Reply(wire="hang"),
    "drip_head": Reply(200, b'{"message": "ok", "data": {}}', wire="drip_head"),
    "drip_body": Reply(200, b'{"message": "ok", "data": {}}' + b" " * 500, wire="drip_body"),
    "bomb": compressed(b'{"message": "ok", "data": {"x": "' + b"x" * 4_000_000 + b'"}}'),
    "gzip_cut": Reply(
        200, compressed(b'{"message": "ok", "data": {}}').body[:-4], {"Content-Encoding": "gzip"}
    ),
    "gzip_not": Reply(200, b"nope", {"Content-Encoding": "gzip"}),
    "brotli": Reply(200, b"\x0b\x02\x80{}\x03", {"Content-Encoding": "br"}),
    "no_http": Reply(200, b"", {"Transfer-Encoding": "chunked", "Content-Length": ""}, wire="close"),
    "500": _text(500, b'{"message": "half done"}'),
    "502_html": _text(502, PAGE, Content_Type="text/html"),
    "503": _text(503, b""),
    "503_seconds": _text(503, b"", Retry_After="1"),
    "503_date": _text(
        503, b"", Retry_After="Wed, 21 Oct 2026 07:28:01 GMT", Date="Wed, 21 Oct 2026 07:28:00 GMT"
    ),
    "503_long": _text(503, b"", Retry_After="86400"),
    "503_nonsense": _text(503, b"", Retry_After="soon"),
    "504": _text(504, b'{"message": "Endpoint request timed out"}'),
    "429": _text(429, b'{"message": "slow"}'),
    "429_seconds": _text(429, b"", Retry_After="1"),
    "429_long": _text(429, b"", Retry_After="86400"),
    "408": _text(408, b""),
    "redirect": _text(302, b"", Location="https://elsewhere.example/"),
    "html": _text(200, PAGE, Content_Type="text/html"),
    "empty": _text(200, b""),
    "204": _text(204, b""),
    "202": Reply(202, b'{"message": "ok", "data": {}}'),
    "lone_message": _text(200, b'{"message": "Internal server error"}'),
    "forbidden": _text(200, b'{"message": "Forbidden"}'),
    "null": _text(200, b'{"message": "ok", "data": null}'),
    "text": _text(200, b"OK"),
    "word": _text(200, b"Forbidden"),
    "truncated": _text(200, b'{"message": "ok", "data": {"customerId": "4'),
    "deep": _text(200, b'{"message": "ok", "data": ' + b"[" * 200_000 + b"]" * 200_000 + b"}"),
    "number": _text(200, b'{"message": "ok", "data": {"credit": 1e99999999999999999999}}'),
    "success_false": _text(200, b'{"success": false, "data": {}, "errors": ["no"]}'),
    "stranger": reply(_STRANGER),
    "stranger_rows": reply(
        {"credits": [{"customerId": STRANGER, "amount": 5, "note": "#grant-" + "0" * 20}]}
    ),
    "stranger_nested": reply(
        {"member": {"id": STRANGER, "email": "stranger@example.com"}, "customerId": STRANGER}
    ),
}

UNCERTAIN: Final = [
    Fault(f"{name}{'_applied' if applies else ''}", answer, applies=applies)
    for name, answer in _REPLIES.items()
    for applies in (False, True)
]
"""Each fault without the work being done, and after it was done."""

EARLY: Final = [
    Fault("reset_before_body", Reply(wire="reset"), early=True),
    Fault("close_before_body", Reply(wire="close"), early=True),
]
"""The connection ends before the body has arrived."""

REFUSALS: Final = [
    Fault(str(status), _text(status, json.dumps({"message": f"no {MEMBER}"}).encode()), definite=True)
    for status in (400, 401, 403, 404, 422)
]
"""Nothing was done: so the documentation says of a 4xx."""

FAULTS: Final = [*UNCERTAIN, *EARLY, *REFUSALS]
