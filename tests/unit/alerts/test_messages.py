"""What people read: complete, within the limits of the channels, and harmless whatever a member is called."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from fakes.block_kit import validation_error
from hypothesis import given, settings
from hypothesis import strategies as st
from relay.alerts.render import email, slack, slack_first
from relay.model.effects import Level
from relay.model.member import Member
from relay.rules.catalog import CATALOG
from slack_sdk.models.blocks import Block

from tests.support.golden_alerts import FOLDER, announcements, longest_rollup, written
from tests.support.incident_builders import member
from tests.support.port_fakes import ROOT
from tests.unit.alerts.announced import LINK, announcement, visible


def assert_slack_takes(payload: dict[str, Any]) -> None:
    """Ask both validators: Slack's own models, and the stand-in that the local run uses."""
    for block in payload["blocks"]:
        parsed = Block.parse(block)
        assert parsed is not None
        parsed.validate_json()
    assert validation_error(payload) is None
    assert len(json.dumps(payload, ensure_ascii=False)) < 13_000


def test_slack_opening() -> None:
    """An opening says what, how bad, who (masked), which tier, the details, what to do, where, and by which rule."""
    assert slack(announcement()) == {
        "text": "⚠️ Warning: Payment failed - Mia K. (m•••@example.com)",
        "blocks": [
            {
                "type": "header",
                "text": {"type": "plain_text", "text": "⚠️ Warning: Payment failed", "emoji": True},
            },
            {
                "type": "section",
                "text": mrkdwn(f"*Mia K. (m•••@example.com)*   <{LINK}|Open in Shopify>"),
            },
            {"type": "section", "fields": [mrkdwn("*Tier*\nGold"), mrkdwn("*Amount*\n49.00 USD")]},
            {"type": "section", "text": mrkdwn("Ask the member for another card.")},
            {
                "type": "context",
                "elements": [
                    mrkdwn("2025-07-01 09:00 UTC"),
                    mrkdwn("Rule payment_failed"),
                    mrkdwn("dun:acme.myshopify.com:7001"),
                ],
            },
        ],
    }


def mrkdwn(text: str) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def test_email_opening() -> None:
    """The e-mail says the same in plain text; its subject names the customer by id, so that threads stay apart."""
    written = email(announcement())
    assert written.subject == "Relay Warning: Payment failed [7001]"
    assert written.body == (
        "Warning: Payment failed\n\n"
        "Member: Mia K. (m•••@example.com)\nTier: Gold\nAmount: 49.00 USD\n\n"
        f"Ask the member for another card.\nIn Shopify: {LINK}\n\n"
        "When: 2025-07-01 09:00 UTC\nRule: payment_failed\nOccasion: dun:acme.myshopify.com:7001\n"
    )


def test_a_closing_reads_as_an_end() -> None:
    """The end cannot be taken for another alert."""
    closing = announcement("closing", title="Payment recovered", level=Level.ERROR)
    assert slack(closing)["text"].startswith("✅ Over: Payment recovered")
    assert email(closing).subject == "Relay Over: Payment recovered [7001]"


def test_a_rise_says_how_bad_it_is_now() -> None:
    """A rise names the new level."""
    rise = announcement("rise", level=Level.ERROR)
    assert slack(rise)["text"].startswith("🔴 Now error: Payment failed")
    assert email(rise).body.startswith("Now error: Payment failed\n")


def test_a_possible_repeat_says_so() -> None:
    """Both forms say it, and Slack's notification too."""
    repeat = announcement(repeat=True)
    assert "This may be a repeat" in visible(slack(repeat))
    assert slack(repeat)["text"].endswith("(may be a repeat)")
    assert "This may be a repeat" in email(repeat).body
    assert "repeat" not in visible(slack(announcement())) + email(announcement()).body


@pytest.mark.parametrize("who", [None, Member(shop="acme.myshopify.com", customer_id="7001")])
def test_nobody_is_known(who: Member | None) -> None:
    """Without a record, or with an empty one, the customer's id and link still lead to the member."""
    nameless = announcement(who=who)
    assert "*Customer 7001*" in visible(slack(nameless))
    assert (
        f"Member: customer 7001\nAmount: 49.00 USD\n\nAsk the member for another card.\nIn Shopify: {LINK}"
        in (email(nameless).body)
    )
    assert_slack_takes(slack(nameless))


def test_a_matter_without_a_member() -> None:
    """What concerns the whole programme names nobody."""
    programme = announcement(
        who=None, member="", incident_key="inv:acme:payfail-spike", details=(), advice=""
    )
    assert "Customer" not in visible(slack(programme))
    assert "Member" not in email(programme).body
    assert email(programme).subject == "Relay Warning: Payment failed"
    assert_slack_takes(slack(programme))


HOSTILE = "<!channel> <@U1|x> & <https://evil.example|click> @here"


