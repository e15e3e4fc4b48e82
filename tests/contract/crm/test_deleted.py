"""A contact that the merchant deleted is made again only where the rules say so, and the others of a call are written."""

from __future__ import annotations

from fakes.fault_queue import Fault
from relay.crm.claimed_write import SyncResult
from relay.ports.crm import CrmOutcome
from relay.rules.settings import CrmName, Rules

from tests.contract.crm.hubspot_setup import hubspot
from tests.contract.crm.in_memory_sync import InMemorySync
from tests.contract.crm.klaviyo_setup import klaviyo
from tests.contract.crm.profiles import key_of
from tests.contract.crm.setups import CrmTestSetup

KEY = key_of(7001)


def _states(sync: InMemorySync, *customers: int) -> dict[int, tuple[str, str]]:
    results = sync.send(*customers)
    return {each: _state(results[key_of(each)]) for each in customers}


def _state(result: SyncResult) -> tuple[str, str]:
    return (result.state, result.reason) if isinstance(result, CrmOutcome) else ("error", str(result))


def test_deleted_contact(setup: CrmTestSetup) -> None:
    """Its member is refused, named, with every change and every address; one that the merchant makes anew is taken."""
    sync = InMemorySync(setup.crm)
    sync.update(7001, email="mia@example.com", tier_name="Gold")
    sync.update(7002, email="ben@example.com", tier_name="Gold")
    sync.send(7001, 7002)
    setup.delete(KEY)
    for number, email in enumerate(("mia@example.com", "mia@example.com", "new@example.com")):
        sync.update(7001, email=email, tier_name=f"Silver {number}")
        sync.update(7002, email="ben@example.com", tier_name=f"Silver {number}")
        assert _states(sync, 7001, 7002) == {7001: ("refused", "contact_deleted"), 7002: ("mirrored", "")}
        assert [contact["tier_name"] for contact in setup.contacts()] == [f"Silver {number}"]
    assert (sync.sync_state(7001).state, sync.sync_state(7001).reason) == ("refused", "contact_deleted")
    setup.seed(email="new@example.com", merchants_note="made anew")
    sync.update(7001, email="new@example.com", tier_name="Platinum")
    assert _states(sync, 7001) == {7001: ("mirrored", "")}
    shown = setup.shown(KEY)
    assert shown is not None
    assert (shown["merchants_note"], shown["tier_name"]) == ("made anew", "Platinum")


def test_deleted_contact_that_may_be_made_again(setup: CrmTestSetup) -> None:
    """With the rule it is made with the member's next change; for a member that was refused before, with a retry."""
    sync = InMemorySync(setup.crm)
    sync.write(7001, tier_name="Gold")
    setup.delete(KEY)
    assert sync.write(7001, tier_name="Silver").reason == "contact_deleted"
    targets: tuple[CrmName, ...] = ("hubspot", "klaviyo", "salesforce")
    sync.members.rules = Rules(remake_contacts=targets)
    assert _states(sync, 7001) == {7001: ("mirrored", "")}
    [contact] = setup.contacts()
    assert (contact["key"], contact["tier_name"]) == (KEY, "Silver")
    setup.delete(KEY)
    assert sync.write(7001, tier_name="Gold").state == "mirrored"


def test_an_answer_without_contacts_proves_nothing() -> None:
    """HubSpot must say that a contact is not there: a success with neither contacts nor errors is no deletion."""
    with hubspot() as setup:
        setup.prepare()
        sync = InMemorySync(setup.crm)
        sync.write(7001)
        setup.fake.faults.append(Fault(silent=True, path="/batch/read", times=3))
        assert sync.write(7001, tier_name="Gold").state == "mirrored"


def test_a_known_member_costs_one_read_more() -> None:
    """HubSpot is asked about a hundred known members at once, and not at all where contacts may be made again."""
    with hubspot() as setup:
        setup.prepare()
        sync = InMemorySync(setup.crm)
        for rules, reads in ((Rules(), 1), (Rules(remake_contacts=("hubspot",)), 0)):
            sync.members.rules = rules
            for customer in range(10):
                sync.update(customer, tier_name=f"tier {reads}")
            sync.send(*range(10))
            asked = len(setup.fake.requests)
            for customer in range(10):
                sync.update(customer, tier_name=f"another tier {reads}")
            sync.send(*range(10))
            paths = [each["path"].rpartition("/")[2] for each in setup.fake.requests[asked:]]
            assert paths == ["read"] * reads + ["upsert"]


def test_a_search_that_lags_behind_is_no_deletion() -> None:
    """Klaviyo's search may not know a profile yet: only the profile's own address says that it is gone."""
    with klaviyo() as setup:
        sync = InMemorySync(setup.crm)
        sync.write(7001)
        [profile] = setup.fake.account.profiles.values()
        profile.attributes["email"] = "edited-by-the-merchant@example.com"
        assert sync.write(7001, tier_name="Gold").state == "mirrored"


def test_a_job_makes_no_deleted_profile() -> None:
    """A back-fill by job leaves it out; the member's own next try says why."""
    with klaviyo() as setup:
        sync = InMemorySync(setup.crm)
        sync.update(7001)
        sync.update(7002)
        sync.send(7001, 7002)
        setup.delete(KEY)
        sync.update(7001, tier_name="Gold")
        sync.update(7002, tier_name="Gold")
        sync.send(7001, 7002, by_job=True)
        while sync.sync_state(7001).state == "pending":
            sync.clock.forward(200)
            sync.send(7001, 7002, by_job=True)
        assert sync.sync_state(7001).state == "waiting"
        assert [contact["key"] for contact in setup.contacts()] == [key_of(7002)]
        assert sync.send(7001)[KEY] == CrmOutcome(state="refused", reason="contact_deleted")
