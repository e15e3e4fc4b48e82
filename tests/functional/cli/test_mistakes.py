"""What people type or set wrong ends in one sentence with the remedy, whatever the command: never in a traceback."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from relay_cli.errors import DeclinedError
from relay_cli.main import main
from relay_cli.prompts import confirm

PAGE = b"<html><title>Sign in to the company's network</title></html>"
XHTML_PAGE = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>Proxy</body></html>"
"""A page that can be read as XML, as CloudFormation's answers are."""

Failure = tuple[int, str]


@contextmanager
def page_server(status: int, headers: dict[str, str] | None = None, page: bytes = PAGE) -> Iterator[str]:
    """Serve a web page to every request, as a proxy or the login page of a network does."""

    class Page(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            self.send_response(status)
            for name, value in {"content-type": "text/html; charset=utf-8", **(headers or {})}.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        do_GET = do_POST  # noqa: N815 - the server's name for it

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(autouse=True)
def _aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials, a region, and one attempt for each call."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1", "AWS_MAX_ATTEMPTS": "1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def fails(capsys: pytest.CaptureFixture[str]) -> Callable[..., Failure]:
    """Run a command line; return the exit code and what it says, which is a sentence and a remedy."""

    def run(*words: str) -> Failure:
        code = main(list(words))
        said = capsys.readouterr().err
        assert said.startswith("relay: ")
        assert len(said.splitlines()) <= 2
        return code, said

    return run


@pytest.mark.parametrize("status", [200, 401, 403, 407, 429])
@pytest.mark.parametrize(
    "words", [("alerts",), ("status",), ("test-alert", "slack"), ("privacy",), ("rules", "show"), ("uninstall", "--yes")]
)  # fmt: skip
def test_a_page_in_the_place_of_aws_is_named_so(
    fails: Callable[..., Failure], words: tuple[str, ...], status: int
) -> None:
    """Whatever its status, it is no answer of AWS: nothing is concluded from it."""
    with page_server(status) as url:
        code, said = fails("--endpoint-url", url, *words)
    assert code == 1
    assert "a proxy or a login page answered" in said
    assert "HTTPS_PROXY" in said


@pytest.mark.parametrize("page", [PAGE, XHTML_PAGE, b"<html><body>Busy</body></html>", b""])
def test_a_server_that_fails_before_aws_is_no_matter_of_permissions(
    fails: Callable[..., Failure], page: bytes
) -> None:
    """An error without a code of AWS's shows the status, and advises to try again."""
    with page_server(503, page=page) as url:
        code, said = fails("--endpoint-url", url, "alerts")
    assert code == 1
    assert "HTTP 503" in said
    assert "again" in said
    assert "permission" not in said


def test_an_html_answer_of_aws_itself_is_left_to_botocore(fails: Callable[..., Failure]) -> None:
    """An answer with AWS's own header is not taken for a proxy's."""
    with page_server(403, {"x-amzn-RequestId": "one"}) as url:
        _, said = fails("--endpoint-url", url, "alerts")
    assert "login page" not in said


@pytest.mark.parametrize(
    "address", ["127.0.0.1:4566", "“http://127.0.0.1:4566”", "http://", "localhost", "http://a b"]
)
@pytest.mark.parametrize("by_variable", [True, False])
def test_an_endpoint_that_is_no_address(
    fails: Callable[..., Failure], monkeypatch: pytest.MonkeyPatch, address: str, *, by_variable: bool
) -> None:
    """It is refused before anything is called, from the option and from the variable."""
    if by_variable:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    code, said = fails(*([] if by_variable else ["--endpoint-url", address]), "alerts")
    assert code == 2
    assert "is no address" in said
    assert "http://127.0.0.1:4566" in said


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("AWS_MAX_ATTEMPTS", "many", "AWS_"),
        ("AWS_RETRY_MODE", "always", "AWS"),
        ("AWS_PROFILE", "nosuch", "list-profiles"),
        ("AWS_REGION", "“eu-central-1”", "--region"),
        ("AWS_REGION", "eu central 1", "--region"),
    ],
)
def test_a_setting_of_aws_that_does_not_work(
    fails: Callable[..., Failure], monkeypatch: pytest.MonkeyPatch, variable: str, value: str, says: str
) -> None:
    """The sentence says where to look."""
    monkeypatch.setenv(variable, value)
    code, said = fails("--endpoint-url", "http://127.0.0.1:1", "alerts")
    assert code == 1
    assert says in said


