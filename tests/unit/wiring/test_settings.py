"""Settings: parsed in one place, and every problem is named at once."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

import pytest
from relay.adapters.channels.pagerduty import PagerDutyChannel
from relay.errors import MisconfiguredError
from relay.topics import FOLDERS, queue_variable
from relay.wiring import crms, receiver_settings, settings, slack_settings
from relay.wiring.crms import CRMS, CrmSettings, HubspotSettings
from relay.wiring.environment import Settings, SettingsReader
from relay.wiring.functions import NotifierServices
from relay.wiring.receiver_settings import ReceiverSettings
from relay.wiring.settings import (
    ClockSettings,
    FanoutSettings,
    GrantSettings,
    NotifierSettings,
    ReconcileSettings,
    SourceSettings,
    TopicSettings,
)
from relay.wiring.slack_settings import SlackActionSettings

from tests.support.port_fakes import ROOT
from tests.support.template_data import FUNCTIONS, TEMPLATE, environment

URL = "https://sqs.example.com/1/queue"
KINDS: dict[str, type[Settings]] = {
    "receiver": ReceiverSettings,
    "fanout": FanoutSettings,
    "notifier": NotifierSettings,
    "crm_sync": CrmSettings,
    "reconcile": ReconcileSettings,
    "grants": GrantSettings,
    "clock": ClockSettings,
    "slack_actions": SlackActionSettings,
    **dict.fromkeys(FOLDERS.values(), TopicSettings),
}
"""The kind of settings by the function's folder."""

OPTIONAL = {
    "POWERTOOLS_SERVICE_NAME",
    "STACK_NAME",
    "TRIES_TABLE",
    "TOKEN_DIGESTS",
    "TOKEN_HEADER",
    "CRM_QUEUE_URLS",
    "SLACK_CHANNEL",
    "RECHECKS_URL",
    "GRANTS_URL",
    "ASKS_API",
    "SLACK_SECRET",
    "SLACK_SIGNING_SECRET",
    "SLACK_TEAM_ID",
    "PAGERDUTY_SECRET",
    "RUNBOOK_URL",
    "HUBSPOT_EVENTS",
    "KLAVIYO_SET_EXTERNAL_ID",
    "KLAVIYO_COMPAT_NAMES",
    "SALESFORCE_ALLOW_DUPLICATES",
    *(queue_variable(name) for name in (*FOLDERS.values(), "unclaimed")),
}
"""Variables that may be missing: of a function's queues, the receiver needs each for its own topic only."""


def folder_of(function: str) -> str:
    folder: str = FUNCTIONS[function]["CodeUri"].removeprefix("functions/")
    return folder


SWITCHES = {
    "HUBSPOT_EVENTS",
    "KLAVIYO_SET_EXTERNAL_ID",
    "KLAVIYO_COMPAT_NAMES",
    "SALESFORCE_ALLOW_DUPLICATES",
}


def value_of(name: str, written: Any) -> str:
    """Return a value that the template could give a variable."""
    if isinstance(written, str):
        return written
    if name == "TIME_ZONE":
        return "America/New_York"
    if name in {"RECHECK_DELAY", "JOURNAL_DAYS"}:
        return "600"
    if name in SWITCHES:
        return "true"
    return URL


def variables(function: str) -> dict[str, str]:
    """Return the environment of a function as the template makes it."""
    shared: dict[str, Any] = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]
    written = {**shared, **environment(function)}
    return {name: value_of(name, value) for name, value in written.items()}


