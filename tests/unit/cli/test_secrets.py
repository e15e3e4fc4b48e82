"""A secret comes from a variable, a file or the standard input, and one that cannot be right is refused unseen."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from relay_cli.errors import UsageError
from relay_cli.secrets import cleaned, read_secret


@pytest.mark.parametrize(
    "typed", [" key-1\n", "“key-1”", '"key-1"', "'key-1' ", "\ufeffkey-1", "key-1\u00a0"]
)
def test_what_surrounds_a_secret_is_taken_off(typed: str) -> None:
    """Blanks, line ends, quotes of any kind and invisible characters come with copying."""
    assert cleaned(typed, "API key") == "key-1"


@pytest.mark.parametrize("typed", ["key–1", "key\n1", "key\u200b1", "schlüssel", "key\x7f"])  # noqa: RUF001 - a dash of a word processor
def test_a_character_that_no_secret_has(typed: str) -> None:
    """The error names the place and not the secret."""
    with pytest.raises(UsageError, match="position") as refused:
        cleaned(typed, "API key")
    assert typed not in str(refused.value)


def test_nothing_is_no_secret() -> None:
    """An empty secret is refused."""
    with pytest.raises(UsageError, match="empty"):
        cleaned(' "" ', "API key")


def test_where_it_comes_from(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A file is read, `-` is the standard input, else the variable counts; without a terminal nothing is asked."""
    path = tmp_path / "key"
    path.write_text("from-file\n")
    monkeypatch.setenv("API_KEY", "from-variable")
    monkeypatch.setattr("sys.stdin", io.StringIO("from-input\n"))
    assert read_secret("API key", "API_KEY", source=str(path)) == "from-file"
    assert read_secret("API key", "API_KEY", source="-") == "from-input"
    assert read_secret("API key", "API_KEY") == "from-variable"
    monkeypatch.delenv("API_KEY")
    with pytest.raises(UsageError, match="API_KEY"):
        read_secret("API key", "API_KEY")
    with pytest.raises(UsageError, match="cannot be read"):
        read_secret("API key", "API_KEY", source=str(tmp_path / "missing"))


def test_credentials_in_several_lines() -> None:
    """JSON as a person keeps it in a file is one secret of one line; what only looks like it is refused."""
    assert cleaned('{\n  "client_id": "a",\n  "client_secret": "b"\n}\n', "credentials") == (
        '{"client_id": "a", "client_secret": "b"}'
    )
    with pytest.raises(UsageError, match="position"):
        cleaned('{\n"client_id"', "credentials")
