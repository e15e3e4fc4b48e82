"""Cuts texts at whole characters as a person sees them: an accent, a flag or a family emoji stays in one piece.

The borders are those of extended grapheme clusters (Unicode Standard Annex #29), worked out from `unicodedata` with
two simplifications: every symbol counts as pictographic where a joiner connects it, and every virama joins the
letter after it. Both cut a little earlier, never within a character. Standard library only.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from typing import Final

_FIRST_MARK: Final = "\u0300"
"""The first combining mark: nothing before it joins what it stands beside, but a carriage return its line feed."""

_JOINER: Final = "\u200d"
_NON_JOINER: Final = "\u200c"
_REGIONAL: Final = range(0x1F1E6, 0x1F200)
_SKIN_TONES: Final = range(0x1F3FB, 0x1F400)
_TAGS: Final = range(0xE0020, 0xE0080)
_VIRAMA: Final = 9
_SYMBOLS: Final = frozenset({"So", "Sm", "Cn"})
"""Categories of pictographs; one that is newer than this Python's tables has none (`Cn`)."""

_PREPENDED: Final = frozenset(map(chr, (*range(0x600, 0x606), 0x6DD, 0x70F, 0x8E2, 0xD4E, 0x110BD, 0x110CD)))
_JAMO_L: Final = (range(0x1100, 0x1160), range(0xA960, 0xA97D))
_JAMO_V: Final = (range(0x1160, 0x11A8), range(0xD7B0, 0xD7C7))
_JAMO_T: Final = (range(0x11A8, 0x1200), range(0xD7CB, 0xD7FC))
_SYLLABLES: Final = range(0xAC00, 0xD7A4)
_FINALS: Final = 28


def cut(text: str, longest: int) -> str:
    """Return a text of at most `longest` code points that ends with a whole character.

    A single character may be longer than that by itself (a letter with a thousand accents): it is cut within.
    """
    if len(text) <= longest:
        return text
    start = border = 0
    while start < longest:
        start = _next_border(text, start)
        if start <= longest:
            border = start
    return text[: border or longest]


def characters(text: str) -> Iterator[str]:
    """Yield the characters of a text as a person sees them: each is one code point or more."""
    start = 0
    while start < len(text):
        end = _next_border(text, start)
        yield text[start:end]
        start = end


def _next_border(text: str, start: int) -> int:
    index = start + 1
    while index < len(text) and _belongs_together(text, start, index):
        index += 1
    return index


def _belongs_together(text: str, start: int, index: int) -> bool:
    """Return whether no character of a person's ends between the code points before and at `index`."""
    before, after = text[index - 1], text[index]
    if before < _FIRST_MARK and after < _FIRST_MARK:
        return before + after == "\r\n"
    if _is_control(before) or _is_control(after):
        return before + after == "\r\n"
    return (
        _extends(after)
        or before in _PREPENDED
        or (before == _JOINER and index - start > 1 and unicodedata.category(after) in _SYMBOLS)
        or (ord(before) in _REGIONAL and ord(after) in _REGIONAL and (index - start) % 2 == 1)
        or (unicodedata.combining(before) == _VIRAMA and unicodedata.category(after) == "Lo")
        or _joins_hangul(ord(before), ord(after))
    )


def _is_control(char: str) -> bool:
    return unicodedata.category(char) in {"Cc", "Zl", "Zp"}


def _extends(char: str) -> bool:
    if char < _FIRST_MARK:
        return False
    code = ord(char)
    if char in {_JOINER, _NON_JOINER} or code in _SKIN_TONES or code in _TAGS:
        return True
    return unicodedata.category(char) in {"Mn", "Me", "Mc"}


def _joins_hangul(before: int, after: int) -> bool:
    """Return whether two parts make one Korean syllable."""
    syllable = before in _SYLLABLES
    open_syllable = syllable and (before - _SYLLABLES.start) % _FINALS == 0
    if _in(before, _JAMO_L):
        return _in(after, _JAMO_L) or _in(after, _JAMO_V) or after in _SYLLABLES
    if _in(before, _JAMO_V) or open_syllable:
        return _in(after, _JAMO_V) or _in(after, _JAMO_T)
    return (_in(before, _JAMO_T) or syllable) and _in(after, _JAMO_T)


def _in(code: int, ranges: tuple[range, ...]) -> bool:
    return any(code in each for each in ranges)
