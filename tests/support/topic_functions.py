"""The facts and rules of the 15 topic functions by topic, for tests that run over all of them."""

from __future__ import annotations

import importlib
from typing import Any

from relay.ingest.reducer import TopicRule
from relay.topics import FOLDERS

TOPIC_RULES: dict[str, TopicRule[Any]] = {
    topic: importlib.import_module(f"functions.{folder}.app").handler.rule
    for topic, folder in FOLDERS.items()
}
