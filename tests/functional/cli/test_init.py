"""`relay init` tests each answer where it is used, stores secrets in SSM alone, and changes nothing a second time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fakes.hubspot import FakeHubspot
from fakes.slack import HOOK, FakeSlack
from fakes.slack_api import TOKEN
from relay.adapters.aws.boto import client
from relay_cli.commands import init
from relay_cli.errors import CliError, UsageError
from relay_cli.setup.secret_kinds import KINDS

from tests.functional.sim.sim_server import KEY, SimClient, running_simulator, served
from tests.support.command_line import parsed
from tests.support.installed_shop import InstalledShop, installed_shop

PLACE = "/relay/relay-acme"


@dataclass
class NewShop:
    """The services that a shop has, and what a person answers to each question."""

    shop: InstalledShop
    urls: dict[str, str]
    domain: str
    typed: dict[str, list[str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def answer(self, prompt: str) -> str:
        """Type the next answer to a question that begins so; Enter where none is left."""
        self.asked.append(prompt)
        answers = next((texts for begin, texts in self.typed.items() if prompt.startswith(begin)), [])
        return answers.pop(0) if answers else ""

    def run(self, *words: str) -> int:
        """Run `relay init acme`, with the addresses of the fakes."""
        parameters = [word for name, url in self.urls.items() for word in ("--parameter", f"{name}={url}")]
        return init.main(parsed(init.configure, "acme", *parameters, *words))

    def unasked(self, *words: str) -> int:
        """Run it without a terminal."""
        return self.run("--non-interactive", *words)

    def stored(self) -> dict[str, str]:
        """Return what SSM has."""
        ssm = client("ssm")
        names = [one["Name"] for one in ssm.describe_parameters()["Parameters"]]
        found = [ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"] for name in names]
        assert {one["Type"] for one in found} <= {"SecureString"}
        return {one["Name"].removeprefix(f"{PLACE}/"): one["Value"] for one in found}

    def versions(self) -> dict[str, int]:
        """Return how often each parameter of SSM was written."""
        return {one["Name"]: one["Version"] for one in client("ssm").describe_parameters()["Parameters"]}


@pytest.fixture(scope="module")
def services() -> Iterator[tuple[SimClient, str, str]]:
    """Serve the platform, HubSpot and Slack."""
    with (
        running_simulator() as platform,
        served(FakeHubspot().app()) as hubspot,
        served(FakeSlack().app) as slack,
    ):
        yield platform, hubspot, slack


@pytest.fixture
def new(
    services: tuple[SimClient, str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[NewShop]:
    """An empty folder, and a terminal."""
    platform, hubspot, slack = services
    for name in ("RELAY_STACK", *(kind.variable for kind in KINDS)):
        monkeypatch.delenv(name, raising=False)
    with installed_shop(tmp_path, monkeypatch, client) as shop:
        urls = {
            "InveterateUrl": str(platform.http.base_url).rstrip("/"),
            "HubSpotUrl": hubspot,
            "SlackUrl": f"{slack}/api",
        }
        new = NewShop(shop, urls, platform.sim.world.shop.domain)
        monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
        monkeypatch.setattr("builtins.input", new.answer)
        monkeypatch.setattr("relay_cli.setup.questions.getpass", new.answer)
        yield new


def lines(new: NewShop) -> dict[str, Any]:
    """Return the shop's file, read."""
    import tomllib

    return tomllib.loads(new.shop.file.read_text())


