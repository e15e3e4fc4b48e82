"""`relay rules validate` and `show`: a bad document is refused with the path and what is allowed; no stack needed."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from relay.rules.catalog import CATALOG
from relay.rules.document import InvalidRulesError, differences, document_of, validated
from relay.rules.settings import Rules
from relay_cli import plain_yaml
from relay_cli.main import main

GOOD = """
billing_attempts: 4
digest_at: 21:00
quiet_hours: {begin: 22:00, end: 07:30}
retention: {on: true, amount: 15, monthly_ceiling: 300}
thresholds: {high_value_credits: 0.5}
currencies:
  JPY:
    high_value_annual_fee: 15000
    high_value_credits: 15000
    high_value_revenue: 75000
    credit_anomaly: 250
    expired_at_once: 7500
    expiring_at_least: 0
tiers:
  12345678: {name: Gold, rank: 2, billing_interval: month}
  12e45678: {rank: 1}
rules:
  dunning.attempt: {level: warning}
  cancel.pending: {on: false}
"""


def test_a_good_document_means_what_it_says() -> None:
    """`on` is a word, `21:00` a time, an id text; amounts are exact; and what is stored says it again."""
    rules = validated(plain_yaml.load(GOOD))
    assert rules.retention.on
    assert (rules.digest_at.hour, str(rules.quiet_hours and rules.quiet_hours.end)) == (21, "07:30:00")
    assert rules.thresholds.high_value_credits == Decimal("0.5")
    assert rules.thresholds.high_value_revenue == Decimal(500)
    assert rules.thresholds_for("JPY").high_value_credits == Decimal(15000)
    assert set(rules.tiers) == {"12345678", "12e45678"}
    assert not rules.setting_for("cancel.pending").on
    stored = json.dumps(document_of(rules))
    assert Rules.model_validate_json(stored) == rules
    assert "high_value_revenue" not in stored.partition('"currencies"')[0]
    # A currency is stored whole: another default for dollars is not to become one for yen.
    assert json.loads(stored)["currencies"]["JPY"]["credit_anomaly"] == "250"


@pytest.mark.parametrize(
    ("text", "path", "said"),
    [
        ("billing_atempts: 4", "billing_atempts", "did you mean billing_attempts?"),
        ("billing_attempts: 0", "billing_attempts", "should be 1 or more"),
        ("billing_attempts: often", "billing_attempts", "should be a whole number"),
        ("billing_attempts: 31", "billing_attempts", "should be 30 or less"),
        ("billing_attempts: 2.5", "billing_attempts", "should be a whole number"),
        ("billing_attempts: [3]", "billing_attempts", "should be a whole number"),
        ("dunning_owner: me", "dunning_owner", "should be inveterate, churnbuster or esp"),
        ("thresholds: {high_value: 3}", "thresholds.high_value", "did you mean"),
        ("thresholds: {credit_anomaly: -1}", "thresholds.credit_anomaly", "should be 0 or more"),
        ("thresholds: {credit_anomaly: NaN}", "thresholds.credit_anomaly", "should be an amount"),
        ("thresholds: {credit_anomaly: much}", "thresholds.credit_anomaly", "should be an amount"),
        ("thresholds: 5", "thresholds", "should be names with their values"),
        ("tiers: 5", "tiers", "should be names with their values"),
        ("currencies: {usd: {credit_anomaly: 1}}", "currencies.usd", "three capital letters"),
        ("currencies: {JPY: {credit_anomaly: 30000}}", "currencies.JPY", "names no high_value_annual_fee, high_value_credits,"),
        ("currencies: {JPY: {}}", "currencies.JPY", "nothing is taken over from `thresholds`"),
        ("tiers: {abc: {name: [x]}}", "tiers.abc.name", "should be a text"),
        ("tiers: {abc: {billing_interval: week}}", "tiers.abc.billing_interval", "should be month, quarter or year"),
        ("rules: {dunning.atempt: {on: false}}", "rules.dunning.atempt", "did you mean dunning.attempt?"),
        ("rules: {cancel.pending: {level: loud}}", "rules.cancel.pending.level", "should be info, warning, error or critical"),
        ("channels: {warning: [pager]}", "channels.warning.0", "should be email, slack or pagerduty"),
        ("channels: {warning: slack}", "channels.warning", "should be a list"),
        ("rules: {join.free: {level: warning}}", "rules.join.free.level", "sends no alert"),
        ("rules: {digest: {level: error}}", "rules.digest.level", "sends no alert"),
        ("quiet_hours: {begin: 22:00, end: 22:00}", "quiet_hours", "leave it out"),
        ("quiet_hours: {begin: 22:00}", "quiet_hours.end", "is missing"),
        ("retention: {on: true, amount: 600}", "retention.monthly_ceiling", "at least"),
        ("digest_at: breakfast", "digest_at", "should be a time of day"),
        ("mask: perhaps", "mask", "should be true or false"),
        ("[1, 2]", "the document", "names with their values"),
        ("a: b: c", "line 1", "mapping values"),
        ("mask: true\nmask: false", "line 2", "stands here twice"),
    ],
)  # fmt: skip
def test_a_bad_document_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, path: str, said: str
) -> None:
    """Each complaint names the path and what is allowed there; the exit code says that it cannot hold."""
    document = tmp_path / "rules.yaml"
    document.write_text(text)
    assert main(["rules", "validate", str(document)]) == 2
    complaint = capsys.readouterr().err.strip()
    assert complaint.startswith(f"{path}: ")
    assert said in complaint
    assert not re.search(r"Input|Value error|valid|unable|parse|type=|None|pattern|arguments", complaint)


def test_all_that_is_wrong_is_said_at_once() -> None:
    """Nobody mends a document one complaint at a time."""
    with pytest.raises(InvalidRulesError) as refused:
        validated({"billing_attempts": 0, "mask": "perhaps", "tiers": {"a": {"rank": "high"}}})
    assert len(refused.value.problems) == 3


def test_what_only_the_document_as_a_whole_shows_is_said_as_well() -> None:
    """An unknown rule, amounts left out and contradictions are told beside what is wrong in a single value."""
    document = {
        "mask": "perhaps",
        "rules": {"cancel.pnding": {"on": False}, "cancel.soon": {"level": "loud"}},
        "retention": {"on": True, "amount": 600},
        "currencies": {"JPY": {"credit_anomaly": 30000}, "usd": {}},
        "quiet_hours": {"begin": "22:00", "end": "22:00"},
    }
    with pytest.raises(InvalidRulesError) as refused:
        validated(document)
    paths = {problem.partition(": ")[0] for problem in refused.value.problems}
    assert paths == {
        "mask",
        "rules.cancel.pnding",
        "rules.cancel.soon.level",
        "retention.monthly_ceiling",
        "currencies.JPY",
        "currencies.usd",
        "quiet_hours",
    }


def test_a_stored_document_of_an_older_version_is_still_read() -> None:
    """What a currency left out when that was allowed holds as it did: unreadable rules would stop all work."""
    rules = Rules.model_validate_json('{"currencies": {"JPY": {"credit_anomaly": "30000"}}}')
    assert rules.thresholds_for("JPY").high_value_credits == Decimal(100)


def test_a_tier_by_its_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Ids are nowhere promised to look alike, so it is not refused; but it would match nobody, and that is said."""
    document = tmp_path / "rules.yaml"
    document.write_text("tiers: {Gold: {rank: 2}, 3a636361: {rank: 1}}")
    assert main(["rules", "validate", str(document)]) == 0
    assert capsys.readouterr().err.startswith("look at tiers.Gold: tiers go by their id, such as 3a636361")
    assert main(["rules", "validate", "--json", str(document)]) == 0
    assert len(json.loads(capsys.readouterr().out)["remarks"]) == 1


