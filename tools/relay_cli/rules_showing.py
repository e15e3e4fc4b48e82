"""The rules in force as `relay rules show` prints them: every setting, what is not the default marked, and every rule."""

from __future__ import annotations

import json
from typing import Any

from relay.rules.catalog import CATALOG
from relay.rules.document import effective_settings
from relay.rules.settings import Rules


def show(rules: Rules, *, as_json: bool) -> int:
    """Print every setting and every rule; return the exit code."""
    usual, found = effective_settings(Rules()), effective_settings(rules)
    if as_json:
        changed = sorted(path for path in found if found[path] != usual.get(path))
        known = {name: {"about": entry.about, "level": entry.level} for name, entry in CATALOG.items()}
        print(json.dumps({"settings": found, "changed": changed, "rules": known}, indent=2))
        return 0
    print("Settings; * is not the default.\n")
    for path, value in found.items():
        own = path in usual and value == usual[path]
        print(f"{' ' if own else '*'} {path}: {as_text(value)}" + ("" if own else _usually(usual.get(path))))
    print("\nRules; a rule's switch and level are set under `rules`.\n")
    for name, entry in CATALOG.items():
        state = _state(rules, name)
        level = f" [{entry.level}]" if entry.level else ""
        print(f"{'*' if state else ' '} {name}{level}: {entry.about}{state}")
    return 0


def _state(rules: Rules, name: str) -> str:
    rule = rules.setting_for(name)
    if not rule.on:
        return " (off)"
    return f" (set to {rule.level})" if rule.level else ""


def _usually(value: Any) -> str:
    return "" if value is None else f"  (default {as_text(value)})"


def as_text(value: Any) -> str:
    """Return a setting's value as a person writes it."""
    return "-" if value is None else json.dumps(value, ensure_ascii=False).strip('"')
