"""The business rules' settings, with the defaults that a merchant would want."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Rules(BaseModel):
    """What a merchant can set. With no document stored, these defaults hold.

    `billing_attempts` is how often the platform tries a charge before it cancels: set per tier there
    and told by no event (default there: 3, on consecutive days).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    version: int = 1
    billing_attempts: int = Field(default=3, ge=1, le=30)