def test_for_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--json` says whether a document can hold, and all problems."""
    document = tmp_path / "rules.json"
    document.write_text('{"rules": {"nonsense": {}}}')
    assert main(["rules", "validate", "--json", str(document)]) == 2
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (answer["valid"], len(answer["problems"])) == (False, 1)
    document.write_text("{}")
    assert main(["rules", "validate", "--json", str(document)]) == 0
    assert json.loads(capsys.readouterr().out) == {"valid": True, "problems": [], "remarks": []}


def test_show_the_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    """Every setting and every rule has its line, and nothing is marked."""
    assert main(["rules", "show", "--defaults"]) == 0
    shown = capsys.readouterr().out
    assert "  thresholds.high_value_annual_fee: 100" in shown
    assert all(f"  {name}" in shown for name in CATALOG)
    assert "\n*" not in shown


def test_what_a_document_would_change() -> None:
    """Only what differs, by its path: what it is and what it would be."""
    new = validated({"billing_attempts": "5", "rules": {"cancel.pending": {"on": "false"}}})
    assert list(differences(Rules(), new)) == [
        ("billing_attempts", 3, 5),
        ("rules.cancel.pending.on", None, False),
    ]


def test_a_file_that_cannot_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is wrong with it is said in words, be it not there or no text."""
    assert main(["rules", "validate", str(tmp_path / "rules.yaml")]) == 1
    assert "rules.yaml cannot be read: No such file or directory" in capsys.readouterr().err
    (tmp_path / "rules.yaml").write_bytes(b"\xff")
    assert main(["rules", "validate", str(tmp_path / "rules.yaml")]) == 1
    assert "cannot be read: it is no UTF-8 text" in capsys.readouterr().err
