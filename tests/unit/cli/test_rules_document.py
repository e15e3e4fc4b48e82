"""`relay rules validate` and `show` without a stack: an invalid document is refused with the path and what is allowed."""

from __future__ import annotations

import json
import re
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from relay.rules.catalog import CATALOG
from relay.rules.document import InvalidRulesError, differences, document_of, remarks, validated
from relay.rules.measures import Measures
from relay.rules.settings import Rules
from relay_cli.commands.rules import yaml_document
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
    """`on` is a word, `21:00` a time, an id text and an amount exact; the stored document reads the same."""
    rules = validated(yaml_document.load(GOOD))
    assert rules.retention.on
    assert (rules.digest_at.hour, str(rules.quiet_hours and rules.quiet_hours.end)) == (21, "07:30:00")
    assert rules.thresholds.high_value_credits == Decimal("0.5")
    assert rules.thresholds.high_value_revenue is None
    assert rules.amount_set("high_value_credits", "JPY") == Decimal(15000)
    assert rules.billing_attempts == 4
    assert set(rules.tiers) == {"12345678", "12e45678"}
    assert not rules.setting_for("cancel.pending").on
    stored = json.dumps(document_of(rules))
    assert Rules.model_validate_json(stored) == rules
    assert "high_value_revenue" not in stored.partition('"currencies"')[0]
    assert json.loads(stored)["currencies"]["JPY"]["credit_anomaly"] == "250"


def test_only_booleans_and_null_are_not_text() -> None:
    """Unquoted `true`, `false`, `null`, `~` and nothing have their meaning; all else, quoted or not, is text."""
    text = "a: true\nb: false\nc: null\nd: ~\ne:\nf: off\ng: 'true'\nh: 007\ni: 1.50\non: 21:00\n"
    assert yaml_document.load(text) == {
        "a": True,
        "b": False,
        "c": None,
        "d": None,
        "e": None,
        "f": "off",
        "g": "true",
        "h": "007",
        "i": "1.50",
        "on": "21:00",
    }


@pytest.mark.parametrize(
    ("text", "path", "message"),
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
        ("{currency: JPY, currencies: {JPY: {}}}", "currencies", "has its amounts in `thresholds`"),
        ("measures: {}", "measures", "the daily run computes them"),
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
        ("{a: b}: c", "line 1", "unhashable key"),
        ("a: !!python/name:os.system", "line 1", "could not determine a constructor"),
        ("a: 1\n---\nb: 2", "line 2", "another document"),
        ("mask: true\nmask: false", "line 2", "found duplicate key"),
    ],
)  # fmt: skip
def test_a_bad_document_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, path: str, message: str
) -> None:
    """Each problem names the path and what is allowed there; the exit code is 2."""
    document = tmp_path / "rules.yaml"
    document.write_text(text)
    assert main(["rules", "validate", str(document)]) == 2
    problem = capsys.readouterr().err.strip()
    assert problem.startswith(f"{path}: ")
    assert message in problem
    assert not re.search(r"Input|Value error|valid|unable|parse|type=|None|pattern|arguments", problem)


def test_all_problems_are_reported_at_once() -> None:
    """One run reports every problem."""
    with pytest.raises(InvalidRulesError) as refused:
        validated({"billing_attempts": 0, "mask": "perhaps", "tiers": {"a": {"rank": "high"}}})
    assert len(refused.value.problems) == 3


def test_problems_of_the_whole_document_are_reported_as_well() -> None:
    """An unknown rule and contradictions are reported beside wrong single values."""
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
        "currencies.usd",
        "quiet_hours",
    }


def test_a_stored_document_of_an_older_version_is_still_read() -> None:
    """A stored currency without all amounts still loads: unreadable rules would stop all processing."""
    rules = Rules.model_validate_json('{"currencies": {"JPY": {"credit_anomaly": "30000"}}}')
    assert rules.amount_set("credit_anomaly", "JPY") == Decimal(30_000)
    assert rules.amount_set("high_value_credits", "JPY") is None


def test_a_number_holds_for_its_own_currency() -> None:
    """Set in one, it decides nothing in another; without the shop's currency, it holds where no other entry does."""
    rules = validated(
        {
            "currency": "USD",
            "thresholds": {"credit_anomaly": 250},
            "currencies": {"JPY": {"credit_anomaly": 30000}},
        }
    )
    found = [rules.amount_set("credit_anomaly", code) for code in ("USD", "JPY", "EUR")]
    assert found == [250, 30000, 0]
    assert rules.amount_set("high_value_credits", "EUR") is None
    unnamed = validated({"thresholds": {"credit_anomaly": 250}})
    assert unnamed.amount_set("credit_anomaly", "EUR") == 250
    assert any(remark.startswith("thresholds: no currency is named") for remark in remarks(unnamed))


def test_a_number_of_attempts_that_is_set_stays_set() -> None:
    """Even where it is the default: what a tier showed counts only while nothing is set."""
    seen = {"measures": Measures(attempts_seen={"gold": {"5": date(2026, 3, 1)}})}
    assert Rules().model_copy(update=seen).billing_attempts_for("gold") == 5
    stored = Rules.model_validate(document_of(validated({"billing_attempts": 3})))
    assert stored.model_copy(update=seen).billing_attempts_for("gold") == 3


def test_a_tier_by_its_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A tier named by its name matches no member. Ids have no promised form, so it is a remark and no problem."""
    document = tmp_path / "rules.yaml"
    document.write_text("tiers: {Gold: {rank: 2}, 3a636361: {rank: 1}}")
    assert main(["rules", "validate", str(document)]) == 0
    assert capsys.readouterr().err.startswith("check tiers.Gold: tiers go by their id, such as 3a636361")
    assert main(["rules", "validate", "--json", str(document)]) == 0
    assert len(json.loads(capsys.readouterr().out)["remarks"]) == 1


def test_validate_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--json` prints whether the document is valid, and all problems."""
    document = tmp_path / "rules.json"
    document.write_text('{"rules": {"nonsense": {}}}')
    assert main(["rules", "validate", "--json", str(document)]) == 2
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (answer["valid"], len(answer["problems"])) == (False, 1)
    document.write_text("{}")
    assert main(["rules", "validate", "--json", str(document)]) == 0
    assert json.loads(capsys.readouterr().out) == {"valid": True, "problems": [], "remarks": []}


def test_show_the_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    """Every setting and every rule has a line, and none is marked."""
    assert main(["rules", "show", "--defaults"]) == 0
    shown = capsys.readouterr().out
    assert "  thresholds.high_value_annual_fee: -" in shown
    assert all(f"  {name}" in shown for name in CATALOG)
    assert "\n*" not in shown


def test_differences() -> None:
    """Only settings that differ are listed, with path, present value and new value."""
    new = validated({"billing_attempts": "5", "rules": {"cancel.pending": {"on": "false"}}})
    assert list(differences(Rules(), new)) == [
        ("billing_attempts", 3, 5),
        ("rules.cancel.pending.on", None, False),
    ]


def test_a_file_that_cannot_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A missing file and one that is not text are reported with the reason."""
    assert main(["rules", "validate", str(tmp_path / "rules.yaml")]) == 2
    assert "rules.yaml cannot be read: No such file or directory" in capsys.readouterr().err
    (tmp_path / "rules.yaml").write_bytes(b"\xff")
    assert main(["rules", "validate", str(tmp_path / "rules.yaml")]) == 2
    assert "cannot be read: it is not UTF-8 text" in capsys.readouterr().err
