"""Makes text of the platform harmless for e-mail and chat: one line, nothing to click, cut between whole characters.

A first name may be `Urgent: sign in at https://evil.example/login`. E-mail programs and Slack make links of whatever looks
like an address, also of a bare `evil.example`, so nothing may look like one: a blank after a scheme's colon and after
a domain's dot. The text stays readable, and `Dr.Smith` gains a blank that it lacked.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from inveterate.webhooks import texts

_JOINERS: Final = "\u200c\u200d"
"""Format characters that some scripts and most emoji need; all others can turn or hide text."""

_UNSEEN: Final = "\u115f\u1160\u2800\u3164\uffa0"
"""Letters and a symbol without a picture: a name of these alone is none."""

_SCHEME: Final = re.compile(r"(?<![A-Za-z0-9+.\-])([A-Za-z][A-Za-z+.\-]+:)(?=\S)|(:)(?=//)")
"""`https:`, `mailto:`, `javascript:`, right before what they lead to. No digit: `T10:00` is a time. Any colon before `//`."""

_DOT: Final = re.compile(
    rf"(?<=\S)([.\u2024\u3002\uff0e\uff61])[{_JOINERS}]*(?=[^\W\d_][{_JOINERS}]*(?:[^\W\d_]|[^\x00-\x7f\s]))"
)
"""A dot between a label and two letters, as every top-level domain has: not that of `12.50` or `J.R.R.`

The other dots are those that browsers take for one in a domain (UTS 46). An accent or a vowel sign may stand apart from
its letter, as in `cafe\u0301.com`: it ends a label like any letter, and may be the second letter.
"""

_EMOJI: Final = re.compile(r":(?=(?:[\w+'\-]*[A-Za-z][\w+'\-]*|[+\-]1|100|1234):)", re.ASCII)
"""The colon before a name that Slack makes a picture of: `:white_check_mark:` would tick off a lost fee. `:30:` is of a time."""

_ADDRESS: Final = re.compile(r"[^\s:/<>]+@[A-Za-z0-9\-]+(\.[A-Za-z0-9\-]+)+")


def line(text: str | None) -> str:
    """Return text as one line: white space as single blanks, no control or formatting characters."""
    spaced = (" " if char.isspace() or char in _UNSEEN else char for char in text or "")
    kept = (char for char in spaced if char in _JOINERS or not unicodedata.category(char).startswith("C"))
    return " ".join("".join(kept).split())


def unlinked(text: str | None) -> str:
    """Return text as one line in which no program finds a link, nor the name of a picture."""
    return _DOT.sub(r"\1 ", _SCHEME.sub(r"\g<0> ", _EMOJI.sub(": ", line(text))))


def address(text: str | None) -> str:
    """Return an e-mail address as it is; what is none, as `unlinked`."""
    found = line(text)
    return found if _ADDRESS.fullmatch(found) else unlinked(found)


def cut(text: str, limit: int) -> str:
    """Return at most `limit` characters, with an ellipsis where the text was cut; never within what a person sees as one."""
    return text if len(text) <= limit else texts.cut(text, limit - 1).rstrip() + "…"
