"""The receiver's zip is all that it needs, and a deployment that is half done loses no webhook."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import pytest
from local_stack.build_cache import cache_folder, receiver_digest
from local_stack.deployment import RUNTIME
from relay.topics import FOLDERS, queue_variable

from tests.support import version_before
from tests.support.port_fakes import ROOT, SHOP, sample
from tests.support.template_data import TEMPLATE, environment

SHARED = ROOT / "layers/shared"
HEAVY = ("boto3", "botocore", "pydantic", "pydantic_core", "httpx", "aws_lambda_powertools")
OURS = ("inveterate", "relay")
UNCHECKED_HASH = 0b01
"""The flags of byte code that has its source's hash and is not compared with it."""

KEY = "k" * 64
KEY_DIGEST = sha256(KEY.encode()).hexdigest()
TOPIC = "customer.payment_failed"
QUEUE = queue_variable(FOLDERS[TOPIC])
BODY = json.dumps(sample(TOPIC))

RUN = """
import json, os, sys
folder, environments, event = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])
sys.path.insert(0, folder)
sys.dont_write_bytecode = True
import app
answers = []
for variables in environments:
    os.environ.clear()
    os.environ.update(variables)
    app._settings.cache_clear()
    answers.append(app.handler(event, None))
modules = {name: getattr(module, "__file__", None) for name, module in sys.modules.items()}
print(json.dumps({"answers": answers, "modules": modules}))
"""


class Sqs(BaseHTTPRequestHandler):
    """Takes every message, as SQS does."""

    protocol_version = "HTTP/1.1"
    sent: ClassVar[list[dict[str, Any]]] = []

    def do_POST(self) -> None:
        """Keep the message; answer as SQS."""
        assert self.headers["x-amz-target"] == "AmazonSQS.SendMessage"
        Sqs.sent.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        content = b'{"MessageId": "m-1"}'
        self.send_response(200)
        self.send_header("content-type", "application/x-amz-json-1.0")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the base class
        """Say nothing."""


@pytest.fixture
def sqs() -> Iterator[str]:
    """Serve SQS on the loopback interface; return its address."""
    Sqs.sent.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Sqs) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the zip's folder as SAM does: in a copy of the function's folder."""
    copy = tmp_path_factory.mktemp("copy") / "receiver"
    shutil.copytree(ROOT / "functions/receiver", copy, ignore=shutil.ignore_patterns("__pycache__"))
    target = tmp_path_factory.mktemp("receiver")
    make("build-ReceiverFunction", copy, {"ARTIFACTS_DIR": str(target), "RELAY_RUNTIME": RUNTIME})
    return target


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lay out the zip of the version before."""
    return version_before.unpack(tmp_path_factory.mktemp("before"))


def make(goal: str, folder: Path, variables: Mapping[str, str]) -> str:
    """Run a goal of the receiver's makefile in a folder; return what it prints."""
    done = subprocess.run(
        ["make", "--silent", "--makefile", ROOT / "functions/receiver/Makefile", goal],  # noqa: S607 - as installed
        cwd=folder,
        env={**os.environ, **variables},
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


def template_environment(sqs: str) -> dict[str, str]:
    """Return the environment that template.yaml gives the receiver."""
    names = {**TEMPLATE["Globals"]["Function"]["Environment"]["Variables"], **environment("ReceiverFunction")}
    queues = {name: f"{sqs}/000000000000/{name.lower()}" for name in names if name.startswith("QUEUE_")}
    return dict.fromkeys(names, "") | queues | {"SHOP_DOMAIN": SHOP, "KEY_DIGESTS": KEY_DIGEST}


def answers_of(built: Path, environments: Sequence[Mapping[str, str]], sqs: str) -> dict[str, Any]:
    """Run the handler of the built folder once in each environment, in an interpreter that has nothing else."""
    of_lambda = {
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_SESSION_TOKEN": "token",
        "AWS_ENDPOINT_URL": sqs,
    }
    event = {"pathParameters": {"key": KEY}, "headers": {}, "body": BODY, "isBase64Encoded": False}
    variables = json.dumps([{**of_lambda, **variables} for variables in environments])
    done = subprocess.run(
        [sys.executable, "-S", "-I", "-c", RUN, built, variables, json.dumps(event)],
        cwd="/",
        env={},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def statuses(built: Path, environments: Sequence[Mapping[str, str]], sqs: str) -> list[int]:
    """Return the status of the answer in each environment."""
    return [answer["statusCode"] for answer in answers_of(built, environments, sqs)["answers"]]


def test_the_zip_queues_a_webhook_with_nothing_else_on_the_path(built: Path, sqs: str) -> None:
    """The answer is 202 and the message is at SQS; every module of ours comes from the zip, and none is heavy."""
    result = answers_of(built, [template_environment(sqs)], sqs)
    assert [answer["statusCode"] for answer in result["answers"]] == [202]
    [message] = Sqs.sent
    assert message["QueueUrl"].endswith(f"/{QUEUE.lower()}")
    assert message["MessageBody"] == BODY
    ours = {name: path for name, path in result["modules"].items() if name.partition(".")[0] in OURS}
    assert all(Path(path).is_relative_to(built) for path in ours.values())
    assert not {name.partition(".")[0] for name in result["modules"]} & set(HEAVY)


def test_the_zip_holds_exactly_what_the_receiver_imports(built: Path, sqs: str) -> None:
    """A module too few is an error at a webhook; one too many would change the receiver for nothing."""
    modules = answers_of(built, [template_environment(sqs)], sqs)["modules"]
    loaded = {
        str(Path(path).relative_to(built)) for name, path in modules.items() if name.partition(".")[0] in OURS
    }
    shipped = {str(path.relative_to(built)) for path in built.rglob("*.py")}
    assert shipped == loaded | {"app.py"} == imported_files(ROOT / "functions/receiver/app.py") | {"app.py"}


def imported_files(source: Path) -> set[str]:
    """Return the files of ours that a module imports, also within functions, and what those import."""
    found: set[str] = set()
    unread = [source]
    while unread:
        new = {file for name in imported_names(unread.pop()) for file in files_of(name)} - found
        found |= new
        unread += [SHARED / file for file in new]
    return found


def imported_names(source: Path) -> Iterator[str]:
    """Yield the names that a module imports when it runs, without those for type checkers."""
    nodes: list[ast.AST] = [ast.parse(source.read_text())]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))
        nodes += ast.iter_child_nodes(node)