def test_a_configuration_that_cannot_be_read(
    fails: Callable[..., Failure], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The file is named by its places."""
    broken = tmp_path / "config"
    broken.write_text("this is [not a configuration")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(broken))
    assert "~/.aws/config" in fails("alerts")[1]


@pytest.mark.parametrize(
    "words", [("advance", "--days", "1"), ("trigger", "customer.cancelled"), ("play", "joining")]
)
def test_what_is_no_simulator_is_named_so(fails: Callable[..., Failure], words: tuple[str, ...]) -> None:
    """A page, a refusing page, an address without a scheme, one in quotes, and none that listens."""
    with page_server(200) as page, page_server(403) as refusing:
        for url in (
            page,
            refusing,
            "127.0.0.1:8600",
            "“http://127.0.0.1:8600”",
            "http://[",
            "http://127.0.0.1:1",
        ):
            code, said = fails("sim", *words, "--url", url)
            assert code == 1, url
            assert "simulator" in said, url


def test_a_port_in_use(fails: Callable[..., Failure], capsys: pytest.CaptureFixture[str]) -> None:
    """The simulator does not claim to serve where it cannot."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code = main(["sim", "serve", "--port", str(taken.getsockname()[1])])
    printed = capsys.readouterr()
    assert code == 1
    assert "choose another port" in printed.err
    assert "console" not in printed.out


@pytest.mark.parametrize(
    "words",
    [("--fault", "foo"), ("--fault", "foo=1"), ("--fault", "duplicate=9"), ("--switch", "foo=1"), ("--start", "today")],
)  # fmt: skip
def test_a_wrong_argument_of_the_simulator_is_wrong_input(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit code is 2, as for every wrong argument."""
    assert main(["sim", "serve", "--port", "0", *words]) == 2
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [("--port", "99999"), ("--port", "-1"), ("--members", "-5"), ("--members", "many")]
)
def test_numbers_out_of_range(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """They are refused by the arguments' own check."""
    assert main(["sim", "serve", *words]) == 2
    assert words[0] in capsys.readouterr().err


def test_the_end_of_the_input_is_no_answer(
    fails: Callable[..., Failure], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Ctrl-D at a question declines; it is not taken for a profile that asks for a second factor."""

    def ended(_question: str) -> str:
        raise EOFError

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("builtins.input", ended)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    code, said = fails("init")
    assert code == 1
    assert "no answer was given" in said
    assert "second factor" not in said
    with pytest.raises(DeclinedError, match="no answer was given"):
        confirm("Delete it?")


@pytest.mark.parametrize(
    "words",
    [
        ("dead-letters", "list", "--since", "yesterday"),
        ("dead-letters", "redrive", "--until", "9" * 20 + "d"),
        ("dead-letters", "show", "abc"),
        ("unclaimed", "list", "--until", "noon"),
        ("recover", "--since", "lately"),
        ("mute", "key", "--until", "noon"),
        ("mirror", "diff", "hubspot", "abc"),
        ("mirror", "retry", "hubspot", "abc"),
        ("mute", "key", "--days", "many"),
        ("sim", "trigger", "customer.nothing"),
    ],
)
def test_a_wrong_argument_is_named_before_the_region_is_missed(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exit code is 2, without a region, a profile or a stack."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    code = main(list(words))
    said = capsys.readouterr().err
    assert code == 2
    assert words[-1] in said
    assert "region" not in said.lower().replace("--region region", "")


@pytest.mark.parametrize("words", [(), ("--days", "-1"), ("--days", "1", "--hours", "-1")])
def test_no_time_to_advance_is_wrong_input(fails: Callable[..., Failure], words: tuple[str, ...]) -> None:
    """It is known without a simulator."""
    assert fails("sim", "advance", *words)[0] == 2
