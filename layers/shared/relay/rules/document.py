"""Validates a merchant's rules document before it is stored, and compares it with the one in force.

A document that Relay cannot read stops all work, so only a valid one is stored. Every problem names the path and
what is allowed there, and all problems are reported at once. pydantic finds most of them; its sentences are written
for programmers, so each kind that the models can cause has a sentence here. Values of the document are never repeated:
it may hold what must not be printed. The models cannot know rule ids, and settings that contradict each other: those
are checked here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Final

from pydantic import ValidationError

from relay.rules.catalog import CATALOG
from relay.rules.settings import Retention, Rules, RuleSetting, Thresholds, TierSetting

_TIER: Final = re.compile(r"[0-9a-f]{8}")
"""The form of tier ids in every documented event. The platform does not promise it, so another form is only a remark."""

_SIMILAR: Final = 0.6
"""How similar two words have to be for one to be suggested instead of the other, from 0 to 1."""

_EXPECTED: Final[Mapping[str, str]] = {
    "missing": "is missing",
    "int": "should be a whole number",
    "decimal": "should be an amount, such as 49.90",
    "finite": "should be an amount, such as 49.90",
    "bool": "should be true or false",
    "time": "should be a time of day, such as 09:00",
    "string": "should be a text",
    "tuple": "should be a list, such as [slack, email]",
    "mapping": "should be names with their values",
    "dict": "should be names with their values",
    "model": "should be names with their values",
}
"""By the first word of pydantic's name for the kind of problem."""

_CURRENCY: Final = "should be the currency's code in three capital letters, such as EUR"
_MANAGE_URL: Final = (
    "should be an https address of at most 160 characters that holds {customer_id} after the host, such as "
    "https://shop.example/account?customer={customer_id}"
)
_SETTINGS: Final = [name for name in Rules.model_fields if name != "measures"]
_CHOICES_SHOWN: Final = len(_SETTINGS)


class InvalidRulesError(ValueError):
    """The document is not valid. `problems` are lines of `path: what is wrong and what is allowed`."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


def validated(document: object) -> Rules:
    """Return the rules of a document.

    Raises:
        InvalidRulesError: the document is not valid.

    """
    if not isinstance(document, Mapping):
        raise InvalidRulesError(
            ("the document: should be names with their values, such as `billing_attempts: 4`",)
        )
    problems: list[str] = []
    if "measures" in document:
        # Not in the models' sentence either: the daily run computes them, and a document that had them would be overruled.
        raise InvalidRulesError(("measures: is no setting; the daily run computes them",))
    try:
        rules = Rules.model_validate(document)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        problems = [_sentence(problem) for problem in found]
        # The other parts are checked as well, so that one run reports every problem.
        broken = {str(problem["loc"][0]) for problem in found}
        rules = Rules.model_validate(
            {name: part for name, part in document.items() if str(name) not in broken}
        )
    problems += [*_contradictions(rules), *_unknown_rules(document)]
    if problems:
        raise InvalidRulesError(tuple(problems))
    return rules


def remarks(rules: Rules) -> Iterator[str]:
    """Yield what a person should check before these rules come into force, though they are valid."""
    for tier_id in rules.tiers:
        if not _TIER.fullmatch(tier_id):
            yield (
                f"tiers.{tier_id}: tiers go by their id, such as 3a636361, never by a name; "
                "a CRM shows it as the member's tier id"
            )
    if rules.currency is None and any(rules.thresholds.model_dump(exclude_none=True).values()):
        yield (
            "thresholds: no currency is named, so these amounts hold in every currency that `currencies` does not "
            "list; say `currency: USD`, the shop's own, and they hold in that one alone"
        )


def document_of(rules: Rules) -> dict[str, Any]:
    """Return what differs from the defaults, in JSON's types: the document that is stored."""
    written: dict[str, Any] = rules.model_dump(mode="json", exclude_defaults=True)
    if "billing_attempts" in rules.model_fields_set:
        # Said, it holds for every tier; not said, a tier may show another number.
        written["billing_attempts"] = rules.billing_attempts
    return written