def files_of(name: str) -> Iterator[str]:
    """Yield the file of a module of ours and those of the packages around it."""
    parts = name.split(".")
    if parts[0] in OURS:
        for count in range(1, len(parts) + 1):
            path = "/".join(parts[:count])
            yield from (file for file in (f"{path}/__init__.py", f"{path}.py") if (SHARED / file).is_file())


def test_the_zip_brings_its_byte_code(built: Path) -> None:
    """Lambda's folder is read-only: what is not compiled here is compiled at every cold start. Python trusts it."""
    for source in built.rglob("*.py"):
        code = source.parent / "__pycache__" / f"{source.stem}.{sys.implementation.cache_tag}.pyc"
        assert int.from_bytes(code.read_bytes()[4:8], "little") == UNCHECKED_HASH


def test_each_version_works_with_the_others_variables(built: Path, before: Path, sqs: str) -> None:
    """CloudFormation changes code and variables apart, in either order: the same queue gets the same body."""
    today = template_environment(sqs)
    then = {name: value for name, value in today.items() if name in version_before.variables()}
    assert statuses(built, [today, then], sqs) == statuses(before, [today, then], sqs) == [202, 202]
    assert {(message["QueueUrl"].rpartition("/")[2], message["MessageBody"]) for message in Sqs.sent} == {
        (QUEUE.lower(), BODY)
    }
    assert len(Sqs.sent) == 4


def test_what_is_kept_as_the_version_before_is_what_git_has(before: Path) -> None:
    """The kept files are those of the commit; a clone without history cannot know."""
    commit = version_before.commit()
    if git("cat-file", "-e", f"{commit}^{{commit}}").returncode:
        pytest.skip(f"the history of this checkout ends before {commit}")
    for name, text in version_before.files().items():
        assert git("show", f"{commit}:{name}").stdout == text, name
    assert (before / "app.py").read_bytes() == git("show", f"{commit}:functions/receiver/app.py").stdout


def git(*words: str) -> subprocess.CompletedProcess[bytes]:
    """Ask git about this checkout."""
    return subprocess.run(["git", *words], cwd=ROOT, check=False, capture_output=True)  # noqa: S607 - as installed


def test_each_variable_but_three_may_be_missing(built: Path, sqs: str) -> None:
    """Without the shop, the keys or the topic's own queue there is nothing to do but 503; all else has a default."""
    today = template_environment(sqs)
    names = sorted(today)
    without = [{name: value for name, value in today.items() if name != missing} for missing in names]
    answered = dict(zip(names, statuses(built, without, sqs), strict=True))
    assert {name for name, status in answered.items() if status != 202} == {
        "SHOP_DOMAIN",
        "KEY_DIGESTS",
        QUEUE,
    }
    assert set(answered.values()) == {202, 503}


def test_code_ignores_a_variable_that_it_does_not_know(built: Path, sqs: str) -> None:
    """CloudFormation may change the environment first: this code then runs with the next release's variables."""
    today = template_environment(sqs)
    unknown = {"QUEUE_NEXT_TOPIC": f"{sqs}/000000000000/next", "LATER": "{}", "KEY_DIGESTS_2": "none"}
    assert statuses(built, [{**today, **unknown}], sqs) == [202]
    assert len(Sqs.sent) == 1


def test_a_changed_module_of_the_zip_gives_another_cache(tmp_path: Path) -> None:
    """SAM's cache compares the function's folder alone, and would ship the old module."""
    copy = checkout(tmp_path)
    runtimes = ("python3.13", "python3.11")
    before = {runtime: cache_folder(runtime, "arm64", copy) for runtime in runtimes}
    (before["python3.13"] / "kept").touch()
    assert cache_folder("python3.13", "arm64", copy) == before["python3.13"]
    assert (before["python3.13"] / "kept").is_file()

    with (copy / "layers/shared/relay/ingest/receive.py").open("a") as file:
        file.write("# changed\n")
    after = cache_folder("python3.13", "arm64", copy)
    assert after != before["python3.13"]
    assert sorted(after.parent.iterdir()) == sorted([after, before["python3.11"]])


def test_a_change_outside_the_zip_keeps_the_cache(tmp_path: Path) -> None:
    """What the receiver does not import concerns the layer, which SAM compares itself."""
    copy = checkout(tmp_path)
    before = receiver_digest(copy)
    with (copy / "layers/shared/relay/ingest/consumer.py").open("a") as file:
        file.write("# changed\n")
    assert receiver_digest(copy) == before


def checkout(folder: Path) -> Path:
    """Copy what the zip is built from, and a module that it does not hold."""
    for name in (
        "functions/receiver/Makefile",
        "layers/shared/relay/ingest/consumer.py",
        *make("sources", ROOT, {}).split(),
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    return folder
