"""An erasure in a webhook: a claim where the API can confirm it, the truth where no API is configured."""

from __future__ import annotations

import json
from typing import Any

import pytest
from inveterate.webhooks import model_for
from relay.model.member import Member, merge
from relay.wiring.settings import TopicSettings
from relay.wiring.topics import asking_for_erasure

from tests.support.port_fakes import SHOP, sample
from tests.support.topic_functions import TOPIC_RULES

TOPIC = "customer.updated"
RULE = TOPIC_RULES[TOPIC]


def anonymised(**fields: Any) -> Any:
    """Return the event of an anonymised member whose names still stand in the snapshot."""
    body = sample(TOPIC)
    body["payload"]["newData"] |= {"anonymized": True, **fields}
    return model_for(TOPIC).read(json.dumps(body))


def known() -> Member:
    """Return the record of a member that `customer.updated` has named."""
    event = model_for(TOPIC).read(json.dumps(sample(TOPIC)))
    return merge(Member(shop=SHOP, customer_id=event.customer_id), RULE.facts(event))


def test_without_a_key_the_word_of_a_webhook_holds_at_once() -> None:
    """All four personal fields are gone, though the snapshot still has them; its time is that of the trigger."""
    event = anonymised()
    member = merge(known(), RULE.facts(event))
    assert known().value("email")
    assert (member.is_erased, member.moment("erased_at")) == (True, event.metadata.triggered_at)
    assert [member.value(name) for name in ("email", "phone", "first_name", "last_name")] == [None] * 4


@pytest.mark.parametrize("fields", [{}, dict.fromkeys(("email", "firstName", "lastName", "phoneNumber"))])
def test_with_a_key_a_webhook_only_asks(fields: dict[str, None]) -> None:
    """Neither its names nor its empty fields change who the member is: the contact stands until the API has answered."""
    before = known()
    after = merge(before, asking_for_erasure(RULE).facts(anonymised(**fields)))
    assert not after.is_erased
    assert after.moment("erasure_asked_at") == anonymised().metadata.triggered_at
    for name in ("email", "phone", "first_name", "last_name"):
        assert (before.value(name), after.value(name)) == (after.value(name), before.value(name)), name


def test_the_stack_says_whether_there_is_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that is empty or missing means no API, so that a change of the environment alone loses no erasure."""
    for name, value in {
        "SHOP_DOMAIN": SHOP,
        "SOURCE_URL": "https://sqs.eu-west-1.amazonaws.com/1/updated",
        "SOURCE_NAME": "updated",
        "DEAD_LETTERS_URL": "https://sqs.eu-west-1.amazonaws.com/1/dead",
        "MEMBERS_TABLE": "members",
        "JOURNAL_STREAM": "journal",
    }.items():
        monkeypatch.setenv(name, value)
    found = []
    for value in ("yes", ""):
        monkeypatch.setenv("ASKS_API", value)
        found.append(TopicSettings.from_env().asks_api)
    monkeypatch.delenv("ASKS_API")
    assert [*found, TopicSettings.from_env().asks_api] == [True, False, False]
