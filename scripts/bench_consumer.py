"""Benchmark of a topic's consumer, cold and warm: Relay's client of AWS beside botocore, as medians within one run.

Each round starts one fresh process per client, which loads functions/payment_failed and handles 201 batches of one
message. A server in this process stands for DynamoDB and Firehose, over plain HTTP on the loopback interface.
Rounds of the two clients alternate, so that a busy machine slows both. Measured are the time from the start of the
process to the end of its first event (as clock and as processor time), the processor time of each further event, and
the modules that are loaded by then. Run by `make bench`; the last line is `RESULT {json}`.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import sysconfig
import time
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar, Final

from relay.ingest.receive import route
from relay.model.delivery import pack

ROOT: Final = Path(__file__).resolve().parents[1]
FUNCTION: Final = ROOT / "functions/payment_failed"
SHOP: Final = "inveterate.myshopify.com"
ROUNDS, WARM_EVENTS = 9, 200
GOALS: Final = {"first_event_wall_ms": 0.60, "warm_cpu_ms": 0.50}
"""The most that Relay's client may take of botocore's."""

CALLS: Final = {"BatchGetItem", "PutItem", "PutRecordBatch"}
"""What each event calls, once each."""

CLIENTS: Final = {
    "relay": "",
    "botocore": """
from relay.adapters.aws import boto, client
client.use(boto.BotoAws())
""",
}
"""What a process does before it loads the function, by client."""

CHILD: Final = """
import sys, time
{prepare}
import json
from app import handler

class Context:
    aws_request_id = "request"
    def get_remaining_time_in_millis(self):
        return 30000

def handle(line):
    if handler(json.loads(line), Context())["batchItemFailures"]:
        sys.exit("an event failed")

handle(sys.stdin.readline())
cpu = time.process_time()
sys.stderr.write("\\n")
sys.stderr.flush()
lines = sys.stdin.readlines()
began = time.process_time()
for line in lines:
    handle(line)
warm = (time.process_time() - began) / len(lines)
named = [name for name in sys.modules if name.startswith(("boto3", "botocore"))]
sys.stderr.write(json.dumps([cpu * 1000, warm * 1000, len(sys.modules), len(named)]) + "\\n")
"""


class Aws(BaseHTTPRequestHandler):
    """Answers as an empty table and a journal that takes everything."""

    protocol_version = "HTTP/1.1"
    wbufsize: ClassVar[int] = -1
    """Buffered: each reply is one packet. With two, the kernel delays the second by 40 ms."""

    calls: ClassVar[Counter[str]] = Counter()

    def do_POST(self) -> None:
        """Answer one call."""
        operation = self.headers["x-amz-target"].partition(".")[2]
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        Aws.calls[operation] += 1
        content = json.dumps(reply(operation, asked)).encode()
        self.send_response(200)
        self.send_header("content-type", "application/x-amz-json-1.0")
        self.send_header("content-length", str(len(content)))
        self.send_header("x-amz-crc32", str(zlib.crc32(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the base class
        """Say nothing."""


def reply(operation: str, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body of a reply."""
    if operation == "BatchGetItem":
        return {"Responses": {table: [] for table in asked["RequestItems"]}, "UnprocessedKeys": {}}
    if operation == "PutRecordBatch":
        taken = [{"RecordId": "1"} for _ in asked["Records"]]
        return {"FailedPutCount": 0, "RequestResponses": taken}
    return {}


@contextmanager
def serving() -> Iterator[str]:
    """Serve AWS on the loopback interface; return its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Aws) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def batches(count: int) -> str:
    """Return Lambda's events, one JSON text a line: each the documented webhook of another member, as it is queued."""
    sample = json.loads((ROOT / "events/customer.payment_failed.json").read_bytes())
    now = datetime.now(UTC)
    lines = []
    for number in range(count):
        sample["payload"]["customer"]["id"] = str(7_000_000_000_000 + number)
        _, delivery = route(SHOP, json.dumps(sample).encode(), now)
        text, header = pack(delivery)
        attributes = {
            name: {"stringValue": value, "dataType": "String"} for name, value in header.attributes.items()
        }
        record = {
            "messageId": f"m-{number}",
            "receiptHandle": f"r-{number}",
            "body": text,
            "attributes": {
                "ApproximateReceiveCount": "1",
                "SentTimestamp": str(int(now.timestamp() * 1000)),
            },
            "messageAttributes": attributes,
        }
        lines.append(json.dumps({"Records": [record]}))
    return "\n".join(lines) + "\n"


