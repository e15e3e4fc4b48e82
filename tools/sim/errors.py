"""What the simulator refuses, and why.

SimError
├── AheadOfTimeError   the clock would pass the wall clock
├── NotThereError      no such member, tier, switch, fault or subscription
└── RefusedError       the platform would not do that
"""

from __future__ import annotations


class SimError(Exception):
    """The root: its text may be shown to whoever asked."""


class AheadOfTimeError(SimError):
    """The clock would pass the wall clock."""


class NotThereError(SimError):
    """No such member, tier, switch, fault or subscription."""


class RefusedError(SimError):
    """The platform would not do that."""
