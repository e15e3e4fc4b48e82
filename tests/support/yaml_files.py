"""YAML documents of the repository, read in C: every process of the tests reads them, and Python takes seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml


def document(path: Path) -> dict[str, Any]:
    """Return what a file says."""
    said: dict[str, Any] = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    return said
