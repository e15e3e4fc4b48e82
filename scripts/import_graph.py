"""Print the units directly under relay/, the levels on which they stand, and the imports between them.

A unit is a module or a folder directly under layers/shared/relay. Its level is one above the highest unit that it
imports. An import counts once for each importing module and imported module of another unit.
"""

from __future__ import annotations

import argparse
import ast
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1] / "layers" / "shared"


def main() -> int:
    """Print the units by level, then one line `RESULT {json}`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=ROOT, help="the folder that holds the package relay")
    folder = parser.parse_args().folder
    pairs = {(unit_of(a), unit_of(b)): 0 for a, b in imports(folder) if unit_of(a) != unit_of(b)}
    number = 0
    for importer, imported in imports(folder):
        if unit_of(importer) != unit_of(imported):
            pairs[unit_of(importer), unit_of(imported)] += 1
            number += 1
    graph: dict[str, set[str]] = defaultdict(set)
    for importer, imported in pairs:
        graph[importer].add(imported)
    units = sorted({unit_of(name) for name in modules(folder)})
    levels, circles = levels_of({unit: graph[unit] for unit in units})
    for level in sorted(set(levels.values()), reverse=True):
        print(f"{level:2}  {' '.join(unit for unit in units if levels[unit] == level)}")
    result = {
        "units": len(units),
        "levels": len(set(levels.values())),
        "unit_pairs": len(pairs),
        "imports": number,
        "circles": circles,
    }
    print("RESULT", json.dumps(result))
    return 0


def modules(folder: Path) -> dict[str, Path]:
    """Return the modules of relay by dotted name."""
    found = {}
    for path in sorted((folder / "relay").rglob("*.py")):
        name = ".".join(path.relative_to(folder).with_suffix("").parts).removesuffix(".__init__")
        if name != "relay":
            found[name] = path
    return found


def imports(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield importing and imported module, each pair once; imports for type checkers count as well."""
    known = modules(folder)
    for name, path in known.items():
        imported: set[str] = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "relay":
                full = [f"{node.module}.{alias.name}" for alias in node.names]
                imported |= {one if one in known else node.module for one in full}
        yield from ((name, other) for other in sorted(imported) if other in known and other != name)


def unit_of(module: str) -> str:
    """Return the unit of a module: the name directly under relay."""
    return module.split(".")[1]


def levels_of(graph: Mapping[str, set[str]]) -> tuple[dict[str, int], int]:
    """Return each unit's level, and how many units stand in a circle."""
    circles: set[str] = set()

    @cache
    def level(unit: str, above: tuple[str, ...] = ()) -> int:
        if unit in above:
            circles.add(unit)
            return 0
        return 1 + max((level(other, (*above, unit)) for other in graph[unit]), default=0)

    return {unit: level(unit) for unit in graph}, len(circles)


if __name__ == "__main__":
    raise SystemExit(main())