def effective_settings(rules: Rules) -> dict[str, Any]:
    """Return every setting in force by its path, such as `thresholds.high_value_credits`; rules and tiers by their ids."""
    return dict(_flat(rules.model_dump(mode="json"), ""))


def differences(old: Rules, new: Rules) -> Iterator[tuple[str, Any, Any]]:
    """Yield each setting that differs: the path, the old value, the new value; None where one has none."""
    before, after = effective_settings(old), effective_settings(new)
    for path in dict.fromkeys((*before, *after)):
        if before.get(path) != after.get(path):
            yield path, before.get(path), after.get(path)


def _flat(part: Mapping[str, Any], parent: str) -> Iterator[tuple[str, Any]]:
    for name, value in part.items():
        path = f"{parent}.{name}" if parent else str(name)
        if isinstance(value, dict) and value:
            yield from _flat(value, path)
        elif value != {}:
            yield path, value


def _contradictions(rules: Rules) -> Iterator[str]:
    hours = rules.quiet_hours
    if hours and hours.begin == hours.end:
        yield "quiet_hours: begins when it ends, which would be never or always; leave it out for never"
    if rules.currency in rules.currencies:
        yield "currencies: the shop's own `currency` has its amounts in `thresholds`; leave it out here"
    if rules.retention.on and not rules.retention.amount:
        yield "retention.amount: should be more than 0 while retention.on is true"
    if rules.retention.on and rules.retention.amount > rules.retention.monthly_ceiling:
        yield "retention.monthly_ceiling: should be at least retention.amount, or nothing is ever granted"


def _unknown_rules(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield the rules that do not exist, and the levels of rules that yield no alert."""
    for name, setting in _entries(document, "rules"):
        if name not in CATALOG:
            yield f"rules.{name}: there is no such rule{_suggestion(name, CATALOG)}; `relay rules show` lists them"
        elif isinstance(setting, Mapping) and setting.get("level") is not None and not CATALOG[name].level:
            yield f"rules.{name}.level: this rule sends no alert, so it has no level; it can be switched `on` or off"


def _entries(document: Mapping[str, Any], part: str) -> Iterator[tuple[str, Any]]:
    found = document.get(part)
    yield from ((str(name), entry) for name, entry in found.items()) if isinstance(found, Mapping) else ()


def _sentence(problem: Mapping[str, Any]) -> str:
    """Return `path: what is wrong` for one of pydantic's problems."""
    steps = [str(step) for step in problem["loc"] if step != "[key]"]
    path, kind, context = ".".join(steps), str(problem["type"]), problem.get("ctx", {})
    match kind:
        case "extra_forbidden":
            return f"{path}: there is no such setting{_suggestion(steps[-1], _names(steps[:-1]))}"
        case "string_pattern_mismatch" | "string_too_long" | "manage_url":
            return f"{path}: {_MANAGE_URL if path == 'manage_url' else _CURRENCY}"
        case "literal_error":
            return f"{path}: should be {str(context['expected']).replace(chr(39), '')}"
        case "greater_than_equal":
            return f"{path}: should be {context['ge']} or more"
        case "less_than_equal":
            return f"{path}: should be {context['le']} or less"
        case _:
            return f"{path}: {_EXPECTED.get(kind.partition('_')[0], 'is nothing that can stand here')}"


def _suggestion(word: str, names: Iterable[str]) -> str:
    """Return the name that was probably meant, or all names where they are few; else an empty text."""
    choices = list(names)
    similar = get_close_matches(word, choices, n=1, cutoff=_SIMILAR)
    if similar:
        return f" (did you mean {similar[0]}?)"
    return f" (allowed: {', '.join(choices)})" if choices and len(choices) <= _CHOICES_SHOWN else ""


def _names(path: list[str]) -> list[str]:
    """Return the names that may stand under a path."""
    models: dict[str, type[Any]] = {
        "tiers": TierSetting,
        "currencies": Thresholds,
        "rules": RuleSetting,
        "retention": Retention,
    }
    if not path:
        return _SETTINGS
    model = models.get(path[0]) or type(getattr(Rules(), path[0], None))
    return list(getattr(model, "model_fields", ()))
