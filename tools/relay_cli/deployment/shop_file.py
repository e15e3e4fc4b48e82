"""The file of one shop: which stack in which account, and its parameters. It holds no secret and belongs into git.

    stack = "relay-acme"
    region = "eu-central-1"

    [parameters]
    ShopDomain = "acme.myshopify.com"
    Targets = "hubspot"

`relay init` writes it, a person edits it, `relay deploy` and `relay set` read it. Each mistake is named with its line.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from stack_template import names

from relay_cli.aws_access import AwsAccess
from relay_cli.errors import UsageError
from relay_cli.stack import Stack

if TYPE_CHECKING:
    import argparse

FOLDER: Final = Path("shops")
_KNOWN: Final = ("stack", "region", "profile", "parameters")
_CURLY: Final = "\u201c\u201d\u201e\u2018\u2019"
_HEADER: Final = """\
# Relay's settings of one shop. It holds no secrets: they are in SSM, and parameters name them.
# `relay deploy` shows what a change does before it is made. docs/operations.md lists the parameters.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShopFile:
    """A shop's settings. `parameters` are those of the stack by name; what is not named keeps its value."""

    path: Path
    stack: str
    region: str | None = None
    profile: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)

    def with_parameters(self, changed: Mapping[str, str]) -> ShopFile:
        """Return the settings with some parameters changed."""
        return replace(self, parameters={**self.parameters, **changed})

    def open_stack(self, arguments: argparse.Namespace) -> Stack:
        """Return the shop's stack; an option for account and region wins over the file."""
        access = AwsAccess.of(arguments)
        profile, region = access.profile or self.profile, access.region or self.region
        return Stack(self.stack, AwsAccess(profile, region, access.endpoint_url))

    def text(self) -> str:
        """Return the file's content."""
        lines = [f"stack = {_quoted(self.stack)}"]
        lines += [
            f"{name} = {_quoted(value)}" for name in ("region", "profile") if (value := getattr(self, name))
        ]
        lines += ["", "[parameters]"]
        lines += [f"{name} = {_quoted(value)}" for name, value in self.parameters.items()]
        return _HEADER + "\n" + "\n".join(lines) + "\n"

    def save(self) -> bool:
        """Write the file where it says something else; return whether it did.

        A person's comments and order stay where only parameters change.
        """
        if self.path.is_file():
            present = self.path.read_text(encoding="utf-8")
            if _says(present, self):
                return False
            edited = _edited(present, self.parameters)
            text = edited if _says(edited, self) else self.text()
        else:
            text = self.text()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(text, encoding="utf-8")
        return True


def _says(text: str, shop: ShopFile) -> bool:
    """Return whether a file's text has these very settings."""
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return False
    parameters = {name: str(value) for name, value in content.get("parameters", {}).items()}
    top = {name: content.get(name) for name in ("stack", "region", "profile")}
    wanted = {"stack": shop.stack, "region": shop.region, "profile": shop.profile}
    return (parameters, top) == (dict(shop.parameters), wanted)


def _edited(text: str, parameters: Mapping[str, str]) -> str:
    """Return a file's text with these parameters: each line that sets one is replaced, new ones follow at the end."""
    lines, left = text.splitlines(), dict(parameters)
    for number, line in enumerate(lines):
        name = line.partition("=")[0].strip().strip("\"'")
        if "=" in line and name in left:
            before, comment = _value_and_comment(line)
            value = left.pop(name)
            if _read(before) != value:
                lines[number] = f"{name} = {_quoted(value)}{comment}"
    return "\n".join([*lines, *(f"{name} = {_quoted(value)}" for name, value in left.items())]) + "\n"


def _value_and_comment(line: str) -> tuple[str, str]:
    """Split a line at the comment behind its value; without one the second part is empty."""
    for place in (match.start() for match in re.finditer(r"\s*#", line)):
        if _read(line[:place]) is not None:
            return line[:place], line[place:]
    return line, ""


def _read(line: str) -> str | None:
    """Return the value that a line of TOML sets; None where it is not a whole one."""
    try:
        [value] = tomllib.loads(line).values()
    except (tomllib.TOMLDecodeError, ValueError):
        return None
    return str(value)


def _quoted(text: str) -> str:
    """Return a TOML string: JSON's is one."""
    return json.dumps(text)


def find(shop: str | None, folder: Path = FOLDER) -> Path:
    """Return the file of a shop: a path, a name in `folder`, or the only file there.

    Raises:
        UsageError: there is none, or several to choose from.

    """
    if shop and (shop.endswith(".toml") or "/" in shop):
        path = Path(shop)
    elif shop:
        path = folder / f"{shop}.toml"
    else:
        every = sorted(folder.glob("*.toml"))
        if len(every) > 1:
            names = ", ".join(one.stem for one in every)
            raise UsageError(f"{folder}/ has the shops {names}", "name one: `relay deploy SHOP`")
        path = every[0] if every else folder / "NAME.toml"
    if not path.is_file():
        raise UsageError(
            f"there is no file {path} here",
            f"run the command where the folder {folder} is; `relay init` makes the file",
        )
    return path


