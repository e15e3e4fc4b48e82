"""A scripted Klaviyo for unit tests, which records its requests."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import httpx
from relay.adapters.klaviyo import Klaviyo, KlaviyoOptions
from relay.adapters.klaviyo.mapping import KEY
from relay.model.effects import Note
from relay.model.messages import EventEffects, MemberChanged
from relay.ports.crm import ContactRef

from tests.contract.crm.profiles import AT, key_of
from tests.contract.crm.tokens import FixedToken

MEMBER = key_of(7001)
EMAIL = "member-7001@example.com"


class ScriptedKlaviyo:
    """A Klaviyo that gives each of `answers` once, for its path; otherwise it has the profiles `known` and accepts all."""

    def __init__(
        self, *answers: tuple[str, int, Any], known: Sequence[dict[str, Any]] = (), headers: Any = None
    ) -> None:
        self.asked: list[httpx.Request] = []
        self.answers = list(answers)
        self.known = list(known)
        self.headers = headers or {}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer a request."""
        self.asked.append(request)
        for number, (path, status, body) in enumerate(self.answers):
            if path == request.url.path:
                del self.answers[number]
                if isinstance(body, bytes):
                    return httpx.Response(status, content=body, headers=self.headers)
                return httpx.Response(status, json=body, headers=self.headers)
        if request.method == "GET":
            return httpx.Response(200, json={"data": self.known, "links": {}})
        if request.url.path == "/api/events":
            return httpx.Response(202)
        return httpx.Response(201, json={"data": {**json.loads(request.content)["data"], "id": "01P"}})

    def crm(self, options: KlaviyoOptions | None = None, key: FixedToken | None = None) -> Klaviyo:
        """Return an adapter for this Klaviyo."""
        return Klaviyo(
            "https://k.example", key or FixedToken("pk_made_up"), options, httpx.MockTransport(self)
        )

    def sent(self, path: str = "/api/profile-import") -> list[dict[str, Any]]:
        """Return the resources that were sent to a path."""
        return [json.loads(request.content)["data"] for request in self.asked if request.url.path == path]


def known(key: str | None, email: str = EMAIL, id_: str = "01P", **attributes: object) -> dict[str, Any]:
    """Return a profile as Klaviyo represents it."""
    properties = {KEY: key} if key else {}
    return {
        "type": "profile",
        "id": id_,
        "attributes": {"email": email, "properties": properties, **attributes},
    }


def change(*notes: Note, backfill: bool = False) -> MemberChanged:
    """Return a change with these notes, or with one."""
    effects = notes or (Note(rule="joined", name="Membership Joined"),)
    return MemberChanged(
        member=MEMBER,
        events=(EventEffects(event_id="e1", topic="t", at=AT, effects=effects),),
        backfill=backfill,
    )


def contacts() -> dict[str, ContactRef]:
    """Return the member's contact."""
    return {MEMBER: ContactRef(key=MEMBER, id="01P", email=EMAIL)}
