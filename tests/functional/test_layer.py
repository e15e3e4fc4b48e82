"""The layer as it is built holds all that the functions import."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from local_stack.deployment import ARCHITECTURE, RUNTIME

from tests.support.port_fakes import ROOT

FUNCTIONS = sorted(path.parent.name for path in (ROOT / "functions").glob("*/app.py"))

# Lambda's own Python brings boto3 and nothing else of ours; `-S` keeps this environment's packages out, and
# what boto3 needs is linked in one by one.
BOTO3 = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six.py", "urllib3")
LOAD = """
import importlib.util, sys
for name in sys.argv[1:]:
    spec = importlib.util.spec_from_file_location("app_" + name, f"functions/{name}/app.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert callable(module.handler), name
from relay.wiring import crms, functions, services, settings, topics
import pkgutil, relay.adapters
for found in pkgutil.walk_packages(relay.adapters.__path__, "relay.adapters."):
    importlib.import_module(found.name)
import httpx, relay, pydantic_core
print(relay.__file__, pydantic_core.__file__)
"""


@pytest.fixture(scope="module")
def layer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the layer for the Python that runs this."""
    target = tmp_path_factory.mktemp("layer")
    environment = {
        **os.environ,
        "ARTIFACTS_DIR": str(target),
        "RELAY_RUNTIME": RUNTIME,
        "RELAY_ARCH": ARCHITECTURE,
    }
    subprocess.run(
        ["make", "--silent", "--directory", ROOT / "layers/shared", "build-SharedLayer"],  # noqa: S607 - as installed
        env=environment,
        check=True,
        capture_output=True,
    )
    return target / "python"


def test_every_function_loads_with_the_layer_and_boto3_alone(layer: Path, tmp_path: Path) -> None:
    """A clean interpreter with boto3 loads each function and each adapter, all from the layer."""
    installed = Path(pytest.__file__).parent.parent
    for name in BOTO3:
        (tmp_path / name).symlink_to(installed / name)
    done = subprocess.run(
        [sys.executable, "-S", "-W", "error::ImportWarning", "-c", LOAD, *FUNCTIONS],
        env={"PYTHONPATH": f"{layer}:{tmp_path}", "PATH": os.environ["PATH"]},
        cwd=ROOT,
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert all(Path(origin).is_relative_to(layer) for origin in done.stdout.split())


def test_the_layer_brings_its_byte_code(layer: Path) -> None:
    """Its folder is read-only on Lambda, so what is not compiled here is compiled at every cold start."""
    for package in ("relay", "inveterate", "pydantic", "aws_lambda_powertools"):
        assert (layer / package / "__pycache__" / f"__init__.{sys.implementation.cache_tag}.pyc").is_file()


def test_the_layer_ships_nothing_of_the_tools(layer: Path) -> None:
    """What runs on AWS holds no simulator, no command line and no second boto3."""
    assert not {"sim", "fakes", "relay_cli", "local_stack", "boto3", "botocore", "tests", "bin"} & {
        path.name for path in layer.iterdir()
    }
