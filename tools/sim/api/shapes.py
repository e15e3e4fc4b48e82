"""The envelope in each of its possible shapes: the documentation says `data` is an object and promises arrays."""

from __future__ import annotations

from typing import Any

from sim.api.calls import Answer
from sim.switches import Switches


def shaped(answer: Answer, switches: Switches) -> dict[str, Any]:
    """Return the JSON of an answer.

    named: data {"members": […]} or {"member": {…}}; array: data […] or the record itself;
    nested: data {"data": […]} or {"data": {"member": {…}}}, an envelope in an envelope.
    """
    envelope: dict[str, Any] = {"message": answer.message}
    if answer.rows is None:
        return envelope | {"data": _record(answer, switches)}
    cursor = _cursor(answer, switches)
    shape = switches["data_shape"]
    if shape == "array":
        return envelope | {"data": answer.rows} | cursor
    data: dict[str, Any] = {answer.name if shape == "named" else "data": answer.rows}
    if switches("cursor_place", "top"):
        return envelope | {"data": data} | cursor
    return envelope | {"data": data | cursor}


def _record(answer: Answer, switches: Switches) -> dict[str, Any]:
    if answer.record is None:
        return {}
    if answer.status == 201 or switches("data_shape", "array"):  # noqa: PLR2004 - the status itself
        return answer.record
    named = {answer.name: answer.record}
    return named if switches("data_shape", "named") else {"data": named}


def _cursor(answer: Answer, switches: Switches) -> dict[str, Any]:
    if answer.cursor is None:
        return {}
    name, value = answer.cursor
    if value is None and switches("list_end", "absent"):
        return {}
    return {name: value}
