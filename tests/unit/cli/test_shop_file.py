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
        ('stack = "relay acme"\n', "line 1: stack must be"),
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