def test_a_hostile_name_pings_nobody() -> None:
    """Nothing that somebody typed is markup: not in a name, a tier, a title, a detail or the advice."""
    hostile = announcement(
        who=member(first_name=HOSTILE, last_name="<", tier_name=HOSTILE, email="<!here>@example.com"),
        title=HOSTILE,
        details=((HOSTILE, HOSTILE),),
        advice=HOSTILE,
    )
    payload = slack(hostile)
    markup = (payload["text"] + visible(payload)).replace(f"<{LINK}|Open in Shopify>", "")
    assert "<" not in markup
    assert ">" not in markup
    assert "&lt;!channel&gt;" in markup
    assert all(text["verbatim"] for text in mrkdwns(payload))
    assert_slack_takes(payload)


def mrkdwns(payload: dict[str, Any]) -> list[dict[str, Any]]:
    found = []
    for block in payload["blocks"]:
        parts = [block.get("text"), *block.get("fields", []), *block.get("elements", [])]
        found += [part for part in parts if part and part["type"] == "mrkdwn"]
    return found


def test_line_breaks_and_steering_characters_do_not_survive() -> None:
    """A name cannot add a line to an e-mail, a header to a subject, or turn the text around."""
    sly = announcement(
        who=member(first_name="Mia\r\nOccasion: none", last_name="\u202eX"),
        title="Lost\r\nBcc: all\x07\ud800",
    )
    assert "\n" not in email(sly).subject
    assert "Lost Bcc: all" in email(sly).subject
    assert "Member: Mia Incident: none X.\n" in email(sly).body
    json.dumps(slack(sly), ensure_ascii=False).encode()


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
    repeat=st.booleans(),
)
def test_whatever_is_typed_stays_within_the_limits(
    *,
    title: str,
    advice: str,
    first: str,
    last: str,
    address: str,
    details: tuple[tuple[str, str], ...],
    key: str,
    repeat: bool,
) -> None:
    """Slack and SNS take every message, whatever its texts are."""
    who = member(first_name=first, last_name=last, email=f"{address}@example.com", tier_name=title)
    said = announcement(who=who, title=title, advice=advice, details=details, incident_key=key, repeat=repeat)
    assert_slack_takes(slack(said))
    written = email(said)
    assert 0 < len(written.subject.encode()) < 100
    assert written.subject.isprintable() or "\u200c" in written.subject or "\u200d" in written.subject
    assert len(written.body.encode()) < 256_000


def test_the_largest_message_fits() -> None:
    """With every text far too long and each character escaped twice, the whole is cut to what Slack takes."""
    for char in '&"\\<🚀':
        long = char * 5_000
        who = member(first_name=long, last_name=long, email=f"{long}@{long}", tier_name=long)
        details = tuple((long, long) for _ in range(60))
        largest = announcement(
            who=who,
            title=long,
            advice=long,
            details=details,
            incident_key=long,
            repeat=True,
            member=f"{long}:{long}",
        )
        assert_slack_takes(slack(largest))
        assert "and 41 more" in visible(slack(largest))
        assert "and 11 more" in email(largest).body


def test_a_subject_uses_the_room_there_is() -> None:
    """Less than 100 bytes, and not fewer than need be; the customer's id is what stays."""
    subject = email(announcement(title="x" * 200)).subject
    assert len(subject.encode()) == 99
    assert subject.endswith("x… [7001]")


@pytest.mark.parametrize("name", announcements())
def test_the_messages_are_the_golden_ones(name: str) -> None:
    """What people read changes only on purpose; `scripts/golden-alerts` writes the files anew, and pictures of them."""
    golden = json.loads((ROOT / FOLDER / f"{name}.json").read_text())
    assert written(announcements()[name]) == golden
    assert_slack_takes(golden["slack"])
    if golden["slack_first_message_then"]:
        assert_slack_takes(golden["slack_first_message_then"])


@pytest.mark.parametrize("char", ["x", "&", '"', "\\", "<", "🚀", "ü"])
def test_a_roll_up_of_fifty_with_the_longest_names_fits(char: str) -> None:
    """Ten are named, each with a link; all fifty are counted."""
    rollup = longest_rollup(char)
    payload = slack(rollup)
    assert_slack_takes(payload)
    assert visible(payload).count("/customers/") == 10
    assert "50 alerts at once" in payload["text"]
    assert len(email(rollup).subject.encode()) < 100
    assert email(rollup).body.count("/customers/") == 10


def test_a_hostile_name_pings_nobody_in_a_roll_up() -> None:
    """Its link is ours, and all else is text."""
    payload = slack(longest_rollup("<!channel> "))
    markup = re.sub(r"<https://admin[.]shopify[.]com/store/acme/customers/\d+[|]", "", visible(payload))
    assert "<" not in markup
    assert markup.count(">") == 10
    assert "&lt;!channel&gt;" in markup


def test_the_first_message_stays_as_it_was_where_nothing_changed() -> None:
    """Neither an opening nor a mention touches it; nor is there one to touch without a thread."""
    assert slack_first(announcement("mention")) is None
    assert slack_first(announcement("closing")) is None


def test_what_is_shown_to_readers_is_what_rules_say() -> None:
    """Every golden message bears the id of a rule that exists, the roll-up's own excepted."""
    ids = {name: shown.alert_message.alert.rule for name, shown in announcements().items()}
    assert ids.pop("rollup") == "rollup"
    assert set(ids.values()) <= set(CATALOG)
