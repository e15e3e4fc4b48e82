"""A Klaviyo for unit tests: it notes what it is asked, and answers as it is told."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import httpx
from relay.adapters.klaviyo import Klaviyo, Options
from relay.adapters.klaviyo.mapping import KEY
from relay.model.effects import Note
from relay.model.messages import EventEffects, MemberChanged
from relay.ports.crm import ContactRef

from tests.contract.crm.profiles import AT, key_of
from tests.contract.crm.tokens import FixedToken

MEMBER = key_of(7001)
EMAIL = "member-7001@example.com"


class Answering:
    """A Klaviyo that notes what it is asked, and answers as it is told; else as if it knew nobody and took all."""

    def __init__(
        self, *answers: tuple[str, int, Any], known: Sequence[dict[str, Any]] = (), headers: Any = None
    ) -> None:
        self.asked: list[httpx.Request] = []
        self.answers = list(answers)
        self.known = list(known)
        self.headers = headers or {}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer."""
        self.asked.append(request)
        for number, (path, status, body) in enumerate(self.answers):
            if path == request.url.path:
                del self.answers[number]
                return httpx.Response(status, json=body, headers=self.headers)
        if request.method == "GET":
            return httpx.Response(200, json={"data": self.known, "links": {}})
        if request.url.path == "/api/events":
            return httpx.Response(202)
        return httpx.Response(201, json={"data": {**json.loads(request.content)["data"], "id": "01P"}})

    def crm(self, options: Options | None = None, key: FixedToken | None = None) -> Klaviyo:
        """Return an adapter at this Klaviyo."""
        return Klaviyo(
            "https://k.example", key or FixedToken("pk_made_up"), options, httpx.MockTransport(self)
        )

    def sent(self, path: str = "/api/profile-import") -> list[dict[str, Any]]:
        """Return the resources that were sent to a path."""
        return [json.loads(request.content)["data"] for request in self.asked if request.url.path == path]


def known(key: str | None, email: str = EMAIL, id_: str = "01P", **attributes: object) -> dict[str, Any]:
    """Return a profile as Klaviyo shows it."""
    properties = {KEY: key} if key else {}
    return {
        "type": "profile",
        "id": id_,
        "attributes": {"email": email, "properties": properties, **attributes},
    }


def change(*notes: Note, quiet: bool = False) -> MemberChanged:
    """Return a change with these notes, or with one."""
    effects = notes or (Note(rule="joined", name="Membership Joined"),)
    return MemberChanged(
        member=MEMBER,
        events=(EventEffects(event_id="e1", topic="t", at=AT, effects=effects),),
        backfill=quiet,
    )


def homes() -> dict[str, ContactRef]:
    """Return where the member is."""
    return {MEMBER: ContactRef(key=MEMBER, id="01P", email=EMAIL)}
