"""A merchant's rules document before it is live: whether it can hold, what it would change, how it is written.

A document that Relay cannot read stops all work, so nothing doubtful is stored: every complaint names the
path and what is allowed there. What the model itself cannot know is looked at here: rule ids, and settings
that contradict each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydantic import ValidationError

from relay.rulebook import RULEBOOK
from relay.rules import Rule, Rules, Thresholds, Tier

_NEAR: Final = 0.6
"""How alike two words have to be for one to be offered instead of the other."""


class BadRulesError(ValueError):
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
        raise BadRulesError(
            ("the document: should be names with their values, such as `billing_attempts: 4`",)
        )
    try:
        rules = Rules.model_validate(document)
    except ValidationError as error:
        raise BadRulesError(tuple(_said(problem) for problem in error.errors(include_url=False))) from None
    problems = tuple(_doubts(rules))
    if problems:
        raise BadRulesError(problems)
    return rules


def document_of(rules: Rules) -> dict[str, Any]:
    """Return what differs from the defaults, in types that JSON has: this is what is stored."""
    written: dict[str, Any] = rules.model_dump(mode="json", exclude_defaults=True)
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
    for rule in rules.rules:
        if rule not in RULEBOOK:
            yield f"rules.{rule}: there is no such rule{_instead(rule, RULEBOOK)}; `relay rules show` lists them"
    hours = rules.quiet_hours
    if hours and hours.begin == hours.end:
        yield "quiet_hours: begins when it ends, which would be never or always; leave it out for never"
    if rules.retention.on and not rules.retention.amount:
        yield "retention.amount: should be more than 0 while retention.on is true"
    if rules.retention.on and rules.retention.amount > rules.retention.monthly_ceiling:
        yield "retention.monthly_ceiling: should be at least retention.amount, or nothing is ever granted"


def _said(problem: Mapping[str, Any]) -> str:
    path = ".".join(str(step) for step in problem["loc"] if step != "[key]")
    if problem["type"] == "extra_forbidden":
        *above, last = (str(step) for step in problem["loc"])
        return f"{path}: there is no such setting{_instead(last, _names(above))}"
    # pydantic's sentences say what is allowed; of some they say it in their own kind of English.
    said = str(problem["msg"]).removeprefix("Input ").removeprefix("Value error, ")
    return f"{path}: {said}"


def _names(path: list[str]) -> list[str]:
    """Return what may be said under a path."""
    within: dict[str, type[Any]] = {"tiers": Tier, "currencies": Thresholds, "rules": Rule}
    if not path:
        return list(Rules.model_fields)
    model = within.get(path[0]) or type(getattr(Rules(), path[0], None))
    return list(getattr(model, "model_fields", ()))


def _instead(word: str, known: Any) -> str:
    from difflib import get_close_matches

    near = get_close_matches(word, list(known), n=1, cutoff=_NEAR)
    if near:
        return f" (did you mean {near[0]}?)"
    return f" (allowed: {', '.join(known)})" if len(list(known)) <= len(Rules.model_fields) else ""
