"""`relay deploy` and `relay set` change what they were told and nothing else, and end in the version before where one fails."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from relay.adapters.aws.boto import client
from relay.topics import FOLDERS
from relay_cli.callback_key import digest
from relay_cli.commands import deploy, set_parameters
from relay_cli.commands.mirror import maintenance
from relay_cli.deployment.probe import ProbeResult
from relay_cli.errors import ATTENTION, DONE, CliError, DeclinedError, UsageError

from tests.support.installed_shop import KEY, KEY_NAME, STACK, TEMPLATE, InstalledShop, installed_shop

NEWER = TEMPLATE + "# a newer version\n"
ALARMS = [f"arn:{STACK}-receiver-errors", f"arn:{STACK}-api-5xx"]


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InstalledShop]:
    """A shop's folder, and no stack yet."""
    with installed_shop(tmp_path, monkeypatch, client) as installed:
        (tmp_path / "built.yaml").write_text(NEWER)
        yield installed


def deployed(shop: InstalledShop, *words: str) -> int:
    """Run `relay deploy`."""
    return shop.run(deploy, "acme", "--yes", "--built", "built.yaml", *words)


def printed(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Return the JSON that was printed."""
    content: dict[str, Any] = json.loads(capsys.readouterr().out)
    return content


def test_a_first_deployment(shop: InstalledShop, capsys: pytest.CaptureFixture[str]) -> None:
    """It takes the key's digest from SSM, has no alarm to watch, and subscribes after the probes."""
    shop.write(ShopDomain="acme.myshopify.com")
    shop.store(KEY)
    assert deployed(shop, "--json") == DONE
    result = printed(capsys)
    assert (result["new"], result["probed"]) == (True, len(FOLDERS))
    [request] = shop.cloudformation.requests
    assert request["RollbackConfiguration"] == {"RollbackTriggers": [], "MonitoringTimeInMinutes": 0}
    assert shop.cloudformation.parameters["KeyDigests"] == digest(KEY)
    assert shop.did == ["uploaded", f"probed with {KEY}", "subscribed"]


def test_an_update_changes_what_the_file_says(
    shop: InstalledShop, capsys: pytest.CaptureFixture[str]
) -> None:
    """All else keeps its deployed value, also what the file never named; the alarms of the way in watch."""
    shop.deployed(JournalDays="400", AlertEmail="ops@example.com")
    shop.write(TimeZone="Europe/Berlin")
    before = dict(shop.cloudformation.parameters)
    assert deployed(shop, "--json", "--minutes", "7") == DONE
    assert printed(capsys)["changes"] == [{"parameter": "TimeZone", "old": "UTC", "new": "Europe/Berlin"}]
    [request] = shop.cloudformation.requests
    kept = [one for one in request["Parameters"] if one.get("UsePreviousValue")]
    assert len(kept) == len(request["Parameters"]) - 1
    assert shop.cloudformation.parameters == {**before, "TimeZone": "Europe/Berlin"}
    triggers = request["RollbackConfiguration"]
    assert [one["Arn"] for one in triggers["RollbackTriggers"]] == ALARMS
    assert triggers["MonitoringTimeInMinutes"] == 7


def test_an_alarm_that_is_on_is_left_out_aloud(
    shop: InstalledShop, capsys: pytest.CaptureFixture[str]
) -> None:
    """It would roll back the update that mends its cause."""
    shop.deployed()
    shop.write(TimeZone="Europe/Berlin")
    shop.monitoring.alarms[f"{STACK}-api-5xx"] = "ALARM"
    assert deployed(shop) == DONE
    assert "api-5xx is in ALARM already" in capsys.readouterr().err
    [request] = shop.cloudformation.requests
    assert [one["Arn"] for one in request["RollbackConfiguration"]["RollbackTriggers"]] == ALARMS[:1]


def test_an_alarm_rolls_back(shop: InstalledShop) -> None:
    """CloudFormation takes the update back: no probe, no subscription, and the error says what is in force."""
    shop.deployed()
    shop.write(TimeZone="Europe/Berlin")
    shop.cloudformation.rings = True
    with pytest.raises(CliError, match="the version before is in force"):
        deployed(shop)
    assert (shop.did, shop.cloudformation.template) == (["uploaded"], TEMPLATE)


def test_a_resource_that_fails_is_named(shop: InstalledShop) -> None:
    """The first failure and its reason."""
    shop.deployed()
    shop.write(TimeZone="Europe/Berlin")
    shop.cloudformation.fails = "the zip is too large"
    with pytest.raises(CliError, match="ReceiverFunction: the zip is too large"):
        deployed(shop)


@pytest.mark.parametrize(
    "result",
    [
        ProbeResult(seen=set(FOLDERS) - {"customer.cancelled"}, missing={"customer.cancelled"}),
        ProbeResult(refused=dict.fromkeys(FOLDERS, "HTTP 500")),
        ProbeResult(),
    ],
)
def test_a_probe_that_fails_brings_the_version_before_back(shop: InstalledShop, result: ProbeResult) -> None:
    """Template and parameters as they were; the subscriptions are not touched."""
    shop.deployed(JournalDays="400")
    shop.write(JournalDays="90")
    before = dict(shop.cloudformation.parameters)
    shop.probes = [result]
    with pytest.raises(CliError, match="the version before is deployed again"):
        deployed(shop)
    assert (shop.cloudformation.template, shop.cloudformation.parameters) == (TEMPLATE, before)
    assert shop.did == ["uploaded", *[f"probed with {KEY}"] * 2]


def test_the_version_before_may_be_broken_too(shop: InstalledShop) -> None:
    """It is deployed again all the same, and the error says that it is no way out."""
    shop.deployed()
    shop.write(JournalDays="90")
    shop.probes = [ProbeResult(), ProbeResult()]
    with pytest.raises(CliError, match="does not take every topic either"):
        deployed(shop)
    assert shop.cloudformation.template == TEMPLATE


def test_a_probe_that_fails_at_first_subscribes_nothing(shop: InstalledShop) -> None:
    """There is no version before; the stack stays so that its log can be read."""
    shop.write(ShopDomain="acme.myshopify.com")
    shop.store(KEY)
    shop.probes = [ProbeResult(missing={"customer.cancelled"})]
    with pytest.raises(CliError, match="no webhook was subscribed"):
        deployed(shop)
    assert (shop.cloudformation.state, "subscribed" in shop.did) == ("CREATE_COMPLETE", False)


def test_a_second_deployment_changes_nothing(shop: InstalledShop, capsys: pytest.CaptureFixture[str]) -> None:
    """The same code and the same file: no change set is executed, and the probes and subscriptions are looked at."""
    shop.deployed()
    shop.cloudformation.template = NEWER
    shop.write(ShopDomain="acme.myshopify.com")
    assert deployed(shop, "--json") == DONE
    result = printed(capsys)
    assert (result["changes"], result["resources"]) == ([], 0)
    assert shop.cloudformation.state == "UPDATE_COMPLETE"


def test_a_dry_run_changes_nothing(shop: InstalledShop, capsys: pytest.CaptureFixture[str]) -> None:
    """It shows old and new, what is lost, and what to ask AWS for."""
    shop.deployed(Targets="hubspot", HubSpotSecret="/relay/acme/hubspot")
    shop.write(Targets="", JournalDays="90")
    shop.monitoring.limit = 10
    queue = client("sqs").create_queue(QueueName=f"{STACK}-hubspot")["QueueUrl"]
    client("sqs").send_message(QueueUrl=queue, MessageBody="{}")
    assert deployed(shop, "--dry-run") == DONE
    text = capsys.readouterr().out
    assert "its queue with 1 waiting message" in text
    assert "more than 90 days are deleted" in text
    assert "runs 10 functions at once" in text
    assert (shop.did, shop.cloudformation.requests) == ([], [])


def test_declined(shop: InstalledShop) -> None:
    """Without a yes nothing is made, and of a new stack nothing is left."""
    shop.write(ShopDomain="acme.myshopify.com")
    shop.store(KEY)
    with pytest.raises(DeclinedError):
        shop.run(deploy, "acme", "--built", "built.yaml")
    assert (shop.cloudformation.state, shop.cloudformation.deleted) == (None, True)
    assert "subscribed" not in shop.did


@pytest.mark.parametrize(
    ("parameters", "key", "says"),
    [
        ({}, KEY, "lacks ShopDomain"),
        ({"ShopDomain": "acme.myshopify.com"}, None, f"{KEY_NAME} holds no callback key"),
    ],
)
def test_what_a_new_stack_lacks(
    shop: InstalledShop, parameters: dict[str, str], key: str | None, says: str
) -> None:
    """It is named before anything is built."""
    shop.write(**parameters)
    if key:
        shop.store(key)
    with pytest.raises(CliError, match=says) as refused:
        deployed(shop)
    assert "relay init" in refused.value.remedy
    assert shop.did == []


def test_a_name_that_is_too_long_is_refused_before_anything_else(shop: InstalledShop) -> None:
    """No build, no call: how long it may be."""
    shop.write()
    shop.file.write_text(f'stack = "{"s" * 41}"\n')
    with pytest.raises(UsageError, match="has 41 characters and may have 40"):
        deployed(shop)
    assert shop.did == []


def test_a_crm_that_refuses_stops_no_deployment(
    shop: InstalledShop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The webhooks are subscribed all the same, and exit code 3 names what is left to do."""
    shop.deployed(Targets="hubspot", HubSpotSecret="/relay/acme/hubspot")
    shop.write(TimeZone="Europe/Berlin")

    def refuse(*_: object) -> None:
        raise CliError("hubspot: 401")

    monkeypatch.setattr(maintenance, "prepare", refuse)
    assert deployed(shop) == ATTENTION
    assert "relay mirror prepare hubspot" in capsys.readouterr().out
    assert shop.did[-1] == "subscribed"


def test_set_changes_one_parameter(shop: InstalledShop) -> None:
    """The template stays, and what else the file says waits for a deployment."""
    shop.deployed()
    shop.write(TimeZone="Europe/Berlin", JournalDays="365")
    before = dict(shop.cloudformation.parameters)
    assert shop.run(set_parameters, "acme", "JournalDays=400", "--yes") == DONE
    [request] = shop.cloudformation.requests
    assert request["UsePreviousTemplate"] is True
    assert shop.cloudformation.parameters == {**before, "JournalDays": "400"}
    assert 'JournalDays = "400"' in shop.file.read_text()
    assert 'TimeZone = "Europe/Berlin"' in shop.file.read_text()
    assert shop.did == [f"probed with {KEY}"]


def test_set_that_is_rolled_back_leaves_the_file(shop: InstalledShop) -> None:
    """The file says what is deployed."""
    shop.deployed()
    shop.write(JournalDays="365")
    before = shop.file.read_text()
    shop.probes = [ProbeResult(missing={"customer.cancelled"})]
    with pytest.raises(CliError, match="the version before is deployed again"):
        shop.run(set_parameters, "JournalDays=400", "--yes")
    assert shop.file.read_text() == before
    assert shop.cloudformation.parameters["JournalDays"] == "365"


def test_set_what_is_set_already(shop: InstalledShop) -> None:
    """No change set is made."""
    shop.deployed(JournalDays="400")
    shop.write()
    assert shop.run(set_parameters, "JournalDays=400", "--yes") == DONE
    assert shop.cloudformation.requests == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("JournalDays=4",), "must be between 15"),
        (("JournalDay=400",), "do you mean JournalDays"),
        (("acme",), "name a parameter"),
        (("acme", "JournalDays"), "name a parameter"),
        (("JournalDays=400", "JournalDays=401"), "named twice"),
        (("other", "JournalDays=400"), "there is no file"),
        (("TimeZone=Berlin",), "Berlin is no time zone"),
        (("SlackSecret=xoxb-made-up",), "never the secret itself"),
        (("Targets=klaviyo",), "the target klaviyo needs KlaviyoSecret, the name of"),
        (("Targets=hubspot,salesforce",), r"needs SalesforceUrl.*\n.*needs SalesforceSecret"),
    ],
)
def test_set_refuses(shop: InstalledShop, words: tuple[str, ...], says: str) -> None:
    """A mistake is named, and nothing is changed."""
    shop.deployed()
    shop.write()
    with pytest.raises(UsageError, match=says):
        shop.run(set_parameters, *words, "--yes")
    assert shop.cloudformation.requests == []


def test_set_before_a_deployment(shop: InstalledShop) -> None:
    """There is nothing to change yet."""
    shop.write(ShopDomain="acme.myshopify.com")
    with pytest.raises(CliError, match="not deployed yet"):
        shop.run(set_parameters, "JournalDays=400", "--yes")


def test_a_stack_that_took_over_older_tables_is_new(
    shop: InstalledShop, capsys: pytest.CaptureFixture[str]
) -> None:
    """It has a template of tables alone: it is updated, keeps what it has, and gets the key's digest."""
    shop.cloudformation.state = "IMPORT_COMPLETE"
    shop.cloudformation.template = "Parameters: {JournalDays: {Type: Number, Default: 365}}"
    shop.cloudformation.parameters = {"JournalDays": "400"}
    shop.write(ShopDomain="acme.myshopify.com")
    shop.store(KEY)
    assert deployed(shop, "--json") == DONE
    assert printed(capsys)["new"] is True
    [request] = shop.cloudformation.requests
    assert (request["ChangeSetType"], request["RollbackConfiguration"]["RollbackTriggers"]) == ("UPDATE", [])
    assert shop.cloudformation.parameters["JournalDays"] == "400"
    assert shop.cloudformation.parameters["KeyDigests"] == digest(KEY)
