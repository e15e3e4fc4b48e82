"""Renew the golden messages (tests/golden/alerts), and a picture of them in Slack (docs/images/alerts.png).

A change of these files changes what people read: look at the picture before committing it.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from tests.support.browser import browser
from tests.support.golden_alerts import FOLDER, golden_notifications, rendered

ROOT: Final = Path(__file__).parents[1]

_STYLE: Final = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 0; padding: 24px; width: 680px; background: #fff; color: #1d1c1d }
.message { border-left: 4px solid #ddd; padding: 4px 0 4px 16px; margin: 0 0 28px }
.name { color: #868686; font-size: 12px; margin-bottom: 4px }
h3 { font-size: 18px; margin: 4px 0 8px }
.fields { display: grid; grid-template-columns: 1fr 1fr; gap: 8px 16px; margin: 8px 0 }
p { margin: 8px 0; white-space: pre-line } a { color: #1264a3; text-decoration: none }
.context { color: #616061; font-size: 12px }
"""
_PICTURED: Final = {
    "high-value-attempt-2",
    "high-value-recovered",
    "ordinary-lost",
    "win-back",
    "programme",
    "digest",
    "rollup",
}
"""An end is pictured as the first message of its thread."""

_ICONS: Final = {
    "\N{LARGE RED CIRCLE}": ("#e01e5a", "●"),
    "\N{WHITE HEAVY CHECK MARK}": ("#2eb67d", "✔"),
    "\N{POLICE CARS REVOLVING LIGHT}": ("#e01e5a", "▲"),
    "\N{BAR CHART}": ("#1264a3", "▤"),
}
"""Chromium without a font of emoji would show boxes."""


def main() -> None:
    """Write the files and the picture."""
    pictured = []
    for name, notification in golden_notifications().items():
        golden = rendered(notification)
        path = ROOT / FOLDER / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(golden, indent=2, ensure_ascii=False) + "\n")
        if name in _PICTURED:
            pictured.append(_message(name, golden["slack_first_message"] or golden["slack"]))
    _picture(f"<meta charset=utf-8><style>{_STYLE}</style>{''.join(pictured)}")


def _message(name: str, payload: dict[str, Any]) -> str:
    blocks = "".join(part for block in payload["blocks"] for part in _block(block))
    return f'<div class="message"><div class="name">{html.escape(name)}</div>{blocks}</div>'


def _block(block: dict[str, Any]) -> Iterator[str]:
    match block["type"]:
        case "header":
            yield f"<h3>{_text(block['text']['text'])}</h3>"
        case "context":
            words = " &nbsp; ".join(_text(element["text"]) for element in block["elements"])
            yield f'<div class="context">{words}</div>'
        case "section" if "fields" in block:
            fields = "".join(f"<p>{_text(field['text'])}</p>" for field in block["fields"])
            yield f'<div class="fields">{fields}</div>'
        case "section":
            yield f"<p>{_text(block['text']['text'])}</p>"


def _text(text: str) -> str:
    """Return mrkdwn as HTML: links, bold and italics. Text escaped for Slack is escaped for HTML as well."""
    for emoji, (colour, sign) in _ICONS.items():
        text = text.replace(emoji, f'<span style="color:{colour}">{sign}</span>')
    text = re.sub(r"<(https:[^|>]+)\|([^>]+)>", r'<a href="\1">\2</a>', text)
    text = re.sub(r"(?m)^\*([^*\n]+)\*", r"<b>\1</b>", text)
    return re.sub(r"(?m)^_([^_\n]+)_$", r"<i>\1</i>", text)


def _picture(page: str) -> None:
    with browser() as started:
        tab = started.new_page(viewport={"width": 728, "height": 400})
        tab.set_content(page)
        tab.screenshot(path=ROOT / "docs" / "images" / "alerts.png", full_page=True)


if __name__ == "__main__":
    main()
