"""Many members in batches: whom a closed door leaves in doubt, and who need not wait for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from relay.adapters.crm_batches import in_batches
from relay.adapters.crm_http import ClosedError
from relay.ports.crm import CrmOutcome
from relay.rules.crm_profile import CrmProfile

from tests.contract.crm.profiles import key_of, wanted

MIRRORED = CrmOutcome(state="mirrored")
BROKEN_OFF = CrmOutcome(state="retry", reason="broken_off", unanswered=True)


@dataclass
class Door:
    """A provider that writes members one by one until it comes to number `closes_at`."""

    closes_at: int | None = None
    batches: list[list[str]] = field(default_factory=list)
    outcomes: dict[str, CrmOutcome] = field(default_factory=dict)

    def begin(self) -> Door:
        """Begin a batch."""
        return Door(self.closes_at, self.batches)

    def run(self, profiles: Mapping[str, CrmProfile]) -> None:
        """Write these."""
        self.batches.append(list(profiles))
        for key in profiles:
            if self.closes_at is not None and key == key_of(self.closes_at):
                raise ClosedError(BROKEN_OFF)
            self.outcomes[key] = MIRRORED


def test_batches() -> None:
    """As many as a call takes, the newest change of each, and nobody without an address."""
    door = Door()
    members = [wanted(number) for number in range(5)]
    outcomes = in_batches([*members, wanted(0, tier_name="Gold"), wanted(9, email=None)], 2, door.begin)
    assert [len(batch) for batch in door.batches] == [2, 2, 1]
    assert outcomes.pop(key_of(9)) == CrmOutcome(state="skipped", reason="no_email")
    assert outcomes == {each.key: MIRRORED for each in members}


@pytest.mark.parametrize(("in_a_call", "in_doubt"), [(None, [3, 4, 5]), (1, [3])])
def test_a_closed_door(in_a_call: int | None, in_doubt: list[int]) -> None:
    """What was written stays so; those in the call are in doubt; later ones are not tried, and were surely not heard."""
    door = Door(closes_at=3)
    outcomes = in_batches([wanted(number) for number in range(9)], 3, door.begin, in_a_call=in_a_call)
    assert [len(batch) for batch in door.batches] == [3, 3]
    assert [outcomes[key_of(number)] for number in range(3)] == [MIRRORED] * 3
    assert [number for number in range(9) if outcomes[key_of(number)].unanswered] == in_doubt
    assert {outcomes[key_of(number)].state for number in range(3, 9)} == {"retry"}
