"""The 15 functions' rules by topic, for tests that run over all of them."""

from __future__ import annotations

import importlib
from typing import Any

from relay.arriving.folding import Rule
from relay.routing import FOLDERS

RULES: dict[str, Rule[Any]] = {
    topic: importlib.import_module(f"functions.{folder}.app").handler.rule
    for topic, folder in FOLDERS.items()
}
