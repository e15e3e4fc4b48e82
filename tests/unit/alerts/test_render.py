"""Messages are complete, within the limits of the channels, and harmless whatever a member's name is."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from fakes.block_kit import validation_error
from hypothesis import given, settings
from hypothesis import strategies as st
from relay.alerts.render import email_message, slack_first_message, slack_message
from relay.model.effects import Level
from relay.model.member import Member
from relay.rules.catalog import CATALOG
from slack_sdk.models.blocks import Block

from tests.support.golden_alerts import FOLDER, golden_notifications, longest_rollup, rendered
from tests.support.incident_builders import CUSTOMER_LINK, blocks_text, member, notification
from tests.support.port_fakes import ROOT


def assert_slack_accepts(payload: dict[str, Any]) -> None:
    """Ask both validators: Slack's own models, and the stand-in that the local run uses."""
    for block in payload["blocks"]:
        parsed = Block.parse(block)
        assert parsed is not None
        parsed.validate_json()
    assert validation_error(payload) is None
    assert len(json.dumps(payload, ensure_ascii=False)) < 13_000


def test_slack_opening() -> None:
    """It has title, level, member (masked), tier, details, advice, link, and rule."""
    assert slack_message(notification()) == {
        "text": "⚠️ Warning: Payment failed - Mia K. (m•••@example.com)",
        "blocks": [
            {
                "type": "header",
                "text": {"type": "plain_text", "text": "⚠️ Warning: Payment failed", "emoji": True},
            },
            {
                "type": "section",
                "text": mrkdwn(f"*Mia K. (m•••@example.com)*   <{CUSTOMER_LINK}|Open in Shopify>"),
            },
            {"type": "section", "fields": [mrkdwn("*Tier*\nGold"), mrkdwn("*Amount*\n49.00 USD")]},
            {"type": "section", "text": mrkdwn("Ask the member for another card.")},
            {
                "type": "context",
                "elements": [
                    mrkdwn("Tue 1 Jul 2025, 09:00 UTC"),
                    mrkdwn("Rule payment_failed"),
                    mrkdwn("dun:acme.myshopify.com:7001"),
                ],
            },
        ],
    }


def mrkdwn(text: str) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def test_email_opening() -> None:
    """The e-mail has the same in plain text; its subject has the customer id, so that threads stay apart."""
    mail = email_message(notification())
    assert mail.subject == "Relay Warning: Payment failed [7001]"
    assert mail.body == (
        "Warning: Payment failed\n\n"
        "Member: Mia K. (m•••@example.com)\nTier: Gold\nAmount: 49.00 USD\n\n"
        f"Ask the member for another card.\nIn Shopify: {CUSTOMER_LINK}\n\n"
        "When: Tue 1 Jul 2025, 09:00 UTC\nRule: payment_failed\nIncident: dun:acme.myshopify.com:7001\n"
    )


def test_a_resolution_reads_as_one() -> None:
    """The tick and the outcome in its title say it; a member's end is no "over"."""
    resolution = notification("resolved", title="Payment recovered", level=Level.ERROR)
    assert slack_message(resolution)["text"].startswith("✅ Payment recovered")
    assert email_message(resolution).subject == "Relay Payment recovered [7001]"


def test_an_escalation_has_the_new_level() -> None:
    """In the heading."""
    escalation = notification("escalated", level=Level.ERROR)
    assert slack_message(escalation)["text"].startswith("🔴 Escalated: Payment failed")
    assert email_message(escalation).body.startswith("Escalated: Payment failed\n")


def test_a_possible_repeat_says_so() -> None:
    """In both forms, and in Slack's notification text."""
    repeat = notification(may_be_repeat=True)
    assert "This may be a repeat" in blocks_text(slack_message(repeat))
    assert slack_message(repeat)["text"].endswith("(may be a repeat)")
    assert "This may be a repeat" in email_message(repeat).body
    assert "repeat" not in blocks_text(slack_message(notification())) + email_message(notification()).body


@pytest.mark.parametrize("record", [None, Member(shop="acme.myshopify.com", customer_id="7001")])
def test_an_unknown_member(record: Member | None) -> None:
    """Without a record, or with an empty one, the customer's id and link still lead to the member."""
    nameless = notification(record=record)
    assert "*Customer 7001*" in blocks_text(slack_message(nameless))
    assert (
        f"Member: customer 7001\nAmount: 49.00 USD\n\nAsk the member for another card.\nIn Shopify: {CUSTOMER_LINK}"
        in (email_message(nameless).body)
    )
    assert_slack_accepts(slack_message(nameless))


def test_an_incident_without_a_member() -> None:
    """An incident of the programme names no member."""
    programme = notification(
        record=None, member="", incident_key="inv:acme:payfail-spike", details=(), advice=""
    )
    assert "Customer" not in blocks_text(slack_message(programme))
    assert "Member" not in email_message(programme).body
    assert email_message(programme).subject == "Relay Warning: Payment failed"
    assert_slack_accepts(slack_message(programme))


HOSTILE = "<!channel> <@U1|x> & <https://evil.example|click> @here"


def test_a_hostile_name_is_no_markup() -> None:
    """No typed text is markup: not in a name, a tier, a title, a detail or the advice."""
    hostile = notification(
        record=member(first_name=HOSTILE, last_name="<", tier_name=HOSTILE, email="<!here>@example.com"),
        title=HOSTILE,
        details=((HOSTILE, HOSTILE),),
        advice=HOSTILE,
    )
    payload = slack_message(hostile)
    markup = (payload["text"] + blocks_text(payload)).replace(f"<{CUSTOMER_LINK}|Open in Shopify>", "")
    assert "<" not in markup
    assert ">" not in markup
    assert "&lt;!channel&gt;" in markup
    assert all(text["verbatim"] for text in mrkdwns(payload))
    assert_slack_accepts(payload)


