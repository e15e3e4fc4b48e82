"""Puts the functions' code into a build's folder, with byte code beside it.

SAM builds the layer and the receiver, and leaves the other functions where they are: their folders are shipped as
they lie in the checkout, where byte code would be in the way. So the build gets a copy of them.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from local_stack.build_cache import ROOT

_CODE: Final = re.compile(r"^( +CodeUri: )\S*/functions/(\w+)$", re.MULTILINE)


def take_functions(build: Path, runtime: str) -> None:
    """Copy the functions that a built template takes from the checkout, compile them, and point the template at them."""
    template = build / "template.yaml"
    text = template.read_text()
    folders = {match[2] for match in _CODE.finditer(text)}
    copies = build / "functions"
    shutil.rmtree(copies, ignore_errors=True)
    for folder in sorted(folders):
        shutil.copytree(
            ROOT / "functions" / folder, copies / folder, ignore=shutil.ignore_patterns("__pycache__")
        )
        subprocess.run(
            [ROOT / "scripts" / "compile-bytecode", copies / folder, copies / folder, "/var/task"],
            check=True,
            env={**os.environ, "RELAY_RUNTIME": runtime},
        )
    template.write_text(_CODE.sub(r"\1functions/\2", text))


if __name__ == "__main__":
    take_functions(Path(sys.argv[1]), sys.argv[2])
