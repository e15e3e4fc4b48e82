"""Reads what Slack posts when a person clicks a button: whether Slack signed it, and which incident it acts on.

Slack signs `v0:{timestamp}:{body}` with HMAC-SHA256 (https://docs.slack.dev/authentication/
verifying-requests-from-slack) and posts a form with one field `payload`, which is JSON (https://docs.slack.dev/
reference/interaction-payloads/block_actions-payload). Pure, and standard library only: `slack_actions` imports it at
every cold start.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal, cast
from urllib.parse import parse_qsl

from relay.model.incident_action import MAX_NAME_LENGTH, MUTE_PERIOD, IncidentAction, Verb

MAX_AGE: Final = timedelta(minutes=5)
"""Slack's own advice: a request that is older, or as much ahead, may be a recorded one."""

ACKNOWLEDGE: Final = "relay:acknowledge"
MUTE: Final = "relay:mute"
OPEN: Final = "relay:open"
"""The `action_id` of each button. One that opens a page is reported by Slack too, and asks for nothing."""

_VERBS: Final[Mapping[str, Verb]] = {ACKNOWLEDGE: "acknowledge", MUTE: "mute"}
_MAX_VALUE: Final = 2_000
"""Characters of a button's value that Slack takes."""

_MAX_FIELDS: Final = 100
_TIMESTAMP: Final = re.compile(r"[0-9]{1,12}")
_UNUSABLE: Final = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")

Refusal = Literal["no_signature", "too_late", "bad_signature", "unreadable", "other_team"]
"""Why a request is refused."""


# -- the signature


def freshness_refusal(timestamp: str, signature: str, now: datetime) -> Refusal | None:
    """Return why a request is refused before its signature is computed; None where it may be Slack's."""
    if not signature or not timestamp:
        return "no_signature"
    if not _TIMESTAMP.fullmatch(timestamp):
        return "too_late"
    return "too_late" if abs(int(timestamp) - now.timestamp()) > MAX_AGE.total_seconds() else None


def is_signed(secrets: Iterable[str], timestamp: str, signature: str, body: bytes) -> bool:
    """Return whether one of these secrets signed the body as it was sent; takes as long for a wrong signature."""
    base = b"v0:" + timestamp.encode("ascii", "replace") + b":" + body
    given = signature.encode("utf-8", "replace")
    matches = [
        hmac.compare_digest(
            b"v0=" + hmac.new(secret.encode(), base, hashlib.sha256).hexdigest().encode(), given
        )
        for secret in secrets
    ]
    return any(matches)


def secrets_in(text: str) -> tuple[str, ...]:
    """Return the signing secrets in a SecureString, by blanks or commas: while one replaces another there are two."""
    return tuple(part for part in re.split(r"[\s,]+", text) if part)


# -- buttons


def button_value(stack: str, incident_key: str, thread_id: str) -> str | None:
    """Return what a button's click brings back: its stack, incident and opening. None where Slack would refuse it."""
    value = json.dumps(
        {"stack": stack, "incident": incident_key, "thread": thread_id},
        ensure_ascii=False,
        separators=(",", ":"),
    )
    return value if len(value.encode()) <= _MAX_VALUE else None


# -- the request


@dataclass(frozen=True, slots=True, kw_only=True)
class Clicks:
    """What one request asks for: actions on incidents of this stack, and the names of other stacks that were meant."""

    actions: tuple[IncidentAction, ...] = ()
    other_stacks: tuple[str, ...] = ()
    response_url: str = ""


class RefusedClickError(Exception):
    """A request that Slack signed and this stack does not take; `reason` is the code."""

    def __init__(self, reason: Refusal) -> None:
        super().__init__(reason)
        self.reason = reason


def form_of(body: bytes) -> dict[str, str]:
    """Return the fields of a form; none where it is no form."""
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MAX_FIELDS))
    except ValueError:
        return {}


def is_ssl_check(form: Mapping[str, str]) -> bool:
    """Return whether Slack only checks the certificate: it asks for nothing, and its signature is documented nowhere."""
    return form.get("ssl_check") == "1" and "payload" not in form


def read_clicks(form: Mapping[str, str], *, stack: str, team: str, at: datetime) -> Clicks:
    """Return what a signed request asks for. `team` is the one workspace or organisation that may; empty for any.

    Raises:
        RefusedClickError: it is no payload of Slack's, or comes from elsewhere.

    """
    payload = _payload(form)
    if team and team not in _teams(payload):
        raise RefusedClickError("other_team")
    response_url = _text(payload, "response_url")
    if payload.get("type") != "block_actions":
        return Clicks(response_url=response_url)
    user = _object(payload, "user")
    by = _name(user)
    actions: list[IncidentAction] = []
    other_stacks: list[str] = []
    for verb, value, click in _clicked(payload):
        if value["stack"] != stack:
            other_stacks.append(value["stack"])
            continue
        identity = (_text(user, "id"), *click)
        actions.append(
            IncidentAction(
                id=hashlib.sha256("\n".join(identity).encode("utf-8", "replace")).hexdigest()[:32],
                at=at,
                incident_key=value["incident"],
                verb=verb,
                by=by,
                until=at + MUTE_PERIOD if verb == "mute" else None,
                thread_id=value["thread"],
                response_url=response_url,
            )
        )
    return Clicks(actions=tuple(actions), other_stacks=tuple(other_stacks), response_url=response_url)


def _payload(form: Mapping[str, str]) -> Mapping[str, Any]:
    try:
        payload = json.loads(form.get("payload", ""))
    except (ValueError, RecursionError):
        payload = None
    if not isinstance(payload, dict):
        raise RefusedClickError("unreadable")
    return payload


def _teams(payload: Mapping[str, Any]) -> set[str]:
    """Return the workspaces and organisations that a click comes from; one of an organisation's app has no workspace."""
    found = {_text(_object(payload, name), "id") for name in ("team", "enterprise")}
    if not _text(_object(payload, "team"), "id"):
        found.add(_text(_object(payload, "user"), "team_id"))
    return found - {""}


def _clicked(payload: Mapping[str, Any]) -> Iterator[tuple[Verb, dict[str, str], tuple[str, ...]]]:
    """Yield each click on a button of ours: its verb, its value, and what makes it the same click when it comes again."""
    actions = payload.get("actions")
    for action in actions if isinstance(actions, list) else []:
        if not isinstance(action, dict) or _text(action, "action_id") not in _VERBS:
            continue
        action_id, text = _text(action, "action_id"), _text(action, "value")
        if value := _value(text):
            yield _VERBS[action_id], value, (action_id, text, _text(action, "action_ts"))


def _value(text: str) -> dict[str, str] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    names = ("stack", "incident", "thread")
    if not isinstance(value, dict) or not all(isinstance(value.get(name), str) for name in names):
        return None
    if not value["incident"] or any(_UNUSABLE.search(value[name]) for name in names):
        return None
    return {name: value[name] for name in names}


def _name(user: Mapping[str, Any]) -> str:
    """Return a person's name as Slack gives it, on one line; the id where there is no name."""
    names = (_text(user, name) for name in ("username", "name", "id"))
    name = next((name for name in names if name.strip()), "Someone")
    return _UNUSABLE.sub(" ", name).strip()[:MAX_NAME_LENGTH]


def _object(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = value.get(name)
    return cast("Mapping[str, Any]", found) if isinstance(found, dict) else {}


def _text(value: Mapping[str, Any], name: str) -> str:
    found = value.get(name)
    return found if isinstance(found, str) else ""