def mrkdwns(payload: dict[str, Any]) -> list[dict[str, Any]]:
    found = []
    for block in payload["blocks"]:
        parts = [block.get("text"), *block.get("fields", []), *block.get("elements", [])]
        found += [part for part in parts if part and part["type"] == "mrkdwn"]
    return found


def test_line_breaks_and_control_characters_are_removed() -> None:
    """A name cannot add a line to an e-mail, a header to a subject, or turn the text around."""
    sly = notification(
        record=member(first_name="Mia\r\nIncident: none", last_name="\u202eX"),
        title="Lost\r\nBcc: all\x07\ud800",
    )
    assert "\n" not in email_message(sly).subject
    assert "Lost Bcc: all" in email_message(sly).subject
    assert "Member: Mia Incident: none X.\n" in email_message(sly).body
    json.dumps(slack_message(sly), ensure_ascii=False).encode()


TEXT = st.text(max_size=300) | st.sampled_from(
    ["&" * 1_200, '"\\' * 600, "🚀" * 1_200, "ü" * 1_200, " " * 1_200]
)


@settings(max_examples=60, deadline=None)
@given(
    title=TEXT,
    advice=TEXT,
    first=TEXT,
    last=TEXT,
    address=TEXT,
    details=st.lists(st.tuples(TEXT, TEXT), max_size=30).map(tuple),
    key=TEXT,
    may_be_repeat=st.booleans(),
)
def test_any_text_stays_within_the_limits(
    *,
    title: str,
    advice: str,
    first: str,
    last: str,
    address: str,
    details: tuple[tuple[str, str], ...],
    key: str,
    may_be_repeat: bool,
) -> None:
    """Slack and SNS accept every message, whatever its texts are."""
    record = member(first_name=first, last_name=last, email=f"{address}@example.com", tier_name=title)
    alert: dict[str, Any] = {"title": title, "advice": advice, "details": details, "incident_key": key}
    typed = notification(record=record, may_be_repeat=may_be_repeat, **alert)
    assert_slack_accepts(slack_message(typed))
    mail = email_message(typed)
    assert 0 < len(mail.subject.encode()) < 100
    assert mail.subject.isprintable() or "\u200c" in mail.subject or "\u200d" in mail.subject
    assert len(mail.body.encode()) < 256_000


@pytest.mark.slow
def test_the_largest_message_fits() -> None:
    """With every text far too long and each character escaped twice, the whole is cut to what Slack accepts."""
    for char in '&"\\<🚀':
        long = char * 5_000
        record = member(first_name=long, last_name=long, email=f"{long}@{long}", tier_name=long)
        details = tuple((long, long) for _ in range(60))
        largest = notification(
            record=record,
            title=long,
            advice=long,
            details=details,
            incident_key=long,
            may_be_repeat=True,
            member=f"{long}:{long}",
        )
        assert_slack_accepts(slack_message(largest))
        assert "and 41 more" in blocks_text(slack_message(largest))
        assert "and 11 more" in email_message(largest).body


def test_a_subject_uses_the_available_length() -> None:
    """Less than 100 bytes, and no shorter than needed; the customer id stays."""
    subject = email_message(notification(title="x" * 200)).subject
    assert len(subject.encode()) == 99
    assert subject.endswith("x… [7001]")


@pytest.mark.parametrize("name", golden_notifications())
def test_the_messages_are_the_golden_ones(name: str) -> None:
    """Messages change only on purpose; `scripts/golden-alerts` renews the files, and a picture of them."""
    golden = json.loads((ROOT / FOLDER / f"{name}.json").read_text())
    assert rendered(golden_notifications()[name]) == golden
    assert_slack_accepts(golden["slack"])
    if golden["slack_first_message"]:
        assert_slack_accepts(golden["slack_first_message"])


@pytest.mark.parametrize("char", ["x", "&", '"', "\\", "<", "🚀", "ü"])
def test_a_roll_up_of_fifty_with_the_longest_names_fits(char: str) -> None:
    """Ten are named, each with a link; all fifty are counted."""
    rollup = longest_rollup(char)
    payload = slack_message(rollup)
    assert_slack_accepts(payload)
    assert blocks_text(payload).count("/customers/") == 10
    assert "50 alerts at once" in payload["text"]
    assert len(email_message(rollup).subject.encode()) < 100
    assert email_message(rollup).body.count("/customers/") == 10


@pytest.mark.slow
def test_a_hostile_name_is_no_markup_in_a_roll_up() -> None:
    """The link is ours, and all else is text."""
    payload = slack_message(longest_rollup("<!channel> "))
    markup = re.sub(r"<https://admin[.]shopify[.]com/store/acme/customers/\d+[|]", "", blocks_text(payload))
    assert "<" not in markup
    assert markup.count(">") == 10
    assert "&lt;!channel&gt;" in markup


def test_the_first_message_without_a_change() -> None:
    """An update does not change it, and without a thread there is none."""
    assert slack_first_message(notification("updated")) is None
    assert slack_first_message(notification("resolved")) is None


def test_golden_messages_are_those_of_rules() -> None:
    """Every golden message has the id of a rule of the catalog, except the roll-up and what a person does."""
    ids = {name: one.alert_message.alert.rule for name, one in golden_notifications().items()}
    assert (ids.pop("rollup"), ids.pop("acknowledged")) == ("rollup", "action.acknowledge")
    assert set(ids.values()) <= set(CATALOG)
