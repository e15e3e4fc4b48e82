"""One line of `relay doctor`, and what turns a check into lines whatever happens in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, TypeAlias

from relay_cli.known_errors import known_error

State: TypeAlias = Literal["ok", "warning", "bad", "unknown"]
"""`unknown` is a check that could not be made. Only `ok` is green."""

MARKS: Final[dict[State, str]] = {"ok": "✓", "warning": "!", "bad": "✗", "unknown": "?"}


@dataclass(frozen=True, slots=True)
class CheckLine:
    """What a check found: a sentence, and what to do about it where it is not green."""

    name: str
    state: State
    text: str
    remedy: str = ""

    def value(self) -> dict[str, Any]:
        """Return the line for `--json`."""
        return asdict(self)

    def shown(self, width: int) -> str:
        """Return the line for the terminal, its name in a column of this width; the remedy stands below."""
        first = f"{MARKS[self.state]} {self.name:<{width}}  {self.text}"
        return f"{first}\n  {'':<{width}}  → {self.remedy}" if self.remedy else first


@dataclass(frozen=True, slots=True)
class Check:
    """One check. `name` is that of its line where it fails before it has one."""

    name: str
    run: Callable[[], Iterable[CheckLine]]

    def lines(self) -> Iterator[CheckLine]:
        """Yield what it finds. A check that fails yields a line as well: one failure hides no other check."""
        try:
            yield from self.run()
        except Exception as error:  # noqa: BLE001 - a line says what failed; the other checks go on
            yield failed(self.name, error)


def failed(name: str, error: Exception) -> CheckLine:
    """Return the line of a check that could not be made. The text of an unknown error may repeat a secret: its class alone is shown."""
    known = known_error(error)
    if known is None:
        return CheckLine(
            name,
            "unknown",
            f"the check failed: {type(error).__name__}",
            "this is a defect of the command; please report it",
        )
    return CheckLine(name, "unknown", known.message, known.remedy)


def ok(name: str, text: str) -> CheckLine:
    """Return a green line."""
    return CheckLine(name, "ok", text)
