"""Texts are cut at whole characters as a person sees them."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inveterate.webhooks.texts import cut

WHOLE = {
    "combining marks": "e\u0301\u0323",
    "family": "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466",
    "skin tone": "\U0001f44d\U0001f3fd",
    "woman with a profession and a tone": "\U0001f469\U0001f3fe\u200d\u2695\ufe0f",
    "heart": "\u2764\ufe0f",
    "heart on fire": "\u2764\ufe0f\u200d\U0001f525",
    "flag": "\U0001f1e9\U0001f1ea",
    "flag of Scotland": "\U0001f3f4" + "".join(chr(0xE0000 + ord(char)) for char in "gbsct") + "\U000e007f",
    "rainbow flag": "\U0001f3f3\ufe0f\u200d\U0001f308",
    "keycap": "1\ufe0f\u20e3",
    "Hangul by its parts": "\u1112\u1161\u11ab",
    "Hangul, an open syllable and its end": "\ud558\u11ab",
    "Devanagari conjunct": "\u0915\u094d\u0937\u093f",
    "Thai vowel above": "\u0e01\u0e33"[:1] + "\u0e35\u0e48",
    "Arabic vowels": "\u0628\u064e\u0651",
    "line end": "\r\n",
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_character_stays_whole(name: str) -> None:
    """Wherever the cut falls within it, the character goes as a whole."""
    character = WHOLE[name]
    for longest in range(1, len(character) + 1):
        expected = "a" + character if longest == len(character) else "a"
        assert cut("a" + character + "b", longest + 1 if expected != "a" else longest) == expected


def test_flags_are_pairs() -> None:
    """Three flags in a row are cut between flags."""
    flags = "\U0001f1e9\U0001f1ea\U0001f1eb\U0001f1f7\U0001f1ee\U0001f1f9"
    assert [len(cut(flags, longest)) for longest in range(2, 7)] == [2, 2, 4, 4, 6]


def test_one_endless_character_is_cut_within() -> None:
    """A letter with a thousand accents is no name: the bound holds."""
    assert len(cut("a" + "\u0301" * 1000, 100)) == 100


@pytest.mark.parametrize("text", ["", "a", "abc", "\U0001f600" * 5])
def test_a_short_text_is_unchanged(text: str) -> None:
    """Nothing is cut within the bound."""
    assert cut(text, 5) == text


@given(st.text(max_size=60), st.integers(1, 30))
def test_any_text(text: str, longest: int) -> None:
    """A beginning of the text within the bound, and what follows begins no mark of its last character."""
    kept = cut(text, longest)
    assert text.startswith(kept)
    assert len(kept) <= longest
    rest = text[len(kept) :]
    if rest and unicodedata.category(rest[0]) in {"Mn", "Me"} and kept:
        # Only a character that is longer than the bound by itself is cut within.
        assert len(kept) == longest
