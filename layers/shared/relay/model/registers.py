"""A field of a member's record: its value, and which of two values stands.

The larger stamp wins. Of a few moments the earliest or the latest wins, whatever the stamps say.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from relay.model.fields import EARLIEST_WINS, LATEST_WINS, Value
from relay.model.stamps import Stamp


@dataclass(frozen=True, slots=True)
class Register:
    """A value, and the stamp of the event that set it; None is a value too, and says that the field was cleared."""

    value: Value
    stamp: Stamp

    @property
    def at(self) -> datetime:
        """The moment since which the value is known."""
        return self.stamp.at

    @property
    def event_id(self) -> str:
        """The event that set the value."""
        return self.stamp.event_id


def newer(name: str, known: Register | None, other: Register) -> Register:
    """Return the register of a field that stands, of the known one and another."""
    if known is None:
        return other
    if name in EARLIEST_WINS:
        return min(known, other, key=_by_value)
    if name in LATEST_WINS:
        return max(known, other, key=_latest)
    # The value takes part where two deliveries of one event say different things, or two versions of the code read it
    # differently: what one of them says is not taken back by the other's silence.
    return max(known, other, key=lambda one: (one.stamp, one.value is not None, str(one.value)))


def _by_value(register: Register) -> tuple[bool, str, Stamp]:
    """Return the sort key of a register by its value, an unknown value last."""
    value = register.value
    return value is None, value.isoformat() if isinstance(value, datetime) else "", register.stamp


def _latest(register: Register) -> tuple[str, Stamp]:
    """Return the sort key of a register by its moment, an unknown one first."""
    value = register.value
    return value.isoformat() if isinstance(value, datetime) else "", register.stamp
