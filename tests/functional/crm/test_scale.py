"""Many updates of many members, in virtual time: few calls, none too fast, nothing lost. `make prove-calls` is the large one."""

from __future__ import annotations

from datetime import timedelta

from scripts import prove_mirrors


def test_all_queued_beforehand() -> None:
    """A burst is sent in hardly more calls than its members fill, with every note once."""
    found = prove_mirrors.prove(1500, 3750, batch=500)
    assert set(found["broken"]) <= {"profile_calls"}
    assert found["profile_calls"] <= 15 + 4, "at this size the last, partial calls weigh more"


def test_an_outage_in_the_middle() -> None:
    """Two hours without HubSpot cost time: everything is applied, there are no dead letters, few calls were in vain."""
    found = prove_mirrors.prove(300, 750, outage=True, batch=100)
    assert set(found["broken"]) <= {"profile_calls", "note_calls"}
    assert found["virtual_seconds"] > 7200
    assert found["profile_calls_in_vain"] <= 40


def test_arriving_over_minutes() -> None:
    """What arrives one by one is mirrored all the same."""
    found = prove_mirrors.prove(200, 500, over=timedelta(minutes=1))
    assert found["broken"] == []
