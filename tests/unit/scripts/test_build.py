"""The build finds a Python of the functions' version, says loudly where there is none, and works with the tools of macOS."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from local_stack.deployment import RUNTIME
from local_stack.function_code import take_functions

from tests.support.port_fakes import ROOT

UNCHECKED_HASH = 0b01
MAKEFILES = [ROOT / "Makefile", ROOT / "functions/receiver/Makefile", ROOT / "layers/shared/Makefile"]


def run(*command: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **variables}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_a_python_of_the_version_is_found() -> None:
    """Of this very version, as compileall's byte code must be."""
    found = run(ROOT / "scripts/find-python", RUNTIME)
    version = run(found.stdout.strip(), "-c", "import sys; print('python%d.%d' % sys.version_info[:2])")
    assert version.stdout.strip() == RUNTIME


def test_a_python_in_a_version_managers_folder_is_found_and_a_shim_is_not(tmp_path: Path) -> None:
    """A version manager puts a command on the path that only says that the version is not chosen."""
    shim = tmp_path / "shims" / "python3.77"
    real = tmp_path / "pyenv" / "versions" / "3.77.1" / "bin" / "python3.77"
    for path, text in ((shim, "#!/bin/sh\nexit 127\n"), (real, "#!/bin/sh\nexit 0\n")):
        path.parent.mkdir(parents=True)
        path.write_text(text)
        path.chmod(0o755)
    variables = {"PATH": f"{shim.parent}:{os.environ['PATH']}", "PYENV_ROOT": str(tmp_path / "pyenv")}
    assert run(ROOT / "scripts/find-python", "python3.77", **variables).stdout.strip() == str(real)
    real.unlink()
    nothing = run(ROOT / "scripts/find-python", "python3.77", **variables)
    assert (nothing.returncode, nothing.stdout) == (1, "")


def test_a_strict_build_fails_without_a_python_and_says_what_to_do() -> None:
    """Before anything is built; the versions that are here are named."""
    done = run(ROOT / "scripts/build", RUNTIME="python3.77", STRICT="1")
    assert done.returncode == 1
    assert "NO BYTE CODE" in done.stderr
    assert "uv python install 3.77" in done.stderr
    assert RUNTIME in done.stderr
    assert done.stdout == ""


def test_functions_are_shipped_with_byte_code(tmp_path: Path) -> None:
    """A copy in the build's folder, which is not compared with its source; the built template points at it."""
    (tmp_path / "template.yaml").write_text(
        "Resources:\n  A:\n    Properties:\n      CodeUri: ../../functions/updated\n"
        "  B:\n    Properties:\n      CodeUri: ReceiverFunction\n"
    )
    take_functions(tmp_path, RUNTIME)
    template = (tmp_path / "template.yaml").read_text()
    assert "CodeUri: functions/updated\n" in template
    assert "CodeUri: ReceiverFunction\n" in template
    code = tmp_path / "functions" / "updated"
    assert (code / "app.py").read_bytes() == (ROOT / "functions/updated/app.py").read_bytes()
    [compiled] = (code / "__pycache__").iterdir()
    assert compiled.name == f"app.{sys.implementation.cache_tag}.pyc"
    assert struct.unpack("<I", compiled.read_bytes()[4:8]) == (UNCHECKED_HASH,)


@pytest.mark.parametrize("makefile", MAKEFILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_recipe_relies_on_what_make_3_81_lacks(makefile: Path) -> None:
    """That of macOS: no flags of the shell, no recipe as one script, no late assignment from a shell."""
    lines = [line for line in makefile.read_text().splitlines() if not line.lstrip().startswith("#")]
    lacking = (".SHELLFLAGS", ".ONESHELL", "!=", "$(file ")
    assert [line for line in lines for word in lacking if word in line.partition("\t")[0] + line[:20]] == []


def test_a_module_that_is_missing_ends_the_receivers_build(tmp_path: Path) -> None:
    """Also where the shell is not told to stop at an error, as by make 3.81."""
    shutil.copy(ROOT / "functions/receiver/app.py", tmp_path)
    makefile = (ROOT / "functions/receiver/Makefile").read_text().replace("relay/errors.py", "relay/gone.py")
    (tmp_path / "Makefile").write_text(makefile)
    artifacts = tmp_path / "artifacts"
    artifacts.mkdir()
    done = run(
        "make",
        "-C",
        tmp_path,
        f"ROOT={ROOT}",
        f"ARTIFACTS_DIR={artifacts}",
        ".SHELLFLAGS=-c",
        "build-ReceiverFunction",
    )
    assert done.returncode != 0
    assert "relay/gone.py" in done.stderr
