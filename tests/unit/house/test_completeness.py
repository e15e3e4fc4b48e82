"""The house rules that no linter knows: a topic is complete, and a function imports what it may."""

from __future__ import annotations

import ast
import importlib
import sys
from pathlib import Path

import pytest
import stack_template.crms
from inveterate.webhooks import TOPICS, model_for
from relay.scheduler import digest
from relay.topics import FOLDERS
from relay.wiring import crms
from relay_cli.setup.secret_kinds import CRM_SECRETS

from tests.support.port_fakes import ROOT
from tests.support.template_data import TEMPLATE

APPS = sorted((ROOT / "functions").glob("*/app.py"))
MAY_IMPORT = {"relay", "inveterate", "aws_lambda_powertools", "pydantic"} | sys.stdlib_module_names


def test_every_topic_is_complete() -> None:
    """A topic has a folder, a sample and a model of its own, and no folder is left over."""
    assert set(FOLDERS) == set(TOPICS), f"relay/topics.py differs by {sorted(set(FOLDERS) ^ set(TOPICS))}"
    for topic, folder in FOLDERS.items():
        assert (ROOT / "functions" / folder / "app.py").is_file(), f"functions/{folder}/app.py is missing"
        assert (ROOT / "events" / f"{topic}.json").is_file(), f"events/{topic}.json is missing"
        assert topic == model_for(topic).TOPIC
    assert len({model_for(topic) for topic in TOPICS}) == len(TOPICS)


def test_every_crm_is_complete() -> None:
    """A CRM is in the template, in the wiring with its secret, among the questions of `relay init`, and has a page and a name."""
    targets = {crm.target for crm in stack_template.crms.CRMS}
    assert set(crms.CRMS) == targets
    assert set(crms.CREDENTIALS) == targets
    assert {target: kind.parameter for target, kind in CRM_SECRETS.items()} == crms.CREDENTIALS
    assert set(digest.TARGETS) == targets
    assert [target for target in targets if not (ROOT / f"docs/{target}.md").is_file()] == []


def test_every_parameter_is_in_a_page() -> None:
    """Whoever deploys learns of each parameter from README or a page of docs/, not from the template alone."""
    pages = "\n".join(
        path.read_text() for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
    )
    assert [name for name in TEMPLATE["Parameters"] if name not in pages] == []


def test_every_folder_is_a_topics_or_named() -> None:
    """What is no topic's is one of the functions that the design names."""
    others = {"receiver", "fanout", "crm_sync", "notifier", "reconcile", "clock", "grants", "slack_actions"}
    assert {path.parent.name for path in APPS} == set(FOLDERS.values()) | others


@pytest.mark.parametrize("topic", TOPICS)
def test_a_topics_function_reads_its_own_topic(topic: str) -> None:
    """Each function's handler is made with its own topic's model, facts and rule."""
    app = importlib.import_module(f"functions.{FOLDERS[topic]}.app")
    assert (app.handler.rule.model, app.handler.rule.facts, app.handler.rule.decide) == (
        model_for(topic),
        app.facts,
        app.decide,
    )


def imported(path: Path) -> set[str]:
    """Return the top-level packages that a file imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add("." if node.level else str(node.module))
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize("path", APPS, ids=lambda path: path.parent.name)
def test_a_function_imports_the_layer_and_little_else(path: Path) -> None:
    """The layer, Powertools, pydantic and the standard library: what SAM ships with it."""
    assert imported(path) <= MAY_IMPORT


@pytest.mark.parametrize(
    "path",
    [path for part in ("functions", "layers", "tools") for path in sorted((ROOT / part).rglob("*.py"))],
)
def test_a_module_opens_with_a_sentence(path: Path) -> None:
    """Whoever opens a file reads first what it is for."""
    docstring = ast.get_docstring(ast.parse(path.read_text()))
    assert docstring
    assert docstring.splitlines()[0].endswith((".", ":", "?"))
