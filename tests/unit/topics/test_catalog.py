"""The catalog of rules: every id is in it and in the docs, and the merchant's switch and level apply everywhere."""

from __future__ import annotations

import json
import re
from decimal import Decimal

import pytest
from relay.model.effects import Alert, Effect, GrantCredits, Kpi, Level, Note, Recheck
from relay.rules.catalog import CATALOG, apply_settings
from relay.rules.document import effective_settings, remarks, validated
from relay.rules.settings import Rules, RuleSetting
from relay_cli.commands.rules import yaml_document

from tests.support.in_memory_relay import Programme, day
from tests.support.port_fakes import ROOT
from tests.support.sample_events import CUSTOMER, content

SOURCES = [*(ROOT / "functions").glob("*/app.py"), *(ROOT / "layers/shared/relay").rglob("*.py")]
OPEN = Alert(rule="cancel.pending", incident_key="o", level=Level.WARNING, title="t")
RESOLVE = Alert(rule="cancel.pending", incident_key="o", level=Level.INFO, title="t", action="resolve")
UPDATE = Alert(rule="cancel.pending", incident_key="o", level=Level.INFO, title="t", action="update")
NOTE = Note(rule="cancel.pending", name="n")
KPI = Kpi(rule="cancel.pending", name="pending_cancellation")
GRANT = GrantCredits(rule="cancel.pending", key="k", amount=Decimal(1))
RECHECK = Recheck(rule="cancel.pending", reason="r")
ALL: list[Effect] = [OPEN, RESOLVE, UPDATE, NOTE, KPI, GRANT, RECHECK]


def test_every_id_in_the_code_is_in_the_catalog() -> None:
    """A rule that is not in the catalog could be neither shown nor switched off. A new family is added to the pattern."""
    text = "\n".join(path.read_text() for path in SOURCES if path.name != "catalog.py")
    ids = set(
        re.findall(
            r'"((?:join|tier|order|payment|dunning|credits|cancel|retention|erasure|programme)\.[a-z_]+)"',
            text,
        )
    )
    assert ids <= CATALOG.keys()
    assert len(ids) > 25


def test_the_docs_have_every_rule() -> None:
    """docs/rules.md has each id with its sentence and level, in the catalog's order."""
    text = (ROOT / "docs/rules.md").read_text().partition("## The rules by id")[2]
    rows = re.findall(r"^\| `(\S+)` \| (.*) \| (.*) \|$", text, re.MULTILINE)
    expected = [(name, entry.about, entry.level or "-") for name, entry in CATALOG.items()]
    assert rows == expected, f"docs/rules.md differs by {sorted({*rows} ^ {*expected})}"


def test_the_docs_have_every_setting() -> None:
    """docs/rules.md has each setting with its default."""
    text = (ROOT / "docs/rules.md").read_text()
    rows = re.findall(
        r"^\| `([a-z0-9_.]+)` \| (\S.*?) \| .* \|$", text.partition("## Levels")[0], re.MULTILINE
    )
    defaults = {**dict.fromkeys(("tiers", "currencies", "rules")), **effective_settings(Rules())}
    del defaults["version"]
    assert dict(rows) == {path: _written(value) for path, value in defaults.items()}


def _written(value: object) -> str:
    if value is None:
        return "-"
    return (", ".join(value) or "-") if isinstance(value, list) else str(value).lower()


def test_the_example_in_the_docs_is_valid() -> None:
    """It validates without a remark."""
    example = (ROOT / "docs/rules.md").read_text().partition("```yaml")[2].partition("```")[0]
    rules = validated(yaml_document.load(example))
    assert rules.amount_set("high_value_annual_fee", "JPY") == Decimal(30_000)
    assert list(remarks(rules)) == []


def test_with_nothing_set_no_effect_changes() -> None:
    """The rules' own levels apply."""
    assert list(apply_settings(ALL, Rules())) == ALL


def test_switched_off() -> None:
    """A rule that is off sends no alert and no note and grants nothing; it still counts, rechecks and resolves."""
    off = Rules(rules={"cancel.pending": RuleSetting(on=False)})
    assert list(apply_settings(ALL, off)) == [RESOLVE, KPI, RECHECK]


def test_a_level_replaces_the_rules_own() -> None:
    """For alerts of this rule, and no others."""
    critical = Rules(rules={"cancel.pending": RuleSetting(level="critical")})
    applied = list(
        apply_settings([OPEN, Alert(rule="x", incident_key="o", level=Level.INFO, title="t")], critical)
    )
    assert [effect.level for effect in applied if isinstance(effect, Alert)] == [Level.CRITICAL, Level.INFO]


@pytest.mark.parametrize(("rules", "levels"), [
    (Rules(), ["WARNING"]),
    (Rules(rules={"dunning.failed": RuleSetting(level="error")}), ["ERROR"]),
    (Rules(rules={"dunning.failed": RuleSetting(on=False)}), []),
])  # fmt: skip
def test_a_setting_applies_in_a_consumers_batch(rules: Rules, levels: list[str]) -> None:
    """A level or a switch decides what people receive; the record follows all the same."""
    relay = Programme(rules=rules)
    lost = content("lost", 1, amount=5)
    relay.deliver(json.dumps(lost).encode(), day(1))
    assert [each.alert_message.alert.level.name for each in relay.sent] == levels
    assert relay.member(CUSTOMER).payment_status == "failed"
