"""What is wrong with a setting of the rules, in a sentence that says what is allowed there.

pydantic finds it; its sentences are written for programmers, so each kind that the model can bring about has
words of ours. What it found is never repeated: a document may hold what is not ours to print.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, Final

from relay.rules.settings import Retention, Rules, RuleSetting, Thresholds, TierSetting

_NEAR: Final = 0.6
"""How alike two words have to be for one to be offered instead of the other."""

_WORDS: Final[Mapping[str, str]] = {
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
"""By the first word of pydantic's name for the kind."""

_CURRENCY: Final = "should be the currency's code in three capital letters, such as EUR"
_ALLOWED_AT_MOST: Final = len(Rules.model_fields)


def said(problem: Mapping[str, Any]) -> str:
    """Return `path: what is wrong` for one of pydantic's problems."""
    steps = [str(step) for step in problem["loc"] if step != "[key]"]
    path, kind, allowed = ".".join(steps), str(problem["type"]), problem.get("ctx", {})
    match kind:
        case "extra_forbidden":
            return f"{path}: there is no such setting{instead(steps[-1], _names(steps[:-1]))}"
        case "string_pattern_mismatch":
            return f"{path}: {_CURRENCY}"
        case "literal_error":
            return f"{path}: should be {str(allowed['expected']).replace(chr(39), '')}"
        case "greater_than_equal":
            return f"{path}: should be {allowed['ge']} or more"
        case "less_than_equal":
            return f"{path}: should be {allowed['le']} or less"
        case _:
            return f"{path}: {_WORDS.get(kind.partition('_')[0], 'is nothing that can stand here')}"


def instead(word: str, known: Iterable[str]) -> str:
    """Return what was probably meant, or what there is to choose from where that is little; else nothing."""
    choices = list(known)
    near = get_close_matches(word, choices, n=1, cutoff=_NEAR)
    if near:
        return f" (did you mean {near[0]}?)"
    return f" (allowed: {', '.join(choices)})" if choices and len(choices) <= _ALLOWED_AT_MOST else ""


def _names(path: list[str]) -> list[str]:
    """Return what may be said under a path."""
    within: dict[str, type[Any]] = {
        "tiers": TierSetting,
        "currencies": Thresholds,
        "rules": RuleSetting,
        "retention": Retention,
    }
    if not path:
        return list(Rules.model_fields)
    model = within.get(path[0]) or type(getattr(Rules(), path[0], None))
    return list(getattr(model, "model_fields", ()))
