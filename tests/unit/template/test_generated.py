"""The parts of template.yaml that repeat are written from the topics and the CRMs that there are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from relay import topics as relay_topics
from relay.wiring.crms import CRMS as WIRED
from stack_template import crm_blocks, crms, topics
from stack_template.__main__ import main, sections
from stack_template.expanded import loaded
from stack_template.sections import written

from tests.support.port_fakes import ROOT

TEMPLATE = (ROOT / "template.yaml").read_text()


def test_the_template_is_current() -> None:
    """What `make check` asks for; and writing it again changes nothing."""
    assert main(["--check"]) == 0
    assert written(TEMPLATE, sections()) == TEMPLATE


def test_a_stale_template_is_noticed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A topic that was taken out of the table, and a section without marks."""
    monkeypatch.delitem(relay_topics.FOLDERS, "customer.updated")
    assert main(["--check"]) == 1
    assert "make template" in capsys.readouterr().out
    with pytest.raises(ValueError, match="once each"):
        written(TEMPLATE, {**sections(), "another": ""})


def test_a_new_topic_needs_no_line_of_the_template(monkeypatch: pytest.MonkeyPatch) -> None:
    """Queue, role, function and output; the receiver and the clock may send to its queue, and know its URL."""
    monkeypatch.setitem(relay_topics.FOLDERS, "customer.thanked", "thanked")
    monkeypatch.setattr(topics, "_description", lambda folder: folder)
    new = loaded(written(TEMPLATE, sections()))
    old = loaded(TEMPLATE)
    assert new["Resources"].keys() - old["Resources"].keys() == {
        "ThankedQueue",
        "ThankedRole",
        "ThankedFunction",
    }
    assert new["Outputs"].keys() - old["Outputs"].keys() == {"ThankedUrl"}
    for name in ("Receiver", "Clock"):
        policies = new["Resources"][f"{name}Role"]["Properties"]["Policies"]
        assert "ThankedQueue" in str(policies)
        variables = new["Resources"][f"{name}Function"]["Properties"]["Environment"]["Variables"]
        assert variables["QUEUE_THANKED"] == {"Ref": "ThankedQueue"}


def test_a_new_crm_needs_no_line_of_the_template(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parameters, a rule, a condition, its block, its output, and its lines of the dashboard; the clock knows its queue."""
    table = (*crms.CRMS, replace(crms.CRMS[0], name="Zeta"))
    monkeypatch.setattr(crm_blocks, "CRMS", table)
    monkeypatch.setattr("stack_template.dashboard.CRMS", table)
    new, old = loaded(written(TEMPLATE, sections())), loaded(TEMPLATE)
    added = {part: new[part].keys() - old[part].keys() for part in old if isinstance(old[part], dict)}
    assert added["Parameters"] == {"ZetaUrl", "ZetaSecret", "ZetaVersion", "ZetaEvents"}
    assert (added["Rules"], added["Conditions"]) == ({"ZetaNeedsItsSettings"}, {"HasZeta"})
    assert added["Outputs"] == {"ZetaQueueUrl"}
    parts = {f"Zeta{part}" for part in ("Queue", "QueuePolicy", "Subscription", "Role", "Function")}
    assert parts == added["Resources"]
    assert "-zeta" in str(new["Resources"]["Dashboard"])
    assert {new["Resources"][name]["Condition"] for name in added["Resources"]} == {"HasZeta"}
    clock = new["Resources"]["ClockFunction"]["Properties"]["Environment"]["Variables"]["CRM_QUEUE_URLS"]
    assert {"Fn::If": ["HasZeta", {"Ref": "ZetaQueue"}, ""]} in clock["Fn::Join"][1]
    assert "ZetaQueue" in str(new["Resources"]["ClockRole"])
    assert "zeta" in new["Parameters"]["Targets"]["AllowedPattern"]


def test_the_table_has_every_crm_that_is_wired() -> None:
    """A CRM without its line could be named by no deployment."""
    assert {crm.target for crm in crms.CRMS} == set(WIRED)


@pytest.mark.parametrize("source", ['"""No "quotes". More."""', "x = 1\n"])
def test_a_module_that_cannot_describe_its_function_is_refused(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its first sentence is the function's description, in quotation marks."""
    folder = tmp_path / "functions" / "thanked"
    folder.mkdir(parents=True)
    (folder / "app.py").write_text(source)
    monkeypatch.setattr(topics, "ROOT", folder.parents[1])
    with pytest.raises(ValueError, match="thanked"):
        topics._description("thanked")
