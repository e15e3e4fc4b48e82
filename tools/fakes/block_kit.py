"""Validation of a Slack message: which Block Kit content Slack refuses, with Slack's error codes.

Limits: https://docs.slack.dev/reference/block-kit/blocks. The limit on a whole message is not
documented: in practice Slack refuses more than about 13,200 characters.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

_BLOCKS: Final = 50
_TOTAL: Final = 13_200
_TEXT: Final = 40_000
_HEADER: Final = 150
_SECTION: Final = 3_000
_FIELD: Final = 2_000
_FIELDS: Final = 10
_ELEMENTS: Final = 10
_BLOCK_ID: Final = 255
_BUTTONS: Final = 25
_BUTTON_TEXT: Final = 75
_BUTTON_VALUE: Final = 2_000
_BUTTON_URL: Final = 3_000
_STYLES: Final = frozenset({None, "primary", "danger"})
_TEXT_TYPES: Final = frozenset({"plain_text", "mrkdwn"})


def validation_error(payload: Any) -> str | None:
    """Return Slack's error code for a message that Slack refuses, None for one that it accepts."""
    if not isinstance(payload, dict):
        return "invalid_payload"
    text, blocks = payload.get("text"), payload.get("blocks", [])
    # Slack accepts blocks without a text, but notifications and screen readers then have nothing to show.
    if not isinstance(text, str) or not text.strip():
        return "no_text"
    if len(text) > _TEXT:
        return "msg_too_long"
    if not isinstance(blocks, list) or len(blocks) > _BLOCKS:
        return "invalid_blocks"
    if len(json.dumps(blocks, ensure_ascii=False)) > _TOTAL:
        return "msg_blocks_too_long"
    return None if all(map(_is_valid, blocks)) else "invalid_blocks"


def _is_valid(block: Any) -> bool:
    if not isinstance(block, dict) or len(str(block.get("block_id", ""))) > _BLOCK_ID:
        return False
    check = _CHECKS.get(str(block.get("type")))
    return check is not None and all(check(block))


def _header(block: Mapping[str, Any]) -> Iterator[bool]:
    text = block.get("text")
    yield _is_text(text, _HEADER) and isinstance(text, dict) and text["type"] == "plain_text"


def _section(block: Mapping[str, Any]) -> Iterator[bool]:
    yield "text" in block or "fields" in block
    if "text" in block:
        yield _is_text(block["text"], _SECTION)
    if "fields" in block:
        fields = block["fields"]
        yield isinstance(fields, list) and 0 < len(fields) <= _FIELDS
        yield isinstance(fields, list) and all(_is_text(field, _FIELD) for field in fields)


def _context(block: Mapping[str, Any]) -> Iterator[bool]:
    elements = block.get("elements")
    yield isinstance(elements, list) and 0 < len(elements) <= _ELEMENTS
    yield isinstance(elements, list) and all(
        _is_text(element, _SECTION) or (isinstance(element, dict) and element.get("type") == "image")
        for element in elements
    )


def _actions(block: Mapping[str, Any]) -> Iterator[bool]:
    elements = block.get("elements")
    if not isinstance(elements, list) or not all(isinstance(element, dict) for element in elements):
        yield False
        return
    yield 0 < len(elements) <= _BUTTONS
    names = [element.get("action_id") for element in elements]
    yield len(set(names)) == len(names)
    for element in elements:
        text = element.get("text")
        yield element.get("type") == "button"
        yield isinstance(text, dict) and text.get("type") == "plain_text" and _is_text(text, _BUTTON_TEXT)
        yield 0 < len(str(element.get("action_id") or "")) <= _BLOCK_ID
        yield len(str(element.get("value", "v"))) in range(1, _BUTTON_VALUE + 1)
        yield len(str(element.get("url", "u"))) in range(1, _BUTTON_URL + 1)
        yield element.get("style") in _STYLES


def _divider(_block: Mapping[str, Any]) -> Iterator[bool]:
    yield True


def _is_text(text: Any, limit: int) -> bool:
    """Return whether this is a text object: a known type, not empty, within the limit, with the flags of its type only."""
    if not isinstance(text, dict) or text.get("type") not in _TEXT_TYPES:
        return False
    foreign = "verbatim" if text["type"] == "plain_text" else "emoji"
    value = text.get("text")
    return isinstance(value, str) and 0 < len(value) <= limit and foreign not in text


_CHECKS: Final[Mapping[str, Callable[[Mapping[str, Any]], Iterator[bool]]]] = {
    "header": _header,
    "section": _section,
    "context": _context,
    "divider": _divider,
    "actions": _actions,
}
