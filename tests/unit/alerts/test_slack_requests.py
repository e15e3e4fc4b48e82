"""A click in Slack is believed by its signature, and read without trust in anything else."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from relay.alerts.slack_requests import (
    ACKNOWLEDGE,
    MUTE,
    OPEN,
    RefusedClickError,
    button_value,
    form_of,
    freshness_refusal,
    is_signed,
    is_ssl_check,
    read_clicks,
    secrets_in,
)
from relay.errors import PermanentError
from relay.model.incident_action import IncidentAction
from relay.model.messages import load
from slack_sdk.signature import SignatureVerifier

AT = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
SECRET, BODY, STAMP = "made-up", b"payload=%7B%7D", str(int(AT.timestamp()))
SIGNATURE = str(SignatureVerifier(SECRET).generate_signature(timestamp=STAMP, body=BODY))
KEY = "dun:acme.myshopify.com:7001"
URL = "https://hooks.slack.com/actions/T0/1/x"


def clicked(action_id: str = ACKNOWLEDGE, value: str | None = None, **action: Any) -> dict[str, Any]:
    given = button_value("relay-acme", KEY, "e1") if value is None else value
    return {"type": "button", "action_id": action_id, "value": given, "action_ts": "1.5", **action}


def payload(*actions: object, **fields: Any) -> dict[str, Any]:
    return {
        "type": "block_actions",
        "team": {"id": "T0"},
        "user": {"id": "U1", "username": "kim", "name": "kim.l", "team_id": "T0"},
        "response_url": URL,
        "actions": list(actions) or [clicked()],
        **fields,
    }


def actions(given: object, team: str = "") -> tuple[IncidentAction, ...]:
    return read_clicks({"payload": json.dumps(given)}, stack="relay-acme", team=team, at=AT).actions


def refusal(form: dict[str, str], team: str = "") -> str:
    with pytest.raises(RefusedClickError) as refused:
        read_clicks(form, stack="relay-acme", team=team, at=AT)
    return refused.value.reason


def test_what_slacks_own_library_signs_is_believed() -> None:
    """Every part of it counts: secret, time and each byte of the body."""
    assert is_signed([SECRET], STAMP, SIGNATURE, BODY)
    assert not is_signed(["other"], STAMP, SIGNATURE, BODY)
    assert not is_signed([SECRET], str(int(STAMP) + 1), SIGNATURE, BODY)
    assert not is_signed([SECRET], STAMP, SIGNATURE, BODY + b" ")


@pytest.mark.parametrize(
    "forged",
    ["", "v0=", SIGNATURE[3:], SIGNATURE.upper(), SIGNATURE[:-1], "v1=" + SIGNATURE[3:], "v0=ü\ud800"],
)
def test_another_signature_is_not(forged: str) -> None:
    """Nor does one end in an exception, whatever its characters."""
    assert not is_signed([SECRET], STAMP, forged, BODY)


def test_two_secrets_count_while_one_replaces_the_other() -> None:
    """Either signs; blanks, line breaks and commas part them; no secret signs nothing."""
    assert secrets_in(" new\n,made-up ") == ("new", "made-up")
    assert is_signed(secrets_in("new made-up"), STAMP, SIGNATURE, BODY)
    assert secrets_in(" , ") == ()
    assert not is_signed((), STAMP, SIGNATURE, BODY)


@pytest.mark.parametrize(
    ("stamp", "signature", "refused"),
    [
        (STAMP, "v0=x", None),
        (str(int(STAMP) - 300), "v0=x", None),
        (str(int(STAMP) - 301), "v0=x", "too_late"),
        (str(int(STAMP) + 301), "v0=x", "too_late"),
        ("", "v0=x", "no_signature"),
        (STAMP, "", "no_signature"),
        ("now", "v0=x", "too_late"),
        ("-1", "v0=x", "too_late"),
        ("١٧٦٧٦٠٣٦٠٠", "v0=x", "too_late"),
        ("1" * 5_000, "v0=x", "too_late"),
        (f"{STAMP}.5", "v0=x", "too_late"),
    ],
)
def test_five_minutes_are_believed(stamp: str, signature: str, refused: str | None) -> None:
    """A recorded request is refused, and so is one whose time is no number, before a secret is read."""
    assert freshness_refusal(stamp, signature, AT) == refused


def test_a_click_is_an_action_on_the_incident() -> None:
    """The person's name, the incident and the opening that the button names, and where an answer goes."""
    [action] = actions(payload())
    assert (action.verb, action.incident_key, action.by, action.at) == ("acknowledge", KEY, "kim", AT)
    assert (action.thread_id, action.response_url, action.until) == ("e1", URL, None)
    [mute] = actions(payload(clicked(MUTE)))
    assert (mute.verb, mute.until) == ("mute", AT + timedelta(days=7))


def test_the_same_click_has_the_same_id() -> None:
    """Another person, button or moment is another click."""
    [id_] = {action.id for _ in range(2) for action in actions(payload())}
    others = [
        payload(user={"id": "U2", "username": "kim"}),
        payload(clicked(action_ts="2.5")),
        payload(clicked(MUTE)),
    ]
    assert len({id_, *(action.id for other in others for action in actions(other))}) == 4


