"""How a webhook is signed, and how a receiver checks it."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from relay.adapters.webhook.client import keys_of, signed

from tests.contract.crm.profiles import wanted
from tests.contract.crm.webhook_setup import SECRET
from tests.support.port_fakes import ROOT
from tests.unit.crm.scripted_webhook import KEY, OTHER_SECRET, requests_with, scripted_webhook


def test_the_standards_own_example() -> None:
    """The signature of the example that Standard Webhooks' libraries are tested with."""
    keys = keys_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    headers = signed("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body, keys)
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("text", ["", " ", "a-token", "whsec_", "whsec_!!!", "whsec_c2hvcnQ=", SECRET[6:]])
def test_invalid_secrets(text: str) -> None:
    """A secret of another form is a setting to correct, and is not quoted."""
    sent: list[httpx.Request] = []
    outcome = scripted_webhook(lambda request: httpx.Response(204), sent, secret=text).upsert([wanted()])[KEY]
    assert (outcome.state, outcome.reason) == ("unauthorised", "secret_is_not_whsec")
    assert not sent


@pytest.mark.parametrize("known", [SECRET, OTHER_SECRET])
def test_the_documented_check(known: str) -> None:
    """The documented check accepts our messages with either secret of a rotation, and with no other."""
    [request] = requests_with(secret=f"{SECRET} {OTHER_SECRET}")
    verified = _documented()
    assert verified(request.headers, request.content, known)
    assert not verified(request.headers, request.content + b" ", known)
    assert not verified(request.headers, request.content, "whsec_" + base64.b64encode(b"x" * 32).decode())
    assert not verified({**request.headers, "webhook-id": "another"}, request.content, known)
    old = {**request.headers, "webhook-timestamp": str(int(time.time()) - 400)}
    assert not verified(old, request.content, known)


def test_a_repetition_has_a_new_signature_and_the_same_id() -> None:
    """The timestamp is that of sending, since a receiver rejects an old one; the id identifies the message."""
    now = [1_764_000_000.0]
    sent: list[httpx.Request] = []
    crm = scripted_webhook(lambda request: httpx.Response(503), sent, clock=lambda: now[0])
    crm.upsert([wanted()])
    now[0] += 3600
    crm.upsert([wanted()])
    first, second = sent
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert second.headers["webhook-timestamp"] == "1764003600"
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]


def _documented() -> Callable[[Any, bytes, str], bool]:
    """Return the check that docs/webhook.md gives to receivers."""
    text = (ROOT / "docs" / "webhook.md").read_text()
    found = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert found
    names: dict[str, Any] = {}
    exec(found[1], names)  # noqa: S102 - the sample is ours, and must run unchanged
    check: Callable[[Any, bytes, str], bool] = names["verified"]
    return check
