"""The results of `relay mirror` as tables for a person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from relay_cli.output import table


def as_text(result: Mapping[str, Any]) -> str:
    """Return a result as text: its values in lines, its members as a table, and the command that helps further."""
    parts = [_columns(list(_rows(result)))]
    if "members" in result and isinstance(result["members"], Mapping):
        parts.append(
            table(
                ("member", "field", "relay", "crm", ""),
                list(_fields(result["members"])),
                empty="no difference among the members that the CRM holds"
                if result.get("not_held")
                else "no difference",
            )
        )
    if "who" in result:
        headings = ("member", "state", "reason", "since", "next try", "what to do")
        # Of a refusal no time is kept; `-` says so, and an empty cell would not.
        rows = [[each[name.replace(" ", "_")] or "-" for name in headings] for each in result["who"]]
        parts.append(table(headings, rows, empty="no member waits or is refused"))
    if _is_equal(result):
        parts.append("nothing differs")
    if remedy := _remedy(result):
        parts.append(remedy)
    return "\n\n".join(parts)


def _is_equal(result: Mapping[str, Any]) -> bool:
    """Return whether members were compared whole, and no field of theirs differs."""
    members = result.get("members")
    return (
        isinstance(members, Mapping)
        and bool(members)
        and all(field["same"] for fields in members.values() for field in fields.values())
    )


def _verdict(field: Mapping[str, Any]) -> str:
    if not field["same"]:
        return "differs"
    return "" if field.get("compared", True) else "not compared"


def _columns(rows: Sequence[tuple[str, str]]) -> str:
    """Return names and values side by side: a table without headings."""
    width = max((len(name) for name, _ in rows), default=0)
    return "\n".join(f"{name:<{width}}  {value}".rstrip() for name, value in rows)


def _remedy(result: Mapping[str, Any]) -> str:
    """Return the command for what a result shows; empty where nothing is to be done."""
    target, members = result.get("target"), result.get("members")
    if isinstance(members, Mapping) and any(
        not field["same"] for fields in members.values() for field in fields.values()
    ):
        return (
            f"`relay mirror audit {target}` repairs what was edited in the CRM. It names a contact that was deleted there: see "
            f"`relay mirror status {target} --who` after it."
        )
    if "queued" in result:
        return f"Each is tried within minutes: `relay mirror status {target} --who` names those that still wait or are refused."
    if unrepaired(result) or result.get("not_held"):
        return f"`relay mirror status {target} --who` names the members that the CRM does not hold, and what to do."
    return ""


def unrepaired(result: Mapping[str, Any]) -> int:
    """Return how many of the contacts that an audit found edited or missing it has not repaired."""
    found: int = result.get("edited", 0) + result.get("missing", 0) - result.get("repaired", 0)
    return found


def _rows(result: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in result.items():
        label = f"{prefix}{name.replace('_', ' ')}"
        if name == "who" or (name == "members" and isinstance(value, Mapping)):
            continue
        if isinstance(value, Mapping):
            yield from _rows(value, f"{label}: ") if value else [(label, "none")]
        elif isinstance(value, bool):
            yield label, "yes" if value else "no"
        elif isinstance(value, list):
            yield label, ", ".join(map(str, value)) or "none"
        else:
            yield label, "never" if value in {None, ""} else str(value)


def _fields(members: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, ...]]:
    """Yield the fields of each member, those that differ first."""
    for key, fields in members.items():
        ordered = sorted(fields.items(), key=lambda pair: bool(pair[1]["same"]))
        for name, field in ordered:
            yield key, name, field["ours"], field["theirs"], _verdict(field)
