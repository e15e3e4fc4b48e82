"""A member without an e-mail address is asked about: `crm_sync` holds no key of Inveterate's, `reconcile` does."""

from __future__ import annotations

from collections.abc import Mapping

from relay.changes import Doubt
from relay.errors import TransientError
from relay.mirrors.writing import Standing
from relay.ports.crm import Outcome
from relay.rechecking import NO_EMAIL, Rechecks


def ask(rechecks: Rechecks | None, standings: Mapping[str, Standing]) -> Mapping[str, Standing]:
    """Ask the API for addresses that are missing; a member about whom it could not be asked is put off.

    Asked at every message, also where no call was needed: what was asked before may have been lost. Only
    one of the questions within an hour costs a call.
    """
    if rechecks is None:
        return {}
    doubts = [
        Doubt(member=key, reason=NO_EMAIL)
        for key, standing in standings.items()
        if isinstance(standing, Outcome) and (standing.state, standing.reason) == ("skipped", NO_EMAIL)
    ]
    return {
        doubt.member: TransientError("the question about a missing address could not be asked")
        for doubt, refusal in zip(doubts, rechecks.ask(doubts), strict=True)
        if refusal
    }