def problems(kind: type[Settings], values: Mapping[str, str]) -> tuple[list[str], str]:
    """Return the settings that an error names, and its text."""
    with pytest.raises(MisconfiguredError) as raised:
        kind.from_env(values)
    return raised.value.setting.split(", "), str(raised.value)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_template_sets_what_a_function_reads(function: str) -> None:
    """Every function's settings can be made of its variables."""
    kind = KINDS[folder_of(function)]
    assert isinstance(kind.from_env(variables(function)), kind)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_missing_setting_is_named_at_once(function: str) -> None:
    """All that must be there, whether missing or empty; CRM settings are asked for once their target is known."""
    kind, there = KINDS[folder_of(function)], variables(function)
    optional = OPTIONAL - ({queue_variable(f) for f in FOLDERS.values()} if kind is ClockSettings else set())
    requests = {"RECHECK_DELAY"} if kind in {FanoutSettings, CrmSettings} else set()
    channels = {"SLACK_URL", "PAGERDUTY_URL"}
    keep = {"TARGET": there["TARGET"]} if "TARGET" in there else {}
    expected = there.keys() - optional - requests - channels - keep.keys()
    if kind in {ReceiverSettings, ReconcileSettings}:
        expected |= {"KEY_DIGESTS"}
    if kind is SlackActionSettings:
        expected = {"STACK_NAME", "SLACK_SIGNING_SECRET", "ALERTS_URL", "SLACK_URL"}
    if kind is FanoutSettings:
        expected -= {"DEAD_LETTERS_URL"}
    if kind is NotifierSettings:
        expected -= {"KPIS_TABLE"}
    if kind is CrmSettings:
        # Newer than the function: an update sets code and environment one after the other.
        expected -= {"TIME_ZONE"}
    assert set(problems(kind, keep)[0]) == expected
    assert set(problems(kind, {**dict.fromkeys(there, ""), **keep})[0]) == expected


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("name", ["Europe", "Mars/Olympus", "../etc/passwd", "Europe/Ber\0lin", "/etc"])
def test_a_time_zone_that_is_none_is_named(function: str, name: str) -> None:
    """In every function that reads it: a folder of the zone files, an unknown name, and no path at all."""
    there = variables(function)
    if "TIME_ZONE" not in there:
        assert folder_of(function) not in {"clock", "notifier"}
        return
    named, said = problems(KINDS[folder_of(function)], {**there, "TIME_ZONE": name})
    assert named == ["TIME_ZONE"]
    assert name not in said.removeprefix("settings: TIME_ZONE")


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("RECHECK_DELAY", "ten", "is no whole number from 0 to 900"),
        ("RECHECK_DELAY", "901", "is no whole number from 0 to 900"),
        ("RECHECK_DELAY", "-1", "is no whole number from 0 to 900"),
        ("RECHECK_DELAY", "٣", "is no whole number from 0 to 900"),
        ("INVETERATE_URL", "api.example.com", "is no URL"),
        ("INVETERATE_URL", "ftp://example.com", "is no URL"),
        ("INVETERATE_URL", "https://", "is no URL"),
        ("INVETERATE_URL", "https://[half", "is no URL"),
        ("INVETERATE_URL", "  ", "is empty"),
    ],
)
def test_a_malformed_setting_is_named_with_its_problem(name: str, value: str, problem: str) -> None:
    """And its value is not repeated: it may hold a key."""
    named, said = problems(ReconcileSettings, {**variables("ReconcileFunction"), name: value})
    assert (named, said) == ([name], f"settings: {name} {problem}")


def test_several_problems_are_one_error() -> None:
    """A person mends them all in one deployment."""
    there = {**variables("ClockFunction"), "TIME_ZONE": "Europe", "ALERTS_URL": "x", "MEMBERS_TABLE": ""}
    named, said = problems(ClockSettings, there)
    assert named == ["TIME_ZONE", "MEMBERS_TABLE", "ALERTS_URL"]
    assert said == (
        "settings: TIME_ZONE is no time zone of the IANA database; MEMBERS_TABLE is empty; ALERTS_URL is no URL"
    )


def test_switches_are_true_or_false() -> None:
    """Anything else is a misspelling, and not `false`."""
    there = variables("HubSpotFunction")
    own = CrmSettings.from_env(there).own
    assert isinstance(own, HubspotSettings)
    assert own.events
    assert problems(CrmSettings, {**there, "HUBSPOT_EVENTS": "yes"})[0] == ["HUBSPOT_EVENTS"]
    reader = SettingsReader({})
    assert not reader.switch("HUBSPOT_EVENTS")
    reader.check()


