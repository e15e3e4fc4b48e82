"""DynamoDB's expressions: conditions, updates and projections over typed items, read by a small parser.

What is not written as DynamoDB's grammar has it is a `ValidationException`, and so are placeholders that are not
defined or not used, and reserved words without `#`. Source: the developer guide's pages on expressions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, TypeAlias

from moto.dynamodb.parsing.reserved_keywords import ReservedKeywords

from tests.support.aws.refusals import invalid

Typed: TypeAlias = Mapping[str, Any]
"""A value with its type, as DynamoDB writes it: `{"S": "text"}`."""

Item: TypeAlias = dict[str, Any]

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<word>[A-Za-z_][A-Za-z0-9_]*)|(?P<name>#[A-Za-z0-9_]+)|(?P<value>:[A-Za-z0-9_]+)"
    r"|(?P<number>\d+)|(?P<sign><>|<=|>=|[=<>(),.\[\]+-]))"
)
_FUNCTIONS: Final = frozenset(
    {"attribute_exists", "attribute_not_exists", "attribute_type", "begins_with", "contains", "size"}
)
_KEYWORDS: Final = frozenset({"AND", "OR", "NOT", "BETWEEN", "IN", "SET", "REMOVE", "ADD", "DELETE"})


@dataclass(slots=True)
class Placeholders:
    """The names and values of one request, and which of them its expressions used."""

    names: Mapping[str, str]
    values: Mapping[str, Typed]
    used: set[str] = field(default_factory=set)

    def name(self, token: str) -> str:
        """Return the attribute that `#name` stands for."""
        if token not in self.names:
            raise invalid(f"undefined name {token}")
        self.used.add(token)
        return self.names[token]

    def value(self, token: str) -> Typed:
        """Return the value that `:value` stands for."""
        if token not in self.values:
            raise invalid(f"undefined value {token}")
        self.used.add(token)
        return self.values[token]

    def check_used(self) -> None:
        """Refuse placeholders that no expression used, as DynamoDB does."""
        unused = (set(self.names) | set(self.values)) - self.used
        if unused:
            raise invalid(f"unused: {sorted(unused)}")


def placeholders(request: Mapping[str, Any]) -> Placeholders:
    """Return the placeholders of a request."""
    return Placeholders(
        request.get("ExpressionAttributeNames") or {}, request.get("ExpressionAttributeValues") or {}
    )


Path: TypeAlias = tuple[str | int, ...]


@dataclass(slots=True)
class _Parser:
    text: str
    holders: Placeholders
    tokens: list[tuple[str, str]] = field(default_factory=list)
    place: int = 0

    def __post_init__(self) -> None:
        position = 0
        text = self.text.rstrip()
        while position < len(text):
            found = _TOKEN.match(text, position)
            if found is None or found.lastgroup is None:
                raise invalid(f"syntax at {text[position : position + 10]}")
            self.tokens.append((found.lastgroup, found[found.lastgroup]))
            position = found.end()
        if not self.tokens:
            raise invalid("empty expression")

    def peek(self) -> tuple[str, str]:
        return self.tokens[self.place] if self.place < len(self.tokens) else ("end", "")

    def take(self) -> tuple[str, str]:
        token = self.peek()
        self.place += 1
        return token

    def is_next(self, text: str) -> bool:
        kind, token = self.peek()
        if token == text or (kind == "word" and token.upper() == text):
            self.place += 1
            return True
        return False

    def expect(self, text: str) -> None:
        if not self.is_next(text):
            raise invalid(f"expected {text}, found {self.peek()[1]!r}")

    def end(self) -> None:
        if self.peek()[0] != "end":
            raise invalid(f"unexpected {self.peek()[1]!r}")

    def path(self) -> Path:
        parts: list[str | int] = [self._part()]
        while True:
            if self.is_next("."):
                parts.append(self._part())
            elif self.is_next("["):
                kind, token = self.take()
                if kind != "number":
                    raise invalid("an index is a number")
                parts.append(int(token))
                self.expect("]")
            else:
                return tuple(parts)

    def _part(self) -> str:
        kind, token = self.take()
        if kind == "name":
            return self.holders.name(token)
        if kind != "word" or token.upper() in _KEYWORDS:
            raise invalid(f"no attribute name: {token!r}")
        if token.upper() in ReservedKeywords.get_reserved_keywords():
            raise invalid(f"reserved word: {token}")
        return token

    # conditions

    def condition(self) -> Callable[[Item], bool]:
        left = self._and()
        while self.is_next("OR"):
            left = _either(left, self._and())
        return left

    def _and(self) -> Callable[[Item], bool]:
        left = self._not()
        while self.is_next("AND"):
            left = _both(left, self._not())
        return left

    def _not(self) -> Callable[[Item], bool]:
        if self.is_next("NOT"):
            inner = self._not()
            return lambda item: not inner(item)
        if self.peek()[1] == "(":
            self.take()
            inner = self.condition()
            self.expect(")")
            return inner
        return self._comparison()

    def _comparison(self) -> Callable[[Item], bool]:
        kind, token = self.peek()
        if kind == "word" and token in _FUNCTIONS and token != "size":
            return self._function()
        left = self.operand()
        if self.is_next("BETWEEN"):
            low = self.operand()
            self.expect("AND")
            high = self.operand()
            return lambda item: (
                _compare(low(item), "<=", left(item)) and _compare(left(item), "<=", high(item))
            )
        if self.is_next("IN"):
            self.expect("(")
            choices = [self.operand()]
            while self.is_next(","):
                choices.append(self.operand())
            self.expect(")")
            return lambda item: any(_compare(left(item), "=", choice(item)) for choice in choices)
        kind, sign = self.take()
        if sign not in {"=", "<>", "<", "<=", ">", ">="}:
            raise invalid(f"no comparison: {sign!r}")
        right = self.operand()
        return lambda item: _compare(left(item), sign, right(item))

    def _function(self) -> Callable[[Item], bool]:
        _, name = self.take()
        self.expect("(")
        path = self.path()
        if name in {"attribute_exists", "attribute_not_exists"}:
            self.expect(")")
            return lambda item: (look_up(item, path) is not None) == (name == "attribute_exists")
        self.expect(",")
        operand = self.operand()
        self.expect(")")
        return lambda item: _holds(name, look_up(item, path), operand(item))

    def operand(self) -> Callable[[Item], Typed | None]:
        kind, token = self.peek()
        if kind == "value":
            self.take()
            value = self.holders.value(token)
            return lambda _item: value
        if kind == "word" and token == "size":
            self.take()
            self.expect("(")
            path = self.path()
            self.expect(")")
            return lambda item: _size(look_up(item, path))
        path = self.path()
        return lambda item: look_up(item, path)

    # updates

    def update(self) -> list[Callable[[Item, Item], None]]:
        actions: list[Callable[[Item, Item], None]] = []
        seen: set[str] = set()
        while self.peek()[0] != "end":
            _, word = self.take()
            section = word.upper()
            if section in seen or section not in {"SET", "REMOVE", "ADD", "DELETE"}:
                raise invalid(f"no update section: {word}")
            seen.add(section)
            actions.append(self._action(section))
            while self.is_next(","):
                actions.append(self._action(section))
        return actions

    def _action(self, section: str) -> Callable[[Item, Item], None]:
        path = self.path()
        if section == "REMOVE":
            return lambda _before, item: _remove(item, path)
        if section == "SET":
            self.expect("=")
            value = self._sum()
            return lambda before, item: _assign(item, path, value(before))
        operand = self.operand()
        if section == "ADD":
            return lambda before, item: _assign(item, path, _added(look_up(before, path), operand(before)))
        return lambda before, item: _subtract(item, path, look_up(before, path), operand(before))

    def _sum(self) -> Callable[[Item], Typed]:
        left = self._set_operand()
        if self.is_next("+"):
            right = self._set_operand()
            return lambda item: _number(_decimal(left(item)) + _decimal(right(item)))
        if self.is_next("-"):
            right = self._set_operand()
            return lambda item: _number(_decimal(left(item)) - _decimal(right(item)))
        return left

    def _set_operand(self) -> Callable[[Item], Typed]:
        kind, token = self.peek()
        if kind == "word" and token == "if_not_exists":
            self.take()
            self.expect("(")
            path = self.path()
            self.expect(",")
            otherwise = self._set_operand()
            self.expect(")")
            return lambda item: look_up(item, path) or otherwise(item)
        if kind == "word" and token == "list_append":
            self.take()
            self.expect("(")
            first = self._set_operand()
            self.expect(",")
            second = self._set_operand()
            self.expect(")")
            return lambda item: {"L": [*first(item)["L"], *second(item)["L"]]}
        operand = self.operand()

        def needed(item: Item) -> Typed:
            value = operand(item)
            if value is None:
                raise invalid("an attribute of the expression does not exist")
            return value

        return needed


def condition(text: str, holders: Placeholders) -> Callable[[Item], bool]:
    """Return a condition as a test of an item."""
    parser = _Parser(text, holders)
    test = parser.condition()
    parser.end()
    return test


def update(text: str, holders: Placeholders) -> Callable[[Item], Item]:
    """Return an update as a function from the item before to the item after."""
    parser = _Parser(text, holders)
    actions = parser.update()

    def apply(before: Item) -> Item:
        after: Item = copied(before)
        for action in actions:
            action(before, after)
        return after

    return apply


def projection(text: str, holders: Placeholders) -> Callable[[Item], Item]:
    """Return a projection to top-level attributes: nothing here asks for more."""
    parser = _Parser(text, holders)
    paths = [parser.path()]
    while parser.is_next(","):
        paths.append(parser.path())
    parser.end()
    names = [str(path[0]) for path in paths]
    return lambda item: {name: item[name] for name in names if name in item}


def copied(value: Any) -> Any:
    """Return a deep copy of an item or a value."""
    if isinstance(value, str):
        return value
    if isinstance(value, (dict, Mapping)):
        return {name: copied(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [copied(inner) for inner in value]
    return value


def look_up(item: Item, path: Path) -> Typed | None:
    """Return the value at a path; None where there is none."""
    value: Any = {"M": item}
    for part in path:
        if isinstance(part, int):
            entries = value.get("L")
            if entries is None or part >= len(entries):
                return None
            value = entries[part]
        else:
            entries = value.get("M")
            if entries is None or part not in entries:
                return None
            value = entries[part]
    found: Typed = value
    return found


def _holder(item: Item, path: Path) -> Any:
    holder = look_up(item, path[:-1]) if path[:-1] else {"M": item}
    if holder is None:
        raise invalid("the path does not exist")
    return holder.get("M") if isinstance(path[-1], str) else holder.get("L")


def _assign(item: Item, path: Path, value: Typed | None) -> None:
    holder = _holder(item, path)
    if holder is None or value is None:
        raise invalid("the path does not exist")
    last = path[-1]
    if isinstance(last, int) and last >= len(holder):
        holder.append(copied(value))
    else:
        holder[last] = copied(value)


def _remove(item: Item, path: Path) -> None:
    holder = _holder(item, path)
    if isinstance(holder, dict):
        holder.pop(path[-1], None)
    elif isinstance(path[-1], int) and path[-1] < len(holder):
        del holder[path[-1]]


def _added(value: Typed | None, more: Typed | None) -> Typed:
    if more is None:
        raise invalid("ADD needs a value")
    if "N" in more:
        return _number(_decimal(value or {"N": "0"}) + _decimal(more))
    kind = next(iter(more))
    if kind not in {"SS", "NS", "BS"} or (value is not None and kind not in value):
        raise invalid("ADD takes numbers and sets")
    return {kind: sorted({*(value or {kind: []})[kind], *more[kind]})}


def _subtract(item: Item, path: Path, value: Typed | None, less: Typed | None) -> None:
    if less is None or next(iter(less)) not in {"SS", "NS", "BS"}:
        raise invalid("DELETE takes a set")
    kind = next(iter(less))
    if value is None:
        return
    left = sorted(set(value[kind]) - set(less[kind]))
    if left:
        _assign(item, path, {kind: left})
    else:
        _remove(item, path)


def _number(value: Decimal) -> Typed:
    return {"N": format(value.normalize(), "f")}


def _decimal(value: Typed | None) -> Decimal:
    if value is None or "N" not in value:
        raise invalid("no number")
    return Decimal(value["N"])


def _size(value: Typed | None) -> Typed | None:
    if value is None:
        return None
    kind, content = next(iter(value.items()))
    return {"N": str(len(content.encode() if kind == "S" else content))}


def _compare(left: Typed | None, sign: str, right: Typed | None) -> bool:
    if left is None or right is None:
        return False
    (kind, one), (other_kind, two) = next(iter(left.items())), next(iter(right.items()))
    if kind != other_kind:
        return sign == "<>"
    if kind == "N":
        one, two = Decimal(one), Decimal(two)
    elif kind == "S":
        one, two = one.encode(), two.encode()
    elif kind in {"SS", "NS", "BS"}:
        one, two = sorted(one), sorted(two)
    match sign:
        case "=":
            return bool(one == two)
        case "<>":
            return bool(one != two)
    if kind not in {"N", "S", "B"}:
        raise invalid(f"{kind} has no order")
    return bool({"<": one < two, "<=": one <= two, ">": one > two, ">=": one >= two}[sign])


def _holds(name: str, value: Typed | None, operand: Typed | None) -> bool:
    if operand is None or value is None:
        return False
    kind, content = next(iter(value.items()))
    other_kind, other = next(iter(operand.items()))
    if name == "attribute_type":
        return bool(kind == other)
    if name == "begins_with":
        return kind == other_kind and bool(content.startswith(other))
    if kind in {"SS", "NS", "BS"}:
        return other in content
    if kind == "L":
        return operand in content
    return kind == other_kind and other in content


def _both(left: Callable[[Item], bool], right: Callable[[Item], bool]) -> Callable[[Item], bool]:
    return lambda item: left(item) and right(item)


def _either(left: Callable[[Item], bool], right: Callable[[Item], bool]) -> Callable[[Item], bool]:
    return lambda item: left(item) or right(item)