def test_the_message_is_read_as_it_was_written() -> None:
    """ASCII JSON, with its times and without what is empty; a time without an offset is refused."""
    [mute] = actions(payload(clicked(MUTE), user={"id": "U1", "username": "Zoë 💳"}))
    assert mute.as_json().isascii()
    assert load(IncidentAction, mute.as_json()) == mute
    for wrong in ('"2026-01-05T09:00:00"', '"soon"', "null"):
        body = mute.as_json().replace(json.dumps(AT.isoformat()), wrong, 1)
        with pytest.raises(PermanentError):
            load(IncidentAction, body)


@pytest.mark.parametrize(
    ("user", "name"),
    [
        ({"id": "U1", "username": "kim", "name": "k"}, "kim"),
        ({"id": "U1", "name": "kim"}, "kim"),
        ({"id": "U1", "username": " "}, "U1"),
        ({"id": "U1", "username": 5}, "U1"),
        ({}, "Someone"),
        (None, "Someone"),
        ({"username": "a\nb\ud800c"}, "a b c"),
        ({"username": "x" * 200}, "x" * 80),
    ],
)
def test_a_person_has_a_name_on_one_line(user: object, name: str) -> None:
    """SQS takes it, and so does the thread."""
    [action] = actions(payload(user=user))
    assert action.by == name
    action.as_json().encode("ascii")


def test_another_stacks_button_is_passed_over() -> None:
    """It is named, for the words to the person."""
    value = button_value("relay-other", KEY, "e1")
    clicks = read_clicks(
        {"payload": json.dumps(payload(clicked(value=value)))}, stack="relay-acme", team="", at=AT
    )
    assert (clicks.actions, clicks.other_stacks, clicks.response_url) == ((), ("relay-other",), URL)


@pytest.mark.parametrize(
    "action",
    [
        clicked(OPEN),
        clicked("other-app"),
        clicked(value=""),
        clicked(value="[]"),
        clicked(value="{"),
        clicked(value='{"stack": "relay-acme"}'),
        clicked(value='{"stack": "relay-acme", "incident": "", "thread": ""}'),
        clicked(value='{"stack": "relay-acme", "incident": "\\u0000", "thread": ""}'),
        clicked(value='{"stack": "relay-acme", "incident": "\\ud800", "thread": ""}'),
        clicked(value='{"stack": "relay-acme", "incident": 5, "thread": ""}'),
        "text",
        None,
    ],
)
def test_what_is_no_button_of_ours_asks_for_nothing(action: object) -> None:
    """A link that opened, another button of the same app, a value that no version of Relay wrote."""
    assert actions(payload(action)) == ()


def test_other_interactions_ask_for_nothing() -> None:
    """The merchant's app may have shortcuts and dialogs of its own."""
    for kind in ("view_submission", "shortcut", None, 5):
        assert actions(payload(type=kind)) == ()
    assert actions(payload(actions="x")) == ()


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"', "[" * 100_000])
def test_what_is_no_payload_is_refused(text: str) -> None:
    """Signed or not."""
    assert refusal({"payload": text}) == "unreadable"
    assert refusal({}) == "unreadable"


@pytest.mark.parametrize(
    ("team", "given", "is_taken"),
    [
        ("", {"team": None, "enterprise": None}, True),
        ("T0", {}, True),
        ("T1", {}, False),
        ("E0", {"enterprise": {"id": "E0"}}, True),
        ("E0", {"team": None, "enterprise": {"id": "E0"}}, True),
        ("T0", {"team": None, "enterprise": {"id": "E0"}}, True),
        ("T1", {"team": None, "enterprise": {"id": "E0"}}, False),
        # A guest from elsewhere in a shared channel of ours; and one of ours in a channel elsewhere.
        ("T0", {"user": {"id": "U9", "team_id": "T9"}}, True),
        ("T0", {"team": {"id": "T9"}}, False),
        ("T0", {"team": "T0", "user": None}, False),
    ],
)
def test_the_team_that_is_set_may_click_alone(team: str, given: dict[str, Any], *, is_taken: bool) -> None:
    """An app that a whole organisation has installed names the organisation, and no workspace."""
    form = {"payload": json.dumps(payload(**given))}
    if is_taken:
        assert len(read_clicks(form, stack="relay-acme", team=team, at=AT).actions) == 1
    else:
        assert refusal(form, team) == "other_team"


def test_a_form_is_read_and_nothing_else_is_one() -> None:
    """Bytes that are no text, and a thousand fields, are no form."""
    assert form_of(b"payload=%7B%22a%22%3A+1%7D&x=") == {"payload": '{"a": 1}', "x": ""}
    assert form_of(b"\xff\xfe") == form_of(b"&".join(b"a=%d" % n for n in range(1_000))) == {}
    assert is_ssl_check({"ssl_check": "1", "token": "t"})
    assert not is_ssl_check({"ssl_check": "1", "payload": "{}"})
    assert not is_ssl_check({"ssl_check": "0"})


def test_a_value_that_slack_refuses_makes_no_button() -> None:
    """2,000 characters; the longest key of an alarm's incident may have more with its quotes."""
    assert button_value("s", "k" * 1_000, "e1")
    assert button_value("s", '"' * 1_000, "e1") is None
