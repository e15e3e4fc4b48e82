"""The channels of each level, and the quiet hours."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, time
from zoneinfo import ZoneInfo

import pytest
from relay.alerts.routing import channels_for, digest_channels, is_quiet, zone_of
from relay.errors import MisconfiguredError
from relay.model.effects import Level
from relay.rules.settings import Channels, QuietHours, Rules

from tests.support.incident_builders import alert_message

ALL = ("email", "slack", "pagerduty")
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("level", "of_a_member", "of_the_programme"),
    [
        (Level.INFO, (), ()),
        (Level.WARNING, ("email", "slack"), ("email", "slack")),
        (Level.ERROR, ("email", "slack"), ("email", "slack")),
        (Level.CRITICAL, ("email", "slack"), ("email", "slack", "pagerduty")),
    ],
)
def test_each_level_has_its_channels(
    level: Level, of_a_member: tuple[str, ...], of_the_programme: tuple[str, ...]
) -> None:
    """Info is left to the digest; PagerDuty gets incidents of the programme alone, however bad it is for one member."""
    assert channels_for(alert_message(level=level), Rules(), ALL) == of_a_member
    assert channels_for(alert_message(level=level, member=""), Rules(), ALL) == of_the_programme


def test_immediate_info_goes_where_a_warning_goes() -> None:
    """For `immediate` alerts the digest would be too late."""
    immediate = alert_message(level=Level.INFO, immediate=True)
    assert channels_for(immediate, Rules(), ALL) == ("email", "slack")


def test_a_roll_up_pages_no_one() -> None:
    """It is about members, even where a merchant sends errors to PagerDuty."""
    rules = Rules(channels=Channels(error=("pagerduty", "email")))
    rollup = replace(
        alert_message(level=Level.ERROR, member=""), people=(("acme.myshopify.com:1", "49.00 USD"),)
    )
    assert channels_for(rollup, rules, ALL) == ("email",)
    assert channels_for(alert_message(level=Level.ERROR, member=""), rules, ALL) == ("email", "pagerduty")


def test_email_takes_the_place_of_a_channel_that_is_not_configured() -> None:
    """Only an empty list means silence."""
    assert channels_for(alert_message(), Rules(channels=Channels(warning=("slack",))), ("email",)) == (
        "email",
    )
    assert channels_for(alert_message(), Rules(channels=Channels(warning=())), ALL) == ()


def test_the_digest_has_channels_of_its_own() -> None:
    """PagerDuty is never one of them."""
    assert digest_channels(Rules(channels=Channels(digest=("pagerduty", "slack"))), ALL) == ("slack",)
    assert digest_channels(Rules(channels=Channels(digest=("slack",))), ("email",)) == ("email",)


@pytest.mark.parametrize(
    ("begin", "end", "local", "quiet"),
    [
        (22, 7, "2025-07-01T21:59", False),
        (22, 7, "2025-07-01T22:00", True),
        (22, 7, "2025-07-02T06:59", True),
        (22, 7, "2025-07-02T07:00", False),
        (1, 6, "2025-07-02T00:59", False),
        (1, 6, "2025-07-02T01:00", True),
        (1, 6, "2025-07-02T06:00", False),
        (9, 9, "2025-07-02T09:00", False),
        # The clocks go back: the hour that comes twice is quiet both times.
        (2, 3, "2025-10-26T02:30+02:00", True),
        (2, 3, "2025-10-26T02:30+01:00", True),
    ],
)
def test_quiet_hours_in_the_shops_time_zone(*, begin: int, end: int, local: str, quiet: bool) -> None:
    """The begin included, the end not, over midnight or not, in summer and in winter."""
    moment = datetime.fromisoformat(local)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=BERLIN)
    assert is_quiet(moment, QuietHours(begin=time(begin), end=time(end)), BERLIN) is quiet


def test_without_quiet_hours_no_moment_is_quiet() -> None:
    """They are the merchant's choice."""
    assert not is_quiet(datetime(2025, 7, 1, 3, tzinfo=BERLIN), None, BERLIN)


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "../../etc/passwd"])
def test_a_wrong_time_zone_names_its_setting(name: str) -> None:
    """The operator learns which one to correct."""
    with pytest.raises(MisconfiguredError) as caught:
        zone_of(name)
    assert caught.value.setting == "TIME_ZONE"