def environment(address: str) -> dict[str, str]:
    """Return the environment of the function; as on Lambda, its path is the function, the layer and the packages."""
    path = (FUNCTION, ROOT / "layers/shared", sysconfig.get_path("purelib"))
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(map(str, path)),
        "PYTHONPYCACHEPREFIX": str(ROOT / ".cache/pycache"),
        "AWS_ENDPOINT_URL": address,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_SESSION_TOKEN": "token",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "POWERTOOLS_SERVICE_NAME": "payment_failed",
        "SHOP_DOMAIN": SHOP,
        "SOURCE_URL": f"{address}/000000000000/payment_failed",
        "SOURCE_NAME": "payment_failed",
        "DEAD_LETTERS_URL": f"{address}/000000000000/dead_letters",
        "MEMBERS_TABLE": "members",
        "JOURNAL_STREAM": "journal",
    }


def measure(prepare: str, variables: Mapping[str, str], events: str) -> dict[str, float]:
    """Run one fresh process over the events; return its figures."""
    Aws.calls.clear()
    began = time.perf_counter()
    with subprocess.Popen(  # noqa: S603 - our own interpreter
        [sys.executable, "-S", "-c", CHILD.format(prepare=prepare)],
        env=variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,  # the log
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None  # noqa: S101 - a pipe, as asked for
        assert process.stderr is not None  # noqa: S101 - a pipe, as asked for
        first, _, others = events.partition("\n")
        process.stdin.write(first + "\n")
        process.stdin.flush()
        said = process.stderr.readline()
        wall = (time.perf_counter() - began) * 1000
        if said == "\n":
            process.stdin.write(others)
            process.stdin.close()
        said += process.stderr.read()
    if process.returncode or Aws.calls != dict.fromkeys(CALLS, 1 + WARM_EVENTS):
        raise SystemExit(f"the consumer failed, after the calls {dict(Aws.calls)}:\n{said}")
    cpu, warm, modules, botos = json.loads(said.splitlines()[-1])
    return {
        "first_event_wall_ms": wall,
        "first_event_cpu_ms": cpu,
        "warm_cpu_ms": warm,
        "modules": modules,
        "boto_modules": botos,
    }


def main() -> int:
    """Measure and print; fail if Relay's client takes more of botocore's time than it may."""
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in CLIENTS}
    events = batches(1 + WARM_EVENTS)
    with serving() as address:
        variables = environment(address)
        for number in range(ROUNDS + 1):
            for name in sorted(CLIENTS, reverse=bool(number % 2)):
                figures = measure(CLIENTS[name], variables, events)
                if number:  # the first round compiles
                    runs[name].append(figures)
    medians = {
        name: {figure: round(statistics.median(run[figure] for run in taken), 2) for figure in taken[0]}
        for name, taken in runs.items()
    }
    ratios = {
        figure: round(medians["relay"][figure] / medians["botocore"][figure], 3)
        for figure in ("first_event_wall_ms", "first_event_cpu_ms", "warm_cpu_ms", "modules")
    }
    say(f"{'consumer of payment_failed':<24} {'relay':>10} {'botocore':>10} {'ratio':>8} {'goal':>8}")
    for figure in medians["relay"]:
        goal = f"<= {GOALS[figure]:.2f}" if figure in GOALS else ""
        own, boto = (medians[name][figure] for name in ("relay", "botocore"))
        say(f"{figure:<26} {own:>10} {boto:>10} {ratios.get(figure, ''):>8} {goal:>8}")
    within = all(ratios[figure] <= goal for figure, goal in GOALS.items())
    say(
        f"RESULT {json.dumps({**medians, 'ratios': ratios, 'goals': GOALS, 'rounds': ROUNDS, 'within': within})}"
    )
    return 0 if within else 1


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
