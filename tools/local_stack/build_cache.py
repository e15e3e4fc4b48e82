"""Names the folder in which `sam build --cached` keeps what it built.

SAM builds a resource again when the folder of its code has changed. It sees neither the Python version and processor
that a layer is built for, nor whether there was a Python to make byte code, nor the modules of the layer that the
receiver's zip copies. So the cache's folder is named after all of these, and another one begins empty.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
"""The checkout. The command is installed from it in editable mode, never from a package."""

_DIGEST_CHARACTERS: Final = 16


def cache_folder(runtime: str, architecture: str, root: Path = ROOT) -> Path:
    """Return the folder for this state of the checkout at `root`; make it, and remove those of older states."""
    found = subprocess.run([ROOT / "scripts" / "find-python", runtime], check=False, capture_output=True)
    code = "bytecode" if found.returncode == 0 else "source"
    folder = root / ".cache" / "sam" / f"{runtime}-{architecture}-{code}-{receiver_digest(root)}"
    for older in folder.parent.glob(f"{runtime}-{architecture}-*"):
        if older != folder:
            shutil.rmtree(older)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def receiver_digest(root: Path) -> str:
    """Return a digest of the files outside functions/receiver that its zip is built from."""
    listed = subprocess.run(
        ["make", "--silent", "--no-print-directory", "--directory", root / "functions/receiver", "sources"],
        check=True,
        capture_output=True,
        text=True,
    )
    digest = sha256()
    for name in sorted(listed.stdout.split()):
        digest.update(f"{name} {sha256((root / name).read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()[:_DIGEST_CHARACTERS]


if __name__ == "__main__":
    sys.stdout.write(f"{cache_folder(sys.argv[1], sys.argv[2])}\n")