def test_an_unknown_target_is_named() -> None:
    """With the ones that there are."""
    named, said = problems(CrmSettings, {**variables("HubSpotFunction"), "TARGET": "pigeon"})
    assert named == ["TARGET"]
    assert said.endswith(f"must be one of {', '.join(CRMS)}")


def test_a_queue_that_the_receiver_lacks_concerns_its_topic_alone() -> None:
    """In the middle of a deployment the environment may be older than the code."""
    there = variables("ReceiverFunction")
    del there["QUEUE_UPDATED"]
    receiver = ReceiverSettings.from_env(there)
    assert receiver.queue("cancelled") == URL
    with pytest.raises(MisconfiguredError) as raised:
        receiver.queue("updated")
    assert raised.value.setting == "QUEUE_UPDATED"


def test_a_function_can_defer_with_its_queue_alone() -> None:
    """The least that a batch needs while other settings are wrong."""
    source = SourceSettings.from_env({"SOURCE_URL": URL})
    assert (source.source_url, source.source_name) == (URL, "queue")


AWS_CLIENT = "layers/shared/relay/adapters/aws"
"""Relay's own AWS client reads AWS's variables itself, as the AWS SDKs do: credentials change while a process lives."""


def names_in(tree: ast.AST) -> set[str]:
    """Return the text constants of a module that could be names of environment variables."""
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    return {
        text for text in texts if isinstance(text, str) and text.isupper() and "_" in text and " " not in text
    }


def test_only_the_settings_read_the_environment() -> None:
    """No other module of the service, and no function, touches `os.environ`; the AWS client for AWS's own alone."""
    trees = {
        path.relative_to(ROOT).as_posix(): ast.parse(path.read_text())
        for folder in ("layers/shared/relay", "functions")
        for path in (ROOT / folder).rglob("*.py")
    }
    readers = {
        name
        for name, tree in trees.items()
        for node in ast.walk(tree)
        if (isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv", "environb"})
        or (isinstance(node, ast.alias) and node.name in {"environ", "getenv", "environb"})
    }
    aws = {name for name in readers if name.startswith(AWS_CLIENT)}
    assert readers - aws == {"layers/shared/relay/wiring/environment.py"}
    assert {text for name in aws for text in names_in(trees[name]) if not text.startswith("AWS_")} == set()


def test_these_are_all_the_settings() -> None:
    """A class of settings that this test does not know is not tested here."""
    found = {
        one
        for module in (settings, receiver_settings, slack_settings, crms)
        for one in vars(module).values()
        if isinstance(one, type) and issubclass(one, Settings) and one is not Settings
    }
    composed = {"QueueSettings", "ApiSettings", "RequestSettings"}
    assert {one.__name__ for one in found - set(KINDS.values())} == {*composed, "SourceSettings"}


@pytest.mark.parametrize(
    ("values", "stack"),
    [({}, "relay-acme"), ({"SLACK_SIGNING_SECRET": " "}, ""), ({"STACK_NAME": ""}, "")],
)
def test_slack_has_buttons_where_their_clicks_are_taken(values: dict[str, str], stack: str) -> None:
    """With a signing secret; a stack deployed before there was one has none."""
    there = {**variables("NotifierFunction"), "STACK_NAME": "relay-acme", **values}
    slack = NotifierSettings.from_env(there).slack
    assert slack is not None
    assert slack.stack == stack


def test_pagerduty_links_to_the_runbook_that_is_set() -> None:
    """Its channel has the page of the stack's parameter; none where none is set."""
    there = {**variables("NotifierFunction"), "PAGERDUTY_SECRET": "/relay/pagerduty"}
    for url in ("https://wiki.example/relay#alarms", ""):
        services = NotifierServices(NotifierSettings.from_env({**there, "RUNBOOK_URL": url}))
        [channel] = [each for each in services.channels if isinstance(each, PagerDutyChannel)]
        assert channel.runbook == url
