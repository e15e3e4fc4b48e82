"""The words of the house: a class name is unique in its package, and words that said too little are gone."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.support.port_fakes import ROOT

PACKAGES: Final = tuple(
    path.parent
    for folder in ("layers/shared", "tools")
    for path in sorted((ROOT / folder).glob("*/__init__.py"))
)

CHECKED: Final = (
    "functions/clock",
    "functions/crm_sync",
    "functions/grants",
    "functions/reconcile",
    "layers/shared/relay/adapters/aws",
    "layers/shared/relay/adapters/crm_batches.py",
    "layers/shared/relay/adapters/http.py",
    "layers/shared/relay/adapters/hubspot",
    "layers/shared/relay/adapters/inveterate_api.py",
    "layers/shared/relay/adapters/klaviyo",
    "layers/shared/relay/adapters/salesforce",
    "layers/shared/relay/adapters/webhook",
    "layers/shared/relay/adapters/dynamodb/attributes.py",
    "layers/shared/relay/adapters/dynamodb/circuit.py",
    "layers/shared/relay/adapters/dynamodb/crm_state.py",
    "layers/shared/relay/adapters/dynamodb/grants.py",
    "layers/shared/relay/adapters/dynamodb/kpis.py",
    "layers/shared/relay/adapters/dynamodb/rate_limit.py",
    "layers/shared/relay/adapters/dynamodb/scans.py",
    "layers/shared/relay/adapters/dynamodb/sync_state_scan.py",
    "layers/shared/relay/adapters/dynamodb/throttle.py",
    "layers/shared/relay/adapters/dynamodb/versioned.py",
    "layers/shared/relay/crm",
    "layers/shared/relay/grants",
    "layers/shared/relay/model/metrics.py",
    "layers/shared/relay/ports/crm.py",
    "layers/shared/relay/ports/crm_state.py",
    "layers/shared/relay/ports/grants.py",
    "layers/shared/relay/ports/inveterate.py",
    "layers/shared/relay/ports/kpis.py",
    "layers/shared/relay/ports/members.py",
    "layers/shared/relay/ports/messaging.py",
    "layers/shared/relay/ports/optimistic.py",
    "layers/shared/relay/ports/runtime.py",
    "layers/shared/relay/ports/scans.py",
    "layers/shared/relay/reconcile",
    "layers/shared/relay/scheduler",
    "layers/shared/relay/wiring",
)
"""Folders and files whose every word is checked. To be widened to functions/, layers/, tools/ and scripts/."""

CHECKED_DOCSTRINGS: Final = (
    "tests/contract/crm",
    "tests/functional/crm",
    "tests/functional/grants",
    "tests/functional/mirror_command",
    "tests/functional/reconcile",
    "tests/functional/scheduler",
    "tests/functional/wiring",
    "tests/unit/adapters",
    "tests/unit/crm",
    "tests/unit/grants",
    "tests/unit/house",
    "tests/unit/reconcile",
    "tests/unit/scheduler",
    "tests/unit/scripts",
    "tests/unit/template",
    "tests/unit/wiring",
)
"""Folders of tests whose docstrings are checked. To be widened to tests/."""

CHECKED_CLASSES: Final[tuple[str, ...]] = ("relay",)
"""Packages whose class names are unique already. To be widened to all of `PACKAGES`."""

WORDS: Final = (
    "clockwork",
    "desk",
    "doors",
    "errand",
    "hushed",
    "nobody",
    "occasion",
    "somebody",
    "strays",
    "telling",
    "turnstile",
    "vacate",
    "whence",
    "whom",
)
PHRASES: Final = ("what became of",)

EXCEPTIONS: Final = frozenset({("tools/local_stack", "strays")})
"""The key `strays` of the RESULT that `make run` prints: scripts read it."""

_FORBIDDEN: Final = re.compile(
    "|".join([rf"(?<![a-z])(?:{'|'.join(WORDS)})(?:s|es|d)?(?![a-z])", *map(re.escape, PHRASES)])
)
_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
"""Where a name like `ErrandQueue` is cut into its words."""


def words_in(text: str) -> list[str]:
    """Return the forbidden words and phrases of a text, as the lower-case words that they are in."""
    return _FORBIDDEN.findall(re.sub(r"\s+", " ", _HUMP.sub("_", text)).lower())


def files(*places: str) -> Iterator[Path]:
    """Yield the Python files of some folders, and single files."""
    for place in places:
        path = ROOT / place
        assert path.exists(), f"{place} is gone: take it off the list"
        yield from [path] if path.is_file() else sorted(path.rglob("*.py"))


def excepted(path: Path, word: str) -> bool:
    return any(path.is_relative_to(ROOT / place) and word == allowed for place, allowed in EXCEPTIONS)


@pytest.mark.parametrize("place", CHECKED)
def test_no_word_of_the_old_vocabulary_is_left(place: str) -> None:
    """In names, docstrings, comments, help and log messages; in the names of files too."""
    found = {
        (path.relative_to(ROOT).as_posix(), word)
        for path in files(place)
        for word in words_in(f"{path.stem} {path.read_text()}")
        if not excepted(path, word)
    }
    assert sorted(found) == []


def docstrings(path: Path) -> Iterator[str]:
    """Yield the docstrings of a file: of its module, its classes and functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield ast.get_docstring(node) or ""


@pytest.mark.parametrize("place", CHECKED_DOCSTRINGS)
def test_no_docstring_of_a_test_has_one_either(place: str) -> None:
    """A test's docstring is the sentence that a reader finds when it fails."""
    found = {
        (path.relative_to(ROOT).as_posix(), word)
        for path in files(place)
        for text in docstrings(path)
        for word in words_in(text)
    }
    assert sorted(found) == []


def class_names(package: Path) -> Iterator[str]:
    """Yield the names of a package's classes; private ones concern their module alone."""
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                yield node.name


@pytest.mark.parametrize("package", [path for path in PACKAGES if path.name in CHECKED_CLASSES])
def test_a_class_name_is_unique_in_its_package(package: Path) -> None:
    """A name stands for one class, and a search finds one definition."""
    assert [name for name, number in Counter(class_names(package)).items() if number > 1] == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("class ErrandQueue:", ["errand"]),
        ("def doors_of(desk):", ["doors", "desk"]),
        ("what\n    became of it, and of whom", ["what became of", "whom"]),
        ("nobodys turnstiles", ["nobodys", "turnstiles"]),
        ("outdoors, desktop, occasional, spelling, foretelling", []),
    ],
)
def test_words_are_found_in_names_and_sentences(text: str, found: list[str]) -> None:
    """In parts of names, over line breaks, in the plural; not within another word."""
    assert words_in(text) == found
