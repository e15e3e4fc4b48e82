"""A member without an e-mail address is asked about: `crm_sync` holds no key of Inveterate's, `reconcile` does."""

from __future__ import annotations

from collections.abc import Mapping

from relay.crm.claimed_write import SyncResult
from relay.errors import TransientError
from relay.model.consistency import NO_EMAIL
from relay.model.messages import RecheckRequest
from relay.ports.crm import CrmOutcome
from relay.queues.requests import RecheckQueue


def ask(rechecks: RecheckQueue | None, standings: Mapping[str, SyncResult]) -> Mapping[str, SyncResult]:
    """Ask the API for addresses that are missing; a member about whom it could not be asked is put off.

    Asked at every message, also where no call was needed: what was asked before may have been lost. Only
    one of the questions within an hour costs a call.
    """
    if rechecks is None:
        return {}
    doubts = [
        RecheckRequest(member=key, reason=NO_EMAIL)
        for key, standing in standings.items()
        if isinstance(standing, CrmOutcome) and (standing.state, standing.reason) == ("skipped", NO_EMAIL)
    ]
    return {
        doubt.member: TransientError("the question about a missing address could not be asked")
        for doubt, refusal in zip(doubts, rechecks.ask(doubts), strict=True)
        if refusal
    }
