"""A name, or any text of the platform, leads nowhere in an e-mail or in Slack, and is cut between whole characters."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from relay.alerts.render import email_message, pagerduty_event, slack_message
from relay.alerts.render.content import masked_email, masked_name
from relay.alerts.render.plain_text import address, cut, unlinked
from relay.alerts.render.slack import escaped

from tests.support.incident_builders import member, notification

LINKS = [
    "Urgent: sign in at https://evil.example/login",
    "HTTP://EVIL.EXAMPLE",
    "hxxp://evil.example",
    "evil.example",
    "evil.example/login?a=b",
    "www.evil.example",
    "login.evil.co.uk",
    "mailto:boss@evil.example",
    "boss@evil.example",
    "javascript:alert(1)",
    "slack://open?team=1",
    "ftp://10.0.0.1/x",
    "\u202egro.live//:sptth evil.example",
    "evil\u3002example",
    "evil\uff0eexample",
    "evil.\u200dexample",
    "ev\u00adil.example",
    "https:\u200b//evil.example",
    "evil.xn--p1ai",
    "\u0435vil.\u0440\u0444",
    "<https://evil.example|Open in Shopify>",
    "<!channel> <@U123>",
    "see evil.example, evil.example.",
    "evile\u0301.example",
    "\u0939\u093f\u0928\u094d\u0926\u0940.example",
    "evil.\u092d\u093e\u0930\u0924",
    "1https://evil.example/login",
    "a1http://10.0.0.1/evil",
    "evil\u2024example",
    "<\u0301https://evil.example>",
]

LIKE_A_LINK = re.compile(
    r"[a-z][a-z+.\-]+:[^\s]|://|www\.\S|\S[.\u2024\u3002\uff0e\uff61][^\W\d_](?:[^\W\d_]|[\u0300-\u036f\u093e])|@[\w\-]+\.\S",
    re.IGNORECASE,
)
OURS = re.compile(r"https://admin\.shopify\.com/store/[a-z\-]+/customers/\d+")


def texts_in(value: object) -> Iterator[str]:
    """Yield every text in a payload, but for keys that name the incident: they are ours."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, inner in value.items():
            if name not in {"dedup_key", "class", "source"} and inner != "context":
                yield name
                yield from texts_in([] if value.get("type") == "context" else inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts_in(inner)


@pytest.mark.parametrize("text", LINKS)
def test_no_program_finds_a_link(text: str) -> None:
    """Neither a scheme nor a domain is left in one piece, and no character that turns the rest around."""
    shown = unlinked(text)
    assert not LIKE_A_LINK.search(shown), shown
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200b\u00ad]", shown)


@pytest.mark.parametrize("text", LINKS)
@pytest.mark.parametrize("mask", [True, False])
def test_a_message_has_our_link_alone(text: str, mask: bool) -> None:  # noqa: FBT001 - parametrised
    """As a first name, a last name, a tier, a detail: in every channel the link to Shopify is the only one."""
    mia = member(first_name=text, last_name=text, tier_name=text, email="")
    message = notification(record=mia, mask=mask, details=(("Reason", text), (text, "1")))
    mail = email_message(message)
    shown = [mail.subject, *(line for line in mail.body.splitlines() if not line.startswith("Incident: "))]
    slack = list(texts_in(slack_message(message)))
    assert not any("<!" in one or "<@" in one or "<\u0301" in one for one in slack)
    shown += slack
    shown += texts_in(pagerduty_event(message, "acme"))
    for one in shown:
        rest = OURS.sub("", one)
        assert not re.search(r"evil\W?\.\w|:/?/\w", rest, re.IGNORECASE), rest


@pytest.mark.parametrize(
    "text",
    [
        "Mia",
        "J.R.R. Tolkien",
        "12.50 USD",
        "2026-04-01T10:00:00Z",
        "10:30",
        "Anna-Lena O'Neil",
        "Zoë",
        "10:30:45",
        "a: b: c",
        "Grade 1:2",
    ],
)
def test_what_is_no_link_stays(text: str) -> None:
    """Amounts, times and initials are as they were."""
    assert unlinked(text) == text


