"""A merchant's rules document before it is live: whether it can hold, what it would change, how it is written.

A document that Relay cannot read stops all work, so nothing doubtful is stored: every complaint names the
path and what is allowed there, and all are made at once. What the model itself cannot know is looked at here:
rule ids, amounts that a currency leaves out, and settings that contradict each other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydantic import ValidationError

from relay.rules.catalog import CATALOG
from relay.rules.problems import instead, said
from relay.rules.settings import Rules, Thresholds

_TIER: Final = re.compile(r"[0-9a-f]{8}")
"""How the ids of tiers look in every documented event. Nobody promises it, so another look is merely remarked on."""


class InvalidRulesError(ValueError):
    """The document cannot hold. `problems` are lines of `path: what is wrong and what is allowed`."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


def checked(document: object) -> Rules:
    """Return the rules that a document makes.

    Raises:
        BadRulesError: it cannot hold.

    """
    if not isinstance(document, Mapping):
        raise InvalidRulesError(
            ("the document: should be names with their values, such as `billing_attempts: 4`",)
        )
    problems: list[str] = []
    try:
        rules = Rules.model_validate(document)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        problems = [said(problem) for problem in found]
        # The rest is looked at as well: nobody mends a document one complaint at a time.
        broken = {str(problem["loc"][0]) for problem in found}
        rules = Rules.model_validate(
            {name: part for name, part in document.items() if str(name) not in broken}
        )
    problems += [*_doubts(rules), *_unknown(document), *_left_out(document)]
    if problems:
        raise InvalidRulesError(tuple(problems))
    return rules


def remarks(rules: Rules) -> Iterator[str]:
    """Yield what a person should look at before these rules hold, though they can."""
    for tier_id in rules.tiers:
        if not _TIER.fullmatch(tier_id):
            yield (
                f"tiers.{tier_id}: tiers go by their id, such as 3a636361, never by a name; "
                "a CRM shows it as the member's tier id"
            )


def document_of(rules: Rules) -> dict[str, Any]:
    """Return what differs from the defaults, in types that JSON has: this is what is stored."""
    written: dict[str, Any] = rules.model_dump(mode="json", exclude_defaults=True)
    if rules.currencies:
        # Whole: what was said of yen may be the number that is the default for dollars.
        written["currencies"] = rules.model_dump(mode="json", include={"currencies"})["currencies"]
    return written


def settings(rules: Rules) -> dict[str, Any]:
    """Return every effective setting by its path: `thresholds.high_value_credits`; a rule and a tier by its id."""
    return dict(_flat(rules.model_dump(mode="json"), ""))


def differences(old: Rules, new: Rules) -> Iterator[tuple[str, Any, Any]]:
    """Yield what another document would change: the path, the value now, the value then; None for none."""
    before, after = settings(old), settings(new)
    for path in dict.fromkeys((*before, *after)):
        if before.get(path) != after.get(path):
            yield path, before.get(path), after.get(path)


def _flat(part: Mapping[str, Any], under: str) -> Iterator[tuple[str, Any]]:
    for name, value in part.items():
        path = f"{under}.{name}" if under else str(name)
        if isinstance(value, dict) and value:
            yield from _flat(value, path)
        elif value != {}:
            yield path, value


def _doubts(rules: Rules) -> Iterator[str]:
    hours = rules.quiet_hours
    if hours and hours.begin == hours.end:
        yield "quiet_hours: begins when it ends, which would be never or always; leave it out for never"
    if rules.retention.on and not rules.retention.amount:
        yield "retention.amount: should be more than 0 while retention.on is true"
    if rules.retention.on and rules.retention.amount > rules.retention.monthly_ceiling:
        yield "retention.monthly_ceiling: should be at least retention.amount, or nothing is ever granted"


def _unknown(document: Mapping[str, Any]) -> Iterator[str]:
    """Complain of rules that there are not, and of a level where nobody is told."""
    for name, setting in _entries(document, "rules"):
        if name not in CATALOG:
            yield f"rules.{name}: there is no such rule{instead(name, CATALOG)}; `relay rules show` lists them"
        elif isinstance(setting, Mapping) and setting.get("level") is not None and not CATALOG[name].level:
            yield f"rules.{name}.level: this rule tells nobody, so it has no level; it can be switched `on` or off"


def _left_out(document: Mapping[str, Any]) -> Iterator[str]:
    """Complain of amounts that a currency does not name: a number that fits dollars means nothing in yen."""
    for currency, amounts in _entries(document, "currencies"):
        named = amounts if isinstance(amounts, Mapping) else {}
        missing = [name for name in Thresholds.model_fields if name not in named]
        if missing and isinstance(amounts, Mapping):
            yield (
                f"currencies.{currency}: names no {', '.join(missing)}; nothing is taken over from `thresholds`, "
                "so say each amount in this currency, 0 to switch one off"
            )


def _entries(document: Mapping[str, Any], part: str) -> Iterator[tuple[str, Any]]:
    found = document.get(part)
    yield from ((str(name), entry) for name, entry in found.items()) if isinstance(found, Mapping) else ()
