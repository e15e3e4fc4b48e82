"""In the middle of an update the receiver's variables may be those of either version: it reads them all."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st
from relay.topics import FOLDERS, UNCLAIMED
from relay.wiring.receiver_settings import ReceiverSettings

from tests.support import version_before
from tests.support.template_data import TEMPLATE, environment

OLD_KEY, NEW_KEY = "a" * 64, "b" * 64
TODAY = {**TEMPLATE["Globals"]["Function"]["Environment"]["Variables"], **environment("ReceiverFunction")}
NAMES = version_before.variables() | TODAY.keys()
ALL: frozenset[str] = frozenset(NAMES)


def old_value(name: str) -> str:
    """Return what the version before has for a variable; its queues lie elsewhere, its keys are not rotated."""
    given_ = {"SHOP_DOMAIN": "acme.myshopify.com", "KEY_DIGESTS": OLD_KEY, "TOKEN_DIGESTS": ""}
    return given_.get(name, f"https://sqs.example.com/1/old-{name}")


def new_value(name: str) -> str:
    """Return what this version has: a second key, a token, other queues."""
    given_ = {"SHOP_DOMAIN": "acme.myshopify.com", "KEY_DIGESTS": f"{NEW_KEY},{OLD_KEY}"}
    return given_.get(name, f"https://sqs.example.com/1/new-{name}")


def mixture(new: frozenset[str]) -> dict[str, str]:
    """Return an environment in which the named variables are this version's, the others those of the version before."""
    old = {name: old_value(name) for name in version_before.variables() - new}
    return old | {name: new_value(name) for name in TODAY.keys() & new}


@given(st.frozensets(st.sampled_from(sorted(NAMES))))
@example(frozenset())
@example(ALL)
def test_any_mixture_of_both_versions_variables_is_read(new: frozenset[str]) -> None:
    """The shop, a key that is valid in both, and the queue of each topic that has one."""
    variables = mixture(new)
    settings = ReceiverSettings.from_env(variables)
    assert settings.shop == "acme.myshopify.com"
    assert OLD_KEY in settings.key_digests
    there = {name for name in (*FOLDERS.values(), UNCLAIMED) if f"QUEUE_{name.upper()}" in variables}
    assert {name: settings.queue(name) for name in there} == {
        name: variables[f"QUEUE_{name.upper()}"] for name in there
    }


def test_a_variable_that_is_new_changes_nothing_while_it_is_missing() -> None:
    """Its default behaves as the version before: the settings are those of an environment in which it is empty."""
    today = {name: new_value(name) for name in TODAY}
    for name in TODAY.keys() - version_before.variables():
        missing = {each: value for each, value in today.items() if each != name}
        assert ReceiverSettings.from_env(missing) == ReceiverSettings.from_env({**missing, name: ""}), name


def test_no_topic_of_the_version_before_lost_its_queue() -> None:
    """Its code, with this version's variables, finds a queue for each topic that it knows."""
    queues = {name for name in version_before.variables() if name.startswith("QUEUE_")}
    assert queues
    assert queues <= TODAY.keys()
