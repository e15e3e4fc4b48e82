"""`relay import` and `relay reconcile`: they start the run, follow it, and say what it found."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property

import pytest
from relay.model.messages import RecheckRequest, RunCommand, load
from relay.ports.messaging import OutgoingMessage
from relay_cli.commands import import_members, reconcile
from relay_cli.errors import CliError, UsageError
from relay_cli.full_run import Runs
from relay_cli.stack import Stack

from tests.support.command_line import parsed
from tests.support.port_fakes import SHOP
from tests.unit.reconcile.full_run_setup import FullRunSetup, TimedContext

Command = Callable[..., int]


@dataclass(frozen=True)
class StackWithKey(Stack):
    """A stack that has an API key."""

    @cached_property
    def outputs(self) -> Mapping[str, str]:
        """The queue of reconcile."""
        return {"ReconcileQueueUrl": "https://sqs.example.com/reconcile"}

    @cached_property
    def parameters(self) -> Mapping[str, str]:
        """The shop."""
        return {"ShopDomain": SHOP}


@dataclass
class Stage:
    """A programme of 30 members, and the function reconcile, which works while a command waits."""

    setup: FullRunSetup = field(default_factory=FullRunSetup)
    queue: list[OutgoingMessage] = field(default_factory=list)
    works: bool = True
    why: str = ""
    known: frozenset[str] = frozenset({f"{SHOP}:7001", f"{SHOP}:7002"})
    seconds: float = 0.0

    def send(self, messages: Sequence[OutgoingMessage]) -> Sequence[Exception | None]:
        """Take messages."""
        self.queue += messages
        return [None] * len(messages)

    def pass_time(self, seconds: float) -> None:
        """Let the function take one step."""
        self.seconds += seconds
        waiting = [*self.queue, *self.setup.steps.sent]
        if self.works and waiting:
            self.queue, self.setup.steps.sent = [], []
            self.setup.runner.obey(load(RunCommand, waiting[0].body), TimedContext(questions=3))

    def runs(self, _stack: Stack) -> Runs:
        """Return the run as the commands see it."""
        return Runs(self.setup.runs, self, self.pass_time, lambda: self.seconds, lambda: self.why)

    def call(self, module: object, *words: str) -> int:
        """Run a command."""
        arguments: argparse.Namespace = parsed(module.configure, *words)  # type: ignore[attr-defined]  # a command's module
        stack = StackWithKey("relay-acme")
        more = {"unknown_of": lambda _stack, keys: set(keys) - self.known} if module is reconcile else {}
        return int(module.main(arguments, lambda _arguments: stack, self.runs, **more))  # type: ignore[attr-defined]  # likewise


@pytest.fixture
def stage() -> Stage:
    """Return a programme of 30 members."""
    stage = Stage()
    stage.setup.has(*range(1, 31))
    return stage


def test_an_import_is_followed_to_its_end(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    """Progress on the standard error, the result on the standard output."""
    assert stage.call(import_members) == 0
    shown = capsys.readouterr()
    assert "30 members listed: 30 new" in shown.out
    assert "members: 30 of 30" in shown.err


def test_an_unfinished_run_is_resumed(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    """A second import is refused while it lasts; `--resume` goes on with it; without one there is nothing to resume."""
    with pytest.raises(CliError, match="no run is unfinished"):
        stage.call(import_members, "--resume")
    stage.setup.runner.obey(RunCommand(action="import", id="r1"), TimedContext(questions=3))
    stage.setup.steps.sent.clear()
    with pytest.raises(CliError, match="a run is under way"):
        stage.call(import_members)
    assert stage.call(import_members, "--resume", "--json") == 0
    assert json.loads(capsys.readouterr().out)["read"] == 30


def test_ctrl_c_ends_the_display_alone_and_says_so(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Half-way through the members the display ends; the run is unfinished, and `--resume` shows it to its end."""

    def ended(seconds: float) -> None:
        if (run := stage.setup.runs.load()) and run.read:
            assert run.is_active
            raise KeyboardInterrupt
        Stage.pass_time(stage, seconds)

    with monkeypatch.context() as patch:
        patch.setattr(stage, "pass_time", ended)
        with pytest.raises(
            KeyboardInterrupt, match="this display has ended, and the run goes on in the stack"
        ):
            stage.call(import_members)
    capsys.readouterr()
    assert stage.call(import_members, "--resume", "--json") == 0
    assert json.loads(capsys.readouterr().out)["read"] == 30


def test_a_function_that_does_not_answer(stage: Stage) -> None:
    """The command ends, and says what to look at."""
    stage.works = False
    with pytest.raises(CliError, match="does not begin"):
        stage.call(import_members)


