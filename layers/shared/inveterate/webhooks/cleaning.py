"""The kinds of fields in webhooks: how a value of each is read, in which range, and how long it may be.

`KINDS` is the one table. The models of the events name a kind for each field, and Relay cleans what it reads from the
API with the same kinds; everything after that compares clean values. A value that a kind cannot read is left out
and named in the event's `drift`: it says nothing, and what was known stays. Blank text counts as null where a text or a
date is expected, and so does a date that cannot be meant; a blank number is none that can be read.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Final, TypeAlias

from pydantic import BaseModel, GetCoreSchemaHandler, PlainSerializer
from pydantic_core import CoreSchema, core_schema

from inveterate._scalars import read_erasure, read_flag, read_text, read_timestamp
from inveterate.webhooks import amounts
from inveterate.webhooks.identity import written_day
from inveterate.webhooks.texts import cut

FIRST_DAY: Final = date(2015, 1, 1)
LAST_DAY: Final = date(2100, 12, 31)
"""No event names an earlier or a later day: `1970-01-01`, `0001-01-01` and `9999-12-31` are ways to write none."""

_MILLISECOND: Final = timedelta(milliseconds=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FLOATED: Final = re.compile(r"(\d+)\.0+", re.ASCII)
_BLANK: Final = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and symbols that are drawn as nothing: the fillers of Korean, and a braille cell without dots."""

_ATOM: Final = r"[^\s@<>(),;:\"\\\[\].]+"
_LABEL: Final = r"[^\W_](?:[\w-]{0,61}[^\W_])?"
_ADDRESS: Final = re.compile(
    rf"(?=[^@]{{1,64}}@){_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+(?!\d+\Z)[^\W_](?:[\w-]{{0,61}}[^\W_])"
)
"""No dot at an end or twice before the @, and no single character or number behind the last dot: every CRM refuses these."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of field: `read` returns a clean value or None for none, and raises ValueError for what it cannot read.

    `values` says which values it takes, `longest` how many code points of a text are kept.
    """

    name: str
    values: str
    read: Callable[[object], Any]
    longest: int | None = None

    def clean(self, value: object) -> Any:
        """Return the clean value; None stays None.

        Raises:
            ValueError: the value cannot be read. The text does not hold it.

        """
        return None if value is None else self.read(value)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Clean before pydantic looks at the type."""
        return core_schema.no_info_before_validator_function(self.clean, handler(source))


def _text_kind(
    name: str, values: str, longest: int, *, lines: bool = False, read: Callable[[str], str | None] = str
) -> Kind:
    def clean(value: object) -> str | None:
        text = _without_controls(read_text(value), lines=lines)
        return (cut(read(text) or "", longest).rstrip() or None) if _is_visible(text) else None

    return Kind(name, values, clean, longest)


def _without_controls(text: str, *, lines: bool) -> str:
    """Return a trimmed text in which control characters are spaces; `lines` keeps line feeds and tabs."""
    if not text.isprintable():
        kept = "\n\t" if lines else ""
        text = "".join(
            " " if unicodedata.category(char) in {"Cc", "Zl", "Zp"} and char not in kept else char
            for char in text
        )
    return text.strip() if lines else " ".join(text.split())


def _is_visible(text: str) -> bool:
    """Return whether a person sees anything of a text: zero-width characters and blanks of every script are no name."""
    return text.isascii() or any(
        char not in _BLANK and unicodedata.category(char) not in {"Cc", "Cf", "Zs"} for char in text
    )


def _amount(value: object) -> Decimal:
    read = amounts.amount(value)
    if read is None:
        raise ValueError("not an amount")
    return read


def _exact_amount(value: object) -> Decimal:
    """Return an amount before its currency is known: to be rounded where both are."""
    read = amounts.number(value)
    if read is None or amounts.amount(value) is None:
        raise ValueError("not an amount")
    return read


def _currency(value: object) -> str | None:
    if isinstance(value, str) and not value.strip():
        return None
    code = amounts.currency_code(value)
    if code is None:
        raise ValueError("not a currency")
    return code


def _count_kind(name: str, low: int, high: int) -> Kind:
    def read(value: object) -> int:
        found = amounts.number(value)
        if found is None or not low <= found <= high or found != found.to_integral_value():
            raise ValueError("not such a count")
        return int(found)

    return Kind(name, f"whole numbers from {low} to {high:,}", read)


def _moment(value: object) -> datetime | None:
    if isinstance(value, str) and not value.strip():
        return None
    try:
        moment = read_timestamp(value)
    except ValueError as error:
        if "range" in str(error):
            return None
        raise
    moment = _EPOCH + (moment - _EPOCH) // _MILLISECOND * _MILLISECOND
    return moment if FIRST_DAY <= moment.date() <= LAST_DAY else None


def _day(value: object) -> datetime | None:
    """Return midnight UTC of the day as written, where it has an offset; a moment in Z stays one.

    `2026-04-01T00:00:00+10:00` is the first of April for its merchant, though the thirty-first of March in UTC.
    """
    moment = _moment(value)
    if moment and isinstance(value, str) and (written := written_day(value.strip())):
        return datetime.combine(written, time(tzinfo=UTC))
    return moment


def _email(value: object) -> str | None:
    """Return an address, trimmed and in lower case, as every CRM compares them."""
    text = read_text(value).strip().lower()
    if not text:
        return None
    if len(text) > EMAIL_LENGTH or not text.isprintable() or not _ADDRESS.fullmatch(text):
        raise ValueError("not an address")
    return text


def _phone(value: object) -> str | None:
    text = _without_controls(read_text(value), lines=False)
    if not text:
        return None
    if len(text) > PHONE_LENGTH or sum(char.isdecimal() for char in text) < _FEWEST_DIGITS:
        raise ValueError("not a phone number")
    return text


def _id(value: object) -> str | None:
    """Return an id as text. One that is too long is none: cut, it would be another's."""
    if isinstance(value, float | Decimal):
        exact = amounts.number(value)
        if exact is None or exact != exact.to_integral_value() or exact.adjusted() >= ID_LENGTH:
            raise ValueError("not an id")
        value = int(exact)
    text = read_text(value).strip()
    if floated := _FLOATED.fullmatch(text):
        text = floated[1]
    if len(text) > ID_LENGTH or not text.isprintable():
        raise ValueError("not an id")
    return text or None