def test_without_a_terminal(new: NewShop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Flags, a variable and a file are enough; the file has no secret, and the rules are proposed."""
    monkeypatch.setenv("INVETERATE_API_KEY", f" “{KEY}” ")
    (tmp_path / "token").write_text("made-up\n")
    words = ("--targets", "hubspot", "--secret-from", "hubspot=token", "--time-zone", "Europe/Berlin")
    assert new.unasked(*words) == 0
    stored = new.stored()
    assert (stored["inveterate"], stored["hubspot"], set(stored)) == (
        KEY,
        "made-up",
        {"inveterate", "hubspot", "callback-key"},
    )
    text = new.shop.file.read_text()
    assert not any(secret in text for secret in stored.values())
    parameters = lines(new)["parameters"]
    assert parameters["ShopDomain"] == new.domain
    assert parameters["HubSpotSecret"] == f"{PLACE}/hubspot"
    rules = new.shop.file.with_suffix(".rules.yaml").read_text()
    assert "rank: " in rules
    assert "name: " in rules


def test_a_second_run_changes_nothing(new: NewShop, capsys: pytest.CaptureFixture[str]) -> None:
    """With Enter at every question: no file, no secret, no message in Slack."""
    new.typed = {
        "Inveterate API key": [KEY],
        "CRMs": ["hubspot"],
        "HubSpot token": ["made-up"],
        "Slack bot token": [TOKEN],
        "Slack channel": ["#members"],
        "E-mail": ["ops@example.com"],
        "Time zone": ["Europe/Berlin"],
    }
    assert new.run() == 0
    assert "Slack took the test message" in capsys.readouterr().err
    file, rules = new.shop.file.read_text(), new.shop.file.with_suffix(".rules.yaml").read_text()
    versions = new.versions()
    assert new.run("--json") == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out) == {
        "file": "shops/acme.toml",
        "written": False,
        "stored": [],
        "rules": None,
    }
    assert "test message" not in printed.err
    assert new.shop.file.read_text() == file
    assert new.shop.file.with_suffix(".rules.yaml").read_text() == rules
    assert new.versions() == versions


def test_a_wrong_answer_is_asked_again(new: NewShop, capsys: pytest.CaptureFixture[str]) -> None:
    """Each with what is wrong, and no secret is repeated."""
    new.typed = {
        "Inveterate API key": ["sim_wrong", KEY],
        "Time zone": ["Berlin", "Europe/Berlin"],
        "CRMs": ["hupspot", "hubspot"],
        "HubSpot token": ["", "made-up"],
        "Slack bot token": ["a-word", "xoxb-wrong", TOKEN],
        "Slack channel": ["#nowhere", "#members"],
        "E-mail": ["nobody", "ops@example.com"],
        "PagerDuty": ["short", "a" * 32],
    }
    assert new.run() == 0
    printed = capsys.readouterr().err
    for says in (
        "Inveterate refuses the API key",
        "Berlin is no time zone",
        "Targets: ",
        "HUBSPOT_TOKEN is missing",
        "bot's token (xoxb-…) or a webhook's URL",
        "Slack refuses the test message",
        "AlertEmail: ",
        "32 letters and digits",
    ):
        assert says in printed
    assert not any(secret in printed for secret in ("sim_wrong", "xoxb-wrong", KEY, TOKEN, "a" * 32))
    assert not any(texts for texts in new.typed.values())
    assert new.stored()["pagerduty"] == "a" * 32


@pytest.mark.parametrize(
    ("variables", "words", "says"),
    [
        ({"INVETERATE_API_KEY": "sim_wrong"}, (), "Inveterate refuses the API key"),
        ({}, (), "ShopDomain is missing"),
        ({}, ("--shop-domain", "acme.com"), "ShopDomain"),
        ({"INVETERATE_API_KEY": KEY}, ("--shop-domain", "other.myshopify.com"), "the API key is that of"),
        ({"INVETERATE_API_KEY": KEY}, ("--time-zone", "Mars/Base"), "no time zone"),
        ({"INVETERATE_API_KEY": KEY}, ("--targets", "hubspot"), "HUBSPOT_TOKEN is missing"),
        ({"INVETERATE_API_KEY": KEY}, ("--targets", "salesforce"), "SalesforceUrl is missing"),
        ({"INVETERATE_API_KEY": KEY, "SLACK_TOKEN": TOKEN}, (), "SlackChannel is missing"),
        ({"INVETERATE_API_KEY": KEY, "SLACK_TOKEN": TOKEN}, ("--slack-channel", "C0OTHER"), "not_in_channel"),
        ({"INVETERATE_API_KEY": KEY, "SLACK_TOKEN": "schlüssel"}, (), "position 5"),
        ({"INVETERATE_API_KEY": KEY}, ("--parameter", "JournalDay=400"), "no parameter JournalDay"),
        ({"INVETERATE_API_KEY": KEY}, ("--parameter", "JournalDays=4"), "between 15"),
        ({"INVETERATE_API_KEY": KEY}, ("--parameter", "JournalDays"), "NAME=VALUE"),
        ({"INVETERATE_API_KEY": KEY}, ("--secret-from", "hubspot=missing"), "there is no file"),
        ({"INVETERATE_API_KEY": KEY}, ("--secret-from", "hupspot=-"), "takes NAME=FILE"),
        ({"INVETERATE_API_KEY": KEY}, ("--secret-from", "hubspot=-", "--secret-from", "slack=-"), "only one"),
        (
            {"INVETERATE_API_KEY": KEY, "WEBHOOK_SIGNING_SECRET": "whsec_%"},
            ("--targets", "webhook", "--parameter", "WebhookUrl=https://example.com"),
            "whsec_ and base64",
        ),
    ],
)
def test_a_wrong_answer_ends_it(
    new: NewShop,
    variables: dict[str, str],
    words: tuple[str, ...],
    says: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where there is no terminal: the file is not written, and the secret that is wrong is not stored."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(CliError, match=says) as refused:
        new.unasked(*words)
    assert not any(value in str(refused.value) for value in variables.values())
    assert not new.shop.file.exists()
    assert not {"hubspot", "slack", "webhook"} & new.stored().keys()


def test_a_file_with_a_mistake_is_named_by_line(new: NewShop) -> None:
    """Before anything is asked."""
    new.shop.write(Target="hubspot")
    with pytest.raises(UsageError, match="line 3: the template has no parameter Target"):
        new.run()
    assert new.asked == []


def test_no_terminal_and_no_flag(new: NewShop, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says how to go on."""
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    with pytest.raises(UsageError, match="no terminal") as refused:
        new.run()
    assert "--non-interactive" in refused.value.remedy


def test_an_answer_is_taken_away(new: NewShop, monkeypatch: pytest.MonkeyPatch) -> None:
    """`none` empties a parameter; the secret itself stays in SSM."""
    monkeypatch.setenv("INVETERATE_API_KEY", KEY)
    new.typed = {"Slack bot token": [f"{new.urls['SlackUrl'].removesuffix('/api')}{HOOK}", "none", ""]}
    new.run()
    assert lines(new)["parameters"]["SlackSecret"] == f"{PLACE}/slack"
    new.run()
    assert lines(new)["parameters"]["SlackSecret"] == ""
    new.run()
    assert lines(new)["parameters"]["SlackSecret"] == ""


def test_a_deployed_stack_keeps_its_key(new: NewShop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new one would be in SSM and not in the stack."""
    monkeypatch.setenv("INVETERATE_API_KEY", KEY)
    new.shop.deployed(ShopDomain=new.domain)
    client("ssm").delete_parameter(Name=f"{PLACE}/callback-key")
    assert new.unasked() == 0
    assert "callback-key" not in new.stored()


def test_another_shops_domain_is_asked_again(new: NewShop, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong domain does not end the command, and what was answered before it is kept."""
    new.typed = {"Inveterate API key": [KEY], "Domain": ["other.myshopify.com", new.domain]}
    assert new.run() == 0
    assert "not of other.myshopify.com" in capsys.readouterr().err
    assert lines(new)["parameters"]["ShopDomain"] == new.domain


def test_a_channel_that_was_given_up_is_not_kept(new: NewShop) -> None:
    """The bot's token is refused, and Enter takes none: then no channel is written either."""
    new.typed = {
        "Inveterate API key": [KEY],
        "Slack bot token": ["xoxb-of-somebody-else"],
        "Slack channel": ["#alerts"],
    }
    assert new.run() == 0
    assert "Slack channel, by id or as #name [none]: " in new.asked
    assert not {"SlackChannel", "SlackSecret"} & set(lines(new)["parameters"])


def test_none_takes_an_answer_away_without_a_terminal(new: NewShop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A flag with the word `none` is no channel of that name."""
    monkeypatch.setenv("INVETERATE_API_KEY", KEY)
    assert new.unasked("--slack-channel", "none", "--alert-email", "none") == 0
    assert lines(new)["parameters"].get("SlackChannel", "") == ""
    assert lines(new)["parameters"].get("AlertEmail", "") == ""


def test_a_question_does_not_send_the_person_away(new: NewShop, capsys: pytest.CaptureFixture[str]) -> None:
    """The question comes again at once: neither `--help` nor another run is the remedy."""
    new.typed = {"Inveterate API key": [KEY], "CRMs": ["hubspot"], "HubSpot token": ["", "made-up"]}
    assert new.run() == 0
    said = capsys.readouterr().err
    assert "HUBSPOT_TOKEN is missing" in said
    assert "--help" not in said


def test_a_bot_may_have_buttons(new: NewShop) -> None:
    """The app's signing secret is stored with the token, and refused where it has another form."""
    signing = "0a" * 16
    new.typed = {
        "Inveterate API key": [KEY],
        "Slack bot token": [TOKEN],
        "Slack channel": ["C0RELAY"],
        "Slack app's signing secret": ["xoxb-again", signing],
    }
    assert new.run() == 0
    assert new.stored()["slack-signing"] == signing
    assert lines(new)["parameters"]["SlackSigningSecret"] == f"{PLACE}/slack-signing"


def test_a_webhook_of_slack_has_no_buttons(new: NewShop, services: tuple[SimClient, str, str]) -> None:
    """Nothing is asked about them."""
    new.typed = {"Inveterate API key": [KEY], "Slack bot token": [f"{services[2]}{HOOK}"]}
    assert new.run() == 0
    assert not [prompt for prompt in new.asked if "signing" in prompt]
