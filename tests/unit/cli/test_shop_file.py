"""A shop's file is read as it was written, and each mistake of a person is named with its line."""

from __future__ import annotations

from pathlib import Path

import pytest
from relay_cli.deployment.shop_file import ShopFile, find, load, parameter_problem
from relay_cli.deployment.template import parameters_of
from relay_cli.errors import UsageError

from tests.support.port_fakes import ROOT

KNOWN = parameters_of(ROOT / "template.yaml")
DIGEST = "a" * 64


def written(folder: Path, text: str) -> Path:
    """Return a file with this text."""
    path = folder / "acme.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_what_is_saved_is_read_again(tmp_path: Path) -> None:
    """Quotes, backslashes and letters of any script survive; what is unset is not written."""
    shop = ShopFile(
        path=tmp_path / "shops" / "acme.toml",
        stack="relay-acme",
        region="eu-central-1",
        parameters={
            "ShopDomain": "acme.myshopify.com",
            "KeyDigests": DIGEST,
            "AlertEmail": "zoë@example.com",
        },
    )
    shop.save()
    assert load(shop.path, KNOWN) == shop
    assert "profile" not in shop.path.read_text()
    assert "no secrets" in shop.path.read_text()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            'stack = "relay-acme"\n[parameters]\nTarget = "hubspot"\n',
            r"line 3: .*no parameter Target; do you mean Targets\?",
        ),
        ('stack = "relay acme"\n', "line 1: 'relay acme' is no name for a stack"),
        (f'stack = "{"s" * 41}"\n', "line 1: .* has 41 characters and may have 40"),
        ('stack = "relay-acme"\nregion = 3\n', "line 2: region must be a text"),
        ('region = "eu-central-1"\n', "line 1: stack must be"),
        ('stack = "relay-acme"\nregio = "eu"\n', "line 2: regio is no setting"),
        ('stack = "relay-acme"\n[parameters]\nTargets = "hubspot,hupspot"\n', "line 3: Targets"),
        (
            'stack = "relay-acme"\n[parameters]\nJournalDays = "long"\n',
            "line 3: JournalDays must be a whole number",
        ),
        ('stack = "relay-acme"\n[parameters]\nJournalDays = 3\n', "line 3: JournalDays must be between 15"),
        ('stack = "relay-acme"\n[parameters]\nArchitecture = "arm"\n', "line 3: Architecture must be one of"),
        ('stack = "relay-acme"\n[parameters]\nShopDomain = "acme.com"\n', "line 3: ShopDomain"),
        ('stack = "relay-acme"\n[parameters]\nTargets = ["hubspot"]\n', "line 3: Targets must be a text"),
        ('stack = "relay-acme"\n[parameters]\nTimeZone = UTC\n', "line 3"),
        ('stack = "relay-acme"\n[parameters]\nTimeZone = "Berlin"\n', "line 3: .*Berlin is no time zone"),
        (
            'stack = "relay-acme"\n[parameters]\nHubSpotSecret = "pat-na1-made-up"\n',
            "line 3: HubSpotSecret: it is the name of an SSM parameter.* never the secret itself",
        ),
        (
            'stack = "relay-acme"\n[parameters]\nShopDomain = "https://acme.com"\n',
            "line 3: ShopDomain: it is the permanent domain at Shopify, such as acme.myshopify.com",
        ),
        ('stack = "relay-acme"\n[parameters]\nTimeZone = "UTC"\nTimeZone = "UTC"\n', "a name is set twice"),
        ("stack = \u201crelay-acme\u201d\n", "those of a word processor"),
        ('stack = "relay-acme"\nparameters = 3\n', "line 2: .parameters. must be a table"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, text: str, says: str) -> None:
    """The text names the file, the line and what would be right."""
    with pytest.raises(UsageError, match=says) as refused:
        load(written(tmp_path, text), KNOWN)
    assert "acme.toml" in str(refused.value)


def test_several_mistakes_at_once(tmp_path: Path) -> None:
    """All are named, each on a line of its own."""
    path = written(tmp_path, 'stack = 3\n[parameters]\nTarget = ""\nArchitecture = "x"\n')
    with pytest.raises(UsageError) as refused:
        load(path, KNOWN)
    assert [line.partition("line ")[2][0] for line in str(refused.value).splitlines()] == ["1", "3", "4"]


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    """It is refused in a sentence."""
    path = tmp_path / "acme.toml"
    path.write_bytes(b"\xff")
    with pytest.raises(UsageError, match="not UTF-8"):
        load(path, KNOWN)


def test_which_shop_is_meant(tmp_path: Path) -> None:
    """A name, a path, or the only file there."""
    with pytest.raises(UsageError, match="relay init"):
        find(None, tmp_path)
    path = written(tmp_path, "")
    assert find(None, tmp_path) == find("acme", tmp_path) == find(str(path), tmp_path) == path
    (tmp_path / "other.toml").touch()
    with pytest.raises(UsageError, match="acme, other"):
        find(None, tmp_path)


def test_each_item_of_a_list_is_checked() -> None:
    """CloudFormation applies the pattern of a list to each item."""
    assert parameter_problem("Targets", "hubspot,klaviyo", KNOWN) is None
    assert parameter_problem("Targets", "", KNOWN) is None
    assert parameter_problem("Targets", "hubspot, klaviyo", KNOWN)


HAND_EDITED = """\
# ours
stack = "relay-acme"          # production

[parameters]
# the big one
Targets = "hubspot" # and # nothing else
JournalDays = 365
AlertEmail = "a#b@example.com"
"""


def test_a_change_leaves_what_a_person_wrote(tmp_path: Path) -> None:
    """One line changes, one is added; comments, order and numbers stay."""
    path = written(tmp_path, HAND_EDITED)
    changed = {"Targets": "hubspot,klaviyo", "TimeZone": "Europe/Berlin"}
    assert load(path, KNOWN).with_parameters(changed).save()
    assert path.read_text() == HAND_EDITED.replace('"hubspot" #', '"hubspot,klaviyo" #') + (
        'TimeZone = "Europe/Berlin"\n'
    )


def test_an_unchanged_file_is_not_written(tmp_path: Path) -> None:
    """Neither its text nor its time changes."""
    path = written(tmp_path, HAND_EDITED)
    before = path.stat().st_mtime_ns
    assert not load(path, KNOWN).with_parameters({"JournalDays": "365"}).save()
    assert path.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    "text",
    [
        'stack = "relay-acme"\nparameters = {Targets = "hubspot"}\n',
        'stack = "relay-acme"\n[parameters]\nTargets = """\nhubspot"""\n',
        'stack = "relay-acme"\nparameters.Targets = "hubspot"\n',
        '[parameters]\nTargets = "hubspot"\n[other]\n'.replace("[other]\n", ""),
    ],
)
def test_a_file_in_another_form_keeps_its_meaning(tmp_path: Path, text: str) -> None:
    """What cannot be edited line by line is written anew; no setting is lost."""
    path = written(tmp_path, text if "stack" in text else f'stack = "relay-acme"\n{text}')
    wanted = load(path, KNOWN).with_parameters({"Targets": "klaviyo", "JournalDays": "400"})
    wanted.save()
    assert load(path, KNOWN) == wanted
