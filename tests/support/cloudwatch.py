"""CloudWatch's alarms, as far as template.yaml uses them: periods, statistics, expressions, missing data, M of N.

What is documented is kept: an alarm is evaluated every minute over the periods that end then; it fetches more periods
than it evaluates, and where enough of them have values it looks at the newest values and at no missing one; else the
missing ones count as `TreatMissingData` says, after all values that there are. How many more it fetches is documented
nowhere, and neither is what FILL makes of a series without any value: both are settings here (`Manner`), and a
play has to come to the same openings under each.
"""

from __future__ import annotations

import ast
import operator
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeAlias

from tests.support.template_data import text

Value: TypeAlias = float | None
MetricKey: TypeAlias = tuple[str, str]
"""A metric's name and the value of its first dimension as the template writes it, such as `DeadLetters.QueueName`."""

_STATISTICS: Mapping[str, Callable[[Sequence[float]], float]] = {"Sum": sum, "Maximum": max, "Minimum": min}
_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {"GreaterThanThreshold": operator.gt}


@dataclass(frozen=True, slots=True)
class Manner:
    """What AWS documents nowhere: the periods fetched beyond those evaluated, and whether FILL fills an empty series."""

    more_periods: int
    fills_empty: bool


@dataclass(slots=True)
class TimeLine:
    """Values of metrics by the minute in which they were measured."""

    minutes: int
    values: dict[MetricKey, dict[int, list[float]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    _windows: dict[tuple[MetricKey, str, int], list[Value]] = field(default_factory=dict)

    def add(self, key: MetricKey, minute: int, *values: float) -> None:
        """Measure values in a minute of the line; those outside of it are left out."""
        if 0 <= minute < self.minutes:
            self.values[key][minute].extend(values)

    def drop(self, key: MetricKey, begin: int, end: int) -> None:
        """Take out what was measured from `begin` on and before `end`."""
        for minute in range(begin, end):
            self.values[key].pop(minute, None)

    def windows(self, key: MetricKey, statistic: str, minutes: int) -> list[Value]:
        """Return the statistic of the last `minutes` at each minute; None where nothing was measured."""
        if (key, statistic, minutes) not in self._windows:
            self._windows[key, statistic, minutes] = self._slide(key, statistic, minutes)
        return self._windows[key, statistic, minutes]

    def _slide(self, key: MetricKey, statistic: str, minutes: int) -> list[Value]:
        combine, measured = _STATISTICS[statistic], self.values.get(key, {})
        by_minute = {minute: combine(values) for minute, values in measured.items() if values}
        result: list[Value] = [None]
        recent: deque[tuple[int, float]] = deque()
        for at in range(1, self.minutes + 1):
            if at - 1 in by_minute:
                recent.append((at - 1, by_minute[at - 1]))
            while recent and recent[0][0] < at - minutes:
                recent.popleft()
            result.append(combine([value for _, value in recent]) if recent else None)
        return result


@dataclass(frozen=True, slots=True)
class Change:
    """An alarm changed its state at a minute."""

    minute: int
    state: str


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alarm of the template, by its properties."""

    properties: Mapping[str, Any]

    @property
    def period(self) -> int:
        """The length of a period, in minutes."""
        stats = [query["MetricStat"] for query in self._queries]
        [seconds] = {stat["Period"] for stat in stats}
        assert seconds % 60 == 0
        return int(seconds) // 60

    @property
    def keys(self) -> list[MetricKey]:
        """The metrics that it watches and that are billed."""
        return [_key(query["MetricStat"]["Metric"]) for query in self._queries]

    def play(self, line: TimeLine, manner: Manner) -> list[Change]:
        """Return how the alarm changes its state; it begins as OK, before the first minute."""
        series = {
            query["Id"]: line.windows(
                _key(query["MetricStat"]["Metric"]), query["MetricStat"]["Stat"], self.period
            )
            for query in self._queries
        }
        if self._cannot_change(series):
            return []
        fetched = self.properties["EvaluationPeriods"] + manner.more_periods
        state, changes = "OK", list[Change]()
        # Before the line there is no past: it begins when every period that is fetched lies within it.
        for minute in range(fetched * self.period, line.minutes + 1):
            ends = [minute - back * self.period for back in range(fetched)][::-1]
            known = {name: [values[end] for end in ends] for name, values in series.items()}
            new = self._state(self._combine(known, manner), state)
            if new != state:
                state = new
                changes.append(Change(minute, state))
        return changes

    def _cannot_change(self, series: Mapping[str, list[Value]]) -> bool:
        """Tell whether no value breaches and no missing one counts as breaching: a quicker end of most plays."""
        if "Metrics" in self.properties or self.properties["TreatMissingData"] == "breaching":
            return False
        breaches = _COMPARISONS[self.properties["ComparisonOperator"]]
        threshold = self.properties["Threshold"]
        return not any(value is not None and breaches(value, threshold) for value in series["m"])

    @property
    def _queries(self) -> list[Mapping[str, Any]]:
        if "Metrics" in self.properties:
            return [query for query in self.properties["Metrics"] if "MetricStat" in query]
        metric = {name: self.properties[name] for name in ("Namespace", "MetricName", "Dimensions")}
        stat = {"Metric": metric, "Stat": self.properties["Statistic"], "Period": self.properties["Period"]}
        return [{"Id": "m", "MetricStat": stat}]

    def _combine(self, known: Mapping[str, list[Value]], manner: Manner) -> list[Value]:
        expressions = [q["Expression"] for q in self.properties.get("Metrics", ()) if "Expression" in q]
        if not expressions:
            return known["m"]
        [expression] = expressions
        return evaluate(expression, known, manner)

    def _state(self, values: Sequence[Value], state: str) -> str:
        """Return the state after these periods, the oldest first."""
        n, m = self.properties["EvaluationPeriods"], self.properties["DatapointsToAlarm"]
        breaches = _COMPARISONS[self.properties["ComparisonOperator"]]
        there = [breaches(value, self.properties["Threshold"]) for value in values if value is not None]
        if len(there) >= n:
            return "ALARM" if sum(there[-n:]) >= m else "OK"
        missing = n - len(there)
        match self.properties["TreatMissingData"]:
            case "breaching":
                return "ALARM" if sum(there) + missing >= m else "OK"
            case "notBreaching":
                return "ALARM" if sum(there) >= m else "OK"
            case "ignore":
                return "ALARM" if sum(there) >= m else state if sum(there) + missing >= m else "OK"
            case other:
                raise NotImplementedError(other)


def evaluate(expression: str, known: Mapping[str, list[Value]], manner: Manner) -> list[Value]:
    """Return an expression's value in each period; an operation on a missing value is missing.

    The operators, IF, FILL and DIFF: what the template uses. An unknown function is an error.
    """
    return _value(_parsed(expression), known, len(next(iter(known.values()))), manner)


@cache
def _parsed(expression: str) -> ast.expr:
    return ast.parse(expression.replace(" AND ", " and ").replace(" OR ", " or "), mode="eval").body


_OPERATORS: Mapping[type, Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.And: lambda a, b: bool(a) and bool(b),
    ast.Or: lambda a, b: bool(a) or bool(b),
}


def _value(node: ast.expr, known: Mapping[str, list[Value]], length: int, manner: Manner) -> list[Value]:
    sides: Sequence[ast.expr]
    kinds: Sequence[type[ast.AST]]
    match node:
        case ast.Constant(value=float() | int() as constant):
            return [float(constant)] * length
        case ast.Name(id=name):
            return known[name]
        case ast.BinOp(left, operation, right):
            sides, kinds = [left, right], [type(operation)]
        case ast.Compare(left, operations, comparators):
            sides, kinds = [left, *comparators], [type(each) for each in operations]
        case ast.BoolOp(joint, parts):
            sides, kinds = parts, [type(joint)] * (len(parts) - 1)
        case ast.Call(ast.Name(id=function), arguments):
            given = [_value(argument, known, length, manner) for argument in arguments]
            return _call(function, given, manner)
        case _:
            raise NotImplementedError(ast.dump(node))
    result, *others = (_value(side, known, length, manner) for side in sides)
    for kind, other in zip(kinds, others, strict=True):
        apply = _OPERATORS[kind]
        pairs = zip(result, other, strict=True)
        result = [None if a is None or b is None else float(apply(a, b)) for a, b in pairs]
    return result


def _call(function: str, given: Sequence[list[Value]], manner: Manner) -> list[Value]:
    match function, given:
        case "IF", [condition, then, otherwise]:
            cases = zip(condition, then, otherwise, strict=True)
            return [None if c is None else a if c else b for c, a, b in cases]
        case "FILL", [values, filling]:
            if not manner.fills_empty and all(value is None for value in values):
                return values
            return [b if a is None else a for a, b in zip(values, filling, strict=True)]
        case "DIFF", [values]:
            before = [None, *values[:-1]]
            return [None if a is None or b is None else b - a for a, b in zip(before, values, strict=True)]
        case _:
            raise NotImplementedError(function)


def _key(metric: Mapping[str, Any]) -> MetricKey:
    return metric["MetricName"], text(metric["Dimensions"][0]["Value"])
