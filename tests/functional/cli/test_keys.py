"""`relay keys` finds the stack of a shop's file, and shows the key only when it is asked to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from relay.adapters.aws.boto import client
from relay_cli.commands import keys
from relay_cli.errors import DONE, CliError

from tests.support.installed_shop import BASE_URL, KEY, InstalledShop, installed_shop


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InstalledShop]:
    """A deployed shop."""
    with installed_shop(tmp_path, monkeypatch, client) as installed:
        installed.deployed()
        yield installed


@pytest.mark.parametrize("words", [("acme",), (), ("--stack", "relay-acme")])
def test_the_url_without_its_key(
    shop: InstalledShop, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """By the file's name, by the only file, or by the option where there is no file."""
    if not words or words[0] == "acme":
        shop.write()
    assert shop.run(keys, "show", *words) == DONE
    assert capsys.readouterr().out == f"{BASE_URL}/…\n"
    assert shop.run(keys, "show", "--reveal", "--json", *words) == DONE
    assert json.loads(capsys.readouterr().out) == {"url": f"{BASE_URL}/{KEY}"}


def test_a_key_that_the_stack_refuses(shop: InstalledShop) -> None:
    """It is not shown as if it were right."""
    shop.write()
    shop.store("another")
    with pytest.raises(CliError, match="does not accept this callback key") as refused:
        shop.run(keys, "show", "--reveal")
    assert "another" not in str(refused.value)