@pytest.mark.parametrize(
    "code", ["white_check_mark", "tada", "+1", "100", "flag-de", "man-woman-girl", "e-mail"]
)
def test_no_picture_is_made_of_a_name(code: str) -> None:
    """A tick that Slack puts in says that a lost fee is paid."""
    text = f"Mia :{code}: Recovered:{code}:"
    assert f":{code}:" not in unlinked(text)
    mia = member(first_name=text, last_name=text, tier_name=text, email="")
    message = notification(record=mia, details=(("Reason", text),))
    assert not any(f":{code}:" in one for one in texts_in(slack_message(message)))


def test_an_address_stays_an_address() -> None:
    """Where a shop shows addresses, they can be used; what is none is text."""
    assert address("mia@example.com") == "mia@example.com"
    assert address("https://evil.example/a@b.cd") == "https: //evil. example/a@b. cd"


@pytest.mark.parametrize(
    "character",
    ["x", "ü", "e\u0301", "👨‍👩‍👧‍👦", "🇩🇪", "👍🏽", "각", "\u1100\u1161\u11a8", "क्\u200d", "❤\ufe0f"],
)
def test_a_name_is_cut_between_whole_characters(character: str) -> None:
    """Forty at most, and each of them whole."""
    shown = cut(character * 200, 40)
    assert len(shown) <= 40
    assert shown.endswith("…")
    assert shown[:-1].replace(character, "") == ""
    assert len(shown) > 40 - len(character) - 1


@pytest.mark.parametrize("character", ["E\u0301", "👨‍👩‍👧‍👦", "🇩🇪", "क्ष", "\u1100\u1161\u11a8"])
def test_an_initial_is_a_whole_character(character: str) -> None:
    """Of a last name and of an address, whatever a person sees as its first character."""
    assert masked_name("Mia", f"{character}lan") == f"Mia {character}."
    assert masked_email(f"{character}lan@example.com") == f"{character}•••@example.com"


@pytest.mark.parametrize("character", ["e\u0301", "👨‍👩‍👧‍👦", "🇩🇪", "<\u0301", "&"])
def test_slack_and_a_subject_cut_between_whole_characters(character: str) -> None:
    """Where Slack's escapes or a subject's bytes make a text too long."""
    escape = escaped(character, 100)
    shown = escaped(character * 120, 100)
    assert shown.endswith("…")
    assert shown.removesuffix("…").replace(escape, "") == ""
    assert 40 < len(shown) <= 100
    mail = email_message(notification(title=character * 120))
    cut_title = mail.subject.partition("Warning: ")[2].partition("…")[0]
    assert cut_title
    assert cut_title.replace(character, "") == ""
    assert len(mail.subject.encode()) < 100


@pytest.mark.parametrize("unseen", ["\u3164", "\u2800", "\u115f\u1160", "\uffa0 \u3164"])
def test_a_name_without_a_picture_is_none(unseen: str) -> None:
    """A message then names the member by the address."""
    mia = member(first_name=unseen, last_name=unseen, email="mia@example.com")
    assert "Member: m•••@example.com\n" in email_message(notification(record=mia)).body


def test_one_endless_character_is_cut_all_the_same() -> None:
    """A letter with hundreds of accents is longer than a name may be."""
    assert len(cut("e" + "\u0301" * 300, 40)) == 40


@pytest.mark.parametrize("mask", [True, False])
def test_a_long_name_is_cut_in_a_message(mask: bool) -> None:  # noqa: FBT001 - parametrised
    """A name of 200 characters hides nothing else."""
    mia = member(first_name="M" * 200, last_name="N" * 200, email="")
    (line,) = [
        line
        for line in email_message(notification(record=mia, mask=mask)).body.splitlines()
        if line.startswith("Member: ")
    ]
    assert len(line.removeprefix("Member: ")) == 40
