"""The receiver of the last version before this one, which an update replaces while webhooks arrive.

`scripts/keep-receiver COMMIT` keeps it as git's own archive of that commit, so a clone without history has it too.
"""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

from stack_template.expanded import loaded

from tests.support.port_fakes import ROOT

ARCHIVE = ROOT / "tests/versions/receiver.zip"
_FUNCTION = "functions/receiver/"
_LAYER = "layers/shared/"


def commit() -> str:
    """Return the commit that the version is of, as git notes it in its archives."""
    with ZipFile(ARCHIVE) as archive:
        return archive.comment.decode()


@cache
def files() -> dict[str, bytes]:
    """Return the kept files by their place in the checkout."""
    with ZipFile(ARCHIVE) as archive:
        return {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}


def modules() -> dict[str, bytes]:
    """Return what its zip held, by the place in the zip: `app.py`, and the modules that it imports."""
    ours = {name.removeprefix(_LAYER): text for name, text in files().items() if name.startswith(_LAYER)}
    return {**ours, "app.py": files()[f"{_FUNCTION}app.py"]}


def code() -> bytes:
    """Return its zip, as Lambda takes it."""
    buffer = io.BytesIO()
    with ZipFile(buffer, "w", ZIP_DEFLATED) as zipped:
        for name, text in modules().items():
            zipped.writestr(name, text)
    return buffer.getvalue()


def unpack(folder: Path) -> Path:
    """Lay its zip out in a folder, as Lambda does; return the folder."""
    for name, text in modules().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text)
    return folder


@cache
def variables() -> frozenset[str]:
    """Return the names of the variables that its template gave it."""
    template: dict[str, Any] = loaded(files()["template.yaml"].decode())
    own = template["Resources"]["ReceiverFunction"]["Properties"]["Environment"]["Variables"]
    return frozenset(template["Globals"]["Function"]["Environment"]["Variables"]) | frozenset(own)
