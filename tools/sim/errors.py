"""The errors of the simulator.

SimError
├── AheadOfTimeError   virtual time would pass the real time
├── NotFoundError      no such member, tier, switch, fault or subscription
└── RefusedError       the platform refuses the operation
"""

from __future__ import annotations


class SimError(Exception):
    """The root of the errors. The text is safe to return to the caller."""


class AheadOfTimeError(SimError):
    """Virtual time would pass the real time."""


class NotFoundError(SimError):
    """No such member, tier, switch, fault or subscription."""


class RefusedError(SimError):
    """The platform refuses the operation."""