def load(path: Path, known: Mapping[str, Mapping[str, Any]] | None) -> ShopFile:
    """Read a shop's file; `known` are the template's parameters by name, None leaves them unchecked.

    Raises:
        UsageError: it cannot be read, or something in it is wrong: the text names the line.

    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise UsageError(f"{path} cannot be read: {reason}") from None
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: {error}", _syntax_advice(text, error)) from None
    problems = list(_problems(content, text, known))
    if problems:
        raise UsageError("\n".join(f"{path}, line {line}: {what}" for line, what in problems))
    return ShopFile(
        path=path,
        stack=content["stack"],
        region=content.get("region"),
        profile=content.get("profile"),
        parameters={name: str(value) for name, value in content.get("parameters", {}).items()},
    )


def _syntax_advice(text: str, error: tomllib.TOMLDecodeError) -> str:
    """Return what to do about a text that is no TOML."""
    if "overwrite" in str(error) or "twice" in str(error):
        return "a name is set twice: keep one of the lines"
    if any(quote in text for quote in _CURLY):
        return 'write straight quotes, not those of a word processor: Name = "value"'
    return 'quote each value: Name = "value"'


def _problems(
    content: Mapping[str, Any], text: str, known: Mapping[str, Mapping[str, Any]] | None
) -> list[tuple[int, str]]:
    problems = [
        (line_of(text, name), f"{name} is no setting: {', '.join(_KNOWN)} are")
        for name in content
        if name not in _KNOWN
    ]
    for name in _KNOWN[:-1]:
        value = content.get(name)
        if (name == "stack" or value is not None) and not (isinstance(value, str) and value):
            problems.append((line_of(text, name), f"{name} must be a text"))
        elif name == "stack" and (why := names.fault(str(value))):
            problems.append((line_of(text, name), why))
    parameters = content.get("parameters", {})
    if not isinstance(parameters, Mapping):
        return [*problems, (line_of(text, "parameters"), "[parameters] must be a table")]
    for name, value in parameters.items() if known is not None else ():
        if what := parameter_problem(name, value, known or {}):
            problems.append((line_of(text, name), what))
    return problems


def parameter_problem(name: str, value: object, known: Mapping[str, Mapping[str, Any]]) -> str | None:
    """Return what is wrong with a parameter, as CloudFormation would see it; None where nothing is."""
    from difflib import get_close_matches

    if name not in known:
        close = get_close_matches(name, known, n=1)
        return f"the template has no parameter {name}" + (f"; do you mean {close[0]}?" if close else "")
    if isinstance(value, bool) or not isinstance(value, str | int):
        return f"{name} must be a text or a whole number"
    rule, written = known[name], str(value)
    if rule.get("AllowedValues") and written not in map(str, rule["AllowedValues"]):
        return f"{name} must be one of {', '.join(map(str, rule['AllowedValues']))}"
    # CloudFormation checks each item of a list by itself.
    items = written.split(",") if rule.get("Type") == "CommaDelimitedList" else [written]
    pattern = rule.get("AllowedPattern")
    if pattern and not all(re.fullmatch(pattern, item) for item in items):
        return f"{name}: it is {rule.get('ConstraintDescription') or 'a text that matches ' + pattern}"
    if rule.get("Type") == "Number":
        return _number_problem(name, written, rule)
    return _time_zone_problem(written) if name == "TimeZone" else None


def _time_zone_problem(name: str) -> str | None:
    """Return what is wrong with a time zone: the template's pattern takes any name, and then no function would run."""
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(name)
    except (ValueError, KeyError, OSError):
        return f"{name} is no time zone of the IANA database, as Europe/Berlin is"
    return None


def _number_problem(name: str, written: str, rule: Mapping[str, Any]) -> str | None:
    if not re.fullmatch(r"-?\d+", written):
        return f"{name} must be a whole number"
    least, most = rule.get("MinValue"), rule.get("MaxValue")
    if (least is not None and int(written) < int(least)) or (most is not None and int(written) > int(most)):
        return f"{name} must be between {least} and {most}"
    return None


def line_of(text: str, name: str) -> int:
    """Return the line on which a name is set; the first line where it is nowhere."""
    pattern = re.compile(rf"""^\s*\[?\s*["']?{re.escape(name)}["']?\s*[=\]]""")
    return next((number for number, line in enumerate(text.splitlines(), 1) if pattern.match(line)), 1)