EMAIL_LENGTH: Final = 254
PHONE_LENGTH: Final = 40
ID_LENGTH: Final = 200
_FEWEST_DIGITS: Final = 3

AMOUNT: Final = Kind(
    "amount",
    "numbers and texts of ASCII digits, below 10^15 either side of zero, to six decimals",
    _amount,
)
MONEY: Final = Kind(
    "money",
    "as an amount, to the minor unit of the currency beside it (ISO 4217); to six decimals where that is missing",
    _exact_amount,
)
CURRENCY: Final = Kind("currency", "three ASCII letters, kept in upper case", _currency, 3)
ATTEMPT: Final = _count_kind("attempt", 1, 99)
COUNT: Final = _count_kind("count", 0, 1_000_000)
FLAG: Final = Kind("flag", "`true` and `false`, also as text", read_flag)
ERASURE: Final = Kind("erasure", "as a flag; also `1` and `0`, `yes` and `no`, `on` and `off`", read_erasure)
MOMENT: Final = Kind(
    "moment",
    f"times from {FIRST_DAY:%Y} to {LAST_DAY:%Y}, to the millisecond; any other year is none",
    _moment,
)
DAY: Final = Kind(
    "day",
    f"days from {FIRST_DAY:%Y} to {LAST_DAY:%Y}, as written with an offset or at midnight; else the moment",
    _day,
)
EMAIL: Final = Kind("email", "addresses, kept in lower case", _email, EMAIL_LENGTH)
PHONE: Final = Kind("phone", "texts with at least three digits", _phone, PHONE_LENGTH)
ID: Final = Kind(
    "id", "texts and whole numbers, without a float's `.0`; a longer one is none", _id, ID_LENGTH
)
NAME: Final = _text_kind("name", "one line of text, cut", 100)
LABEL: Final = _text_kind("label", "one line of text, cut", 200)
WORD: Final = _text_kind(
    "word", "any word: the documented ones are examples, and an unknown one is unknown", 100
)
LINE: Final = _text_kind("line", "one line of text, cut", 1_000)
NOTE: Final = _text_kind("note", "text, cut", 5_000, lines=True)

KINDS: Final[tuple[Kind, ...]] = (
    AMOUNT, MONEY, CURRENCY, ATTEMPT, COUNT, FLAG, ERASURE, MOMENT, DAY, EMAIL, PHONE, ID, NAME, LABEL, WORD, LINE, NOTE,
)  # fmt: skip
"""Every kind. docs/webhooks.md shows this table, and the fields of each topic with their kinds."""

_AS_JSON: Final = PlainSerializer(
    lambda moment: moment and moment.isoformat().replace("+00:00", "Z"),
    return_type=str | None,
    when_used="json",
)


def round_money(part: BaseModel, currency: str | None) -> None:
    """Round the amounts of a part that was just read to the minor unit of the currency beside them."""
    for name, field in type(part).model_fields.items():
        if MONEY in field.metadata:
            # The models are frozen for their readers; this is still the reading.
            part.__dict__[name] = amounts.amount(getattr(part, name), currency)


Amount: TypeAlias = Annotated[Decimal | None, AMOUNT]
Money: TypeAlias = Annotated[Decimal | None, MONEY]
Currency: TypeAlias = Annotated[str | None, CURRENCY]
Attempt: TypeAlias = Annotated[int | None, ATTEMPT]
Count: TypeAlias = Annotated[int | None, COUNT]
Flag: TypeAlias = Annotated[bool | None, FLAG]
Erasure: TypeAlias = Annotated[bool | None, ERASURE]
Moment: TypeAlias = Annotated[datetime | None, MOMENT, _AS_JSON]
Day: TypeAlias = Annotated[datetime | None, DAY, _AS_JSON]
Email: TypeAlias = Annotated[str | None, EMAIL]
Phone: TypeAlias = Annotated[str | None, PHONE]
Id: TypeAlias = Annotated[str | None, ID]
Name: TypeAlias = Annotated[str | None, NAME]
Label: TypeAlias = Annotated[str | None, LABEL]
Word: TypeAlias = Annotated[str | None, WORD]
Line: TypeAlias = Annotated[str | None, LINE]
Note: TypeAlias = Annotated[str | None, NOTE]
