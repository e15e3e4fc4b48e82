"""`relay rules show`: print every setting and every rule, with a mark on what differs from the defaults."""

from __future__ import annotations

import json
from typing import Any

from relay.rules.catalog import CATALOG
from relay.rules.document import effective_settings
from relay.rules.settings import Rules


def print_rules(rules: Rules, *, as_json: bool) -> int:
    """Print every setting and every rule; return the exit code."""
    defaults, values = effective_settings(Rules()), effective_settings(rules)
    if as_json:
        changed = sorted(path for path in values if values[path] != defaults.get(path))
        catalog = {name: {"about": entry.about, "level": entry.level} for name, entry in CATALOG.items()}
        print(json.dumps({"settings": values, "changed": changed, "rules": catalog}, indent=2))
        return 0
    print("Settings (* differs from the default):\n")
    for path, value in values.items():
        same = path in defaults and value == defaults[path]
        mark, note = (" ", "") if same else ("*", _default_note(defaults.get(path)))
        print(f"{mark} {path}: {as_text(value)}{note}")
    print("\nRules (switch and level of a rule are set under `rules`):\n")
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


def _default_note(value: Any) -> str:
    return "" if value is None else f"  (default {as_text(value)})"


def as_text(value: Any) -> str:
    """Return a setting's value as it is written in a document."""
    return "-" if value is None else json.dumps(value, ensure_ascii=False).strip('"')
