"""Many members in batches: which members are uncertain after an unavailable CRM, and which certainly were not sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from relay.adapters.crm_batches import in_batches
from relay.adapters.http import CrmUnavailableError
from relay.ports.crm import CrmOutcome
from relay.rules.crm_profile import CrmProfile

from tests.contract.crm.profiles import key_of, wanted

MIRRORED = CrmOutcome(state="mirrored")
BROKEN_OFF = CrmOutcome(state="retry", reason="broken_off", unanswered=True)


@dataclass
class FakeUpsert:
    """A provider that writes members one by one and is unavailable from number `fails_at` on."""

    fails_at: int | None = None
    batches: list[list[str]] = field(default_factory=list)
    outcomes: dict[str, CrmOutcome] = field(default_factory=dict)

    def begin(self) -> FakeUpsert:
        """Begin a batch."""
        return FakeUpsert(self.fails_at, self.batches)

    def run(self, profiles: Mapping[str, CrmProfile]) -> None:
        """Write these."""
        self.batches.append(list(profiles))
        for key in profiles:
            if self.fails_at is not None and key == key_of(self.fails_at):
                raise CrmUnavailableError(BROKEN_OFF)
            self.outcomes[key] = MIRRORED


def test_batches() -> None:
    """As many as a call takes, the newest profile of each, and no member without an address."""
    upsert = FakeUpsert()
    members = [wanted(number) for number in range(5)]
    outcomes = in_batches([*members, wanted(0, tier_name="Gold"), wanted(9, email=None)], 2, upsert.begin)
    assert [len(batch) for batch in upsert.batches] == [2, 2, 1]
    assert outcomes.pop(key_of(9)) == CrmOutcome(state="skipped", reason="no_email")
    assert outcomes == {each.key: MIRRORED for each in members}


@pytest.mark.parametrize(("per_call", "uncertain"), [(None, [3, 4, 5]), (1, [3])])
def test_an_unavailable_crm(per_call: int | None, uncertain: list[int]) -> None:
    """Written members keep their outcome; those in the call are uncertain; later ones are not sent, and are not uncertain."""
    upsert = FakeUpsert(fails_at=3)
    outcomes = in_batches([wanted(number) for number in range(9)], 3, upsert.begin, per_call=per_call)
    assert [len(batch) for batch in upsert.batches] == [3, 3]
    assert [outcomes[key_of(number)] for number in range(3)] == [MIRRORED] * 3
    assert [number for number in range(9) if outcomes[key_of(number)].unanswered] == uncertain
    assert {outcomes[key_of(number)].state for number in range(3, 9)} == {"retry"}
