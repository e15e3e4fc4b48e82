"""An empty mirrors table, as the template makes it, and the function crm_sync, deployed for a target."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import pytest
from relay.adapters.aws.boto import client
from relay.adapters.dynamodb.crm_state import DynamoSyncStates
from relay.adapters.dynamodb.members import DynamoMembers
from relay.model.messages import Outbox
from relay.ports.members import MemberRecord

from functions.crm_sync import app
from tests.contract.crm.profiles import SHOP
from tests.functional.crm.crm_setups import CrmTableSetup
from tests.support.crm_fakes import change_message
from tests.support.lambda_env import function_env, queues, sqs_record
from tests.support.moto_tables import make_table
from tests.support.port_fakes import FakeContext


@pytest.fixture
def mirrors_table() -> str:
    """Return the name of an empty mirrors table."""
    return make_table("mirrors")


@dataclass
class DeployedCrmSync:
    """The function for one target: its settings, its queue and its dead letters."""

    settings: Mapping[str, str]
    queue: str
    dead: str

    def save_members(self, *records: MemberRecord) -> None:
        """Put members into the members table."""
        for record in records:
            DynamoMembers("members", SHOP).save(record, Outbox(member=record.member.key, changed=True))

    def call(self, *keys: str, notes: tuple[str, ...] = ()) -> dict[str, Any]:
        """Call the handler with a change of each of these members, with notes named like their rules."""
        changes = [change_message(f"e{number}", key, *notes) for number, key in enumerate(keys, 1)]
        return app.handler({"Records": [sqs_record(each.id, each.body) for each in changes]}, FakeContext())


Deploy: TypeAlias = Callable[..., AbstractContextManager[DeployedCrmSync]]


@pytest.fixture
def deploy(mirrors_table: str, monkeypatch: pytest.MonkeyPatch) -> Deploy:
    """Return a function that deploys crm_sync for a target, with its secret and its own settings."""

    @contextmanager
    def deploy(target: str, secret: str, **settings: str) -> Iterator[DeployedCrmSync]:
        make_table("members")
        client("ssm").put_parameter(Name=f"/relay/{target}", Value=secret, Type="SecureString")
        queue, dead = queues(target, "dead")
        common = {
            "POWERTOOLS_SERVICE_NAME": target,
            "SHOP_DOMAIN": SHOP,
            "SOURCE_URL": queue,
            "SOURCE_NAME": target,
            "DEAD_LETTERS_URL": dead,
            "MEMBERS_TABLE": "members",
            "MIRRORS_TABLE": mirrors_table,
            "TARGET": target,
            f"{target.upper()}_SECRET": f"/relay/{target}",
        }
        with function_env(monkeypatch, {**common, **settings}):
            yield DeployedCrmSync({**common, **settings}, queue, dead)

    return deploy


@pytest.fixture
def setup(mirrors_table: str) -> CrmTableSetup:
    """Return a setup without members, on a real table of sync states."""
    return CrmTableSetup(DynamoSyncStates(mirrors_table, "fake"))
