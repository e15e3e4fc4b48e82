"""The judge shares no code with the accused: only the rig, which plays deliveries through the handlers, imports it.

The tests of the planted faults import it as well, to break it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ACCUSED = frozenset({"relay", "inveterate", "relay_cli", "sim", "fakes", "local_stack", "functions"})
MAY_IMPORT = frozenset(
    {
        "rig.py",
        "rig_crms.py",
        "rig_faults.py",
        "rig_observed.py",
        "rig_setbacks.py",
        "test_planted.py",
        "test_planted_properties.py",
    }
)


def imported(source: str) -> Iterator[str]:
    """Yield the full name of each module that a source imports, by statement or by name at run time."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            # `import_module("relay…")`: a text that reads as such a module is treated as an import of it.
            root, dot, _ = node.value.partition(".")
            if dot and root in ACCUSED and node.value.replace(".", "").replace("_", "").isalnum():
                yield node.value


@pytest.mark.parametrize(
    "path", [p for p in sorted(HERE.rglob("*.py")) if p.name not in MAY_IMPORT], ids=lambda path: path.name
)
def test_only_the_rig_imports_the_accused(path: Path) -> None:
    """No file of the judge but the rig imports the service, its SDK, its command line or its simulator."""
    roots = {name.partition(".")[0] for name in imported(path.read_text())}
    assert not roots & ACCUSED
    assert "tests.support" not in {".".join(name.split(".")[:2]) for name in imported(path.read_text())}


@pytest.mark.parametrize(
    "source",
    ["import relay", "from relay.model import member", 'import_module("relay.model")', "import sim.world"],
)
def test_an_import_is_seen(source: str) -> None:
    """The check sees each way to import; a check that sees none would pass for ever."""
    assert {name.partition(".")[0] for name in imported(source)} & ACCUSED
