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

PACKAGES: Final = (
    *(path.parent for path in sorted((ROOT / "layers/shared").glob("*/__init__.py"))),
    *(path.parent for path in sorted((ROOT / "tools").glob("*/__init__.py"))),
    ROOT / "layers/shared/inveterate/v1",
)
"""The packages in each of which a class name is unique. The SDK's v1 has a `Client` of its own, as documented."""

CHECKED: Final = ("functions", "layers", "tools", "scripts")
"""Folders whose every word is checked."""

CHECKED_DOCSTRINGS: Final = ("tests",)
"""Folders whose docstrings are checked."""

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
    others = [other for other in PACKAGES if other != package and other.is_relative_to(package)]
    for path in sorted(package.rglob("*.py")):
        if any(path.is_relative_to(other) for other in others):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                yield node.name


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
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