def test_a_run_that_makes_no_progress(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As with a refused key: each attempt stores the run, and none reads a page. The command ends, and names `relay doctor`."""

    def attempt(seconds: float) -> None:
        stage.seconds += seconds
        assert stage.seconds < 1_000
        run = stage.setup.runs.load()
        if run is None:
            run = stage.setup.runner.begin(
                "import", "command", None, run_id=load(RunCommand, stage.queue[0].body).id
            )
        stage.setup.runs.save(replace(run, updated=run.updated + timedelta(seconds=seconds)))

    monkeypatch.setattr(stage, "pass_time", attempt)
    stage.why = "Inveterate: BadKeyError 400"
    with pytest.raises(CliError, match="no progress for 180 s: Inveterate: BadKeyError 400") as stopped:
        stage.call(import_members)
    assert "relay doctor" in stopped.value.remedy
    said = "relay: the run waits: Inveterate: BadKeyError 400"
    assert capsys.readouterr().err.count(said) == 1


def test_a_run_that_has_ended_is_named(stage: Stage) -> None:
    """A person who ended the display looks with `--resume` whether the run is done."""
    stage.call(import_members)
    with pytest.raises(CliError, match="no run is unfinished") as stopped:
        stage.call(import_members, "--resume")
    assert "the last one (import, 30 members) ended at" in stopped.value.remedy


def test_a_stopped_run_names_the_command(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 3; a dry run between does not take the confirmation away."""
    stage.call(import_members)
    stage.setup.next_day()
    stage.setup.whenever(lambda one: one.update(status="CANCELLED"), *range(1, 26))
    stage.setup.programme.total = 30
    assert stage.call(reconcile) == 3
    shown = capsys.readouterr().out
    assert "relay reconcile --confirm" in shown
    assert "30 members listed" in shown
    assert stage.call(reconcile, "--dry-run") == 0
    assert "status" in capsys.readouterr().out
    assert stage.call(reconcile, "--confirm") == 0
    assert stage.setup.member(25).status == "cancelled"


def test_a_list_that_is_not_whole_is_said(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 3, with what ended it."""
    stage.setup.programme.is_certain, stage.setup.programme.end = False, "full_page"
    assert stage.call(import_members) == 3
    assert "full_page" in capsys.readouterr().out


def test_single_members_are_asked_for(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    """Each once, at once; the options of a whole comparison do not go with them."""
    assert stage.call(reconcile, "7001", "gid://shopify/Customer/7001", "7002") == 0
    requests = [load(RecheckRequest, message.body) for message in stage.queue]
    assert [(one.member, one.reason) for one in requests] == [
        (f"{SHOP}:7001", "asked"),
        (f"{SHOP}:7002", "asked"),
    ]
    assert [message.delay for message in stage.queue] == [0, 0]
    with pytest.raises(UsageError):
        stage.call(reconcile, "7001", "--dry-run")


def test_an_id_that_relay_does_not_know_is_said(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    """It is asked for all the same, since its webhooks may have been lost; most likely it is mistyped."""
    assert stage.call(reconcile, "7001", "123") == 3
    shown = capsys.readouterr().out
    assert f"{SHOP}:123: Relay has not heard of this customer id: look at the id" in shown
    assert f"{SHOP}:7001: Relay has not heard" not in shown
    assert len(stage.queue) == 2
    assert stage.call(reconcile, "123", "--json") == 3
    assert json.loads(capsys.readouterr().out)["unknown"] == [f"{SHOP}:123"]


def test_a_confirmation_of_nothing_says_that_it_begins_a_run(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    """And that no brake stops that one: the function takes the word for the run that it begins."""
    stage.call(import_members)
    capsys.readouterr()
    assert stage.call(reconcile, "--confirm") == 0
    assert "no run is stopped: this begins a comparison of all members" in capsys.readouterr().err
    run = stage.setup.runs.load()
    assert run is not None
    assert run.confirmed


def test_a_confirmation_of_a_stopped_run_begins_none(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    """It goes on with that one, and has nothing to remark."""
    stage.call(import_members)
    stage.setup.next_day()
    stage.setup.whenever(lambda one: one.update(status="CANCELLED"), *range(1, 26))
    stage.setup.programme.total = 30
    assert stage.call(reconcile) == 3
    capsys.readouterr()
    assert stage.call(reconcile, "--confirm") == 0
    assert "no run is stopped" not in capsys.readouterr().err


def test_a_stack_without_an_api_key() -> None:
    """Nothing could read a member."""

    @dataclass(frozen=True)
    class Bare(StackWithKey):
        @cached_property
        def outputs(self) -> Mapping[str, str]:
            return {}

    with pytest.raises(CliError, match="no key of Inveterate's API"):
        import_members.main(parsed(import_members.configure), lambda _arguments: Bare("relay-acme"))
