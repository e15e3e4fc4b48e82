"""One CRM of a deployed stack, as the operator's commands work with it: by the settings of its own function."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Protocol

from relay_cli.failing import CliError

if TYPE_CHECKING:
    from relay.adapters.aws.sqs import SqsOutgoing
    from relay.adapters.dynamodb.circuit import DynamoCircuits
    from relay.adapters.dynamodb.member_key_scan import DynamoMemberKeyScan
    from relay.adapters.dynamodb.sync_state_scan import DynamoSyncStateScan
    from relay.crm.audit import CrmAudit
    from relay.crm.claimed_write import ClaimedWrite
    from relay.ports.crm import Crm

REMOVED: Final = "removed by hand"
_REMOVED_FOR: Final = timedelta(days=3650)
"""For good: what was cleared must not be written again because somebody forgot to deploy."""


class Stack(Protocol):
    """What is needed of an `Account`."""

    @property
    def stack(self) -> str:
        """The stack's name."""
        ...

    def client(self, service: str) -> Any:
        """Return a client of an AWS service."""
        ...


@dataclass(frozen=True)
class Target:
    """A target. Its parts are those that its function has: the same adapter, tables, queue and rate."""

    account: Stack
    name: str

    def connect(self) -> None:
        """Take over the settings of the target's function.

        Raises:
            CliError: when the stack has no such target.

        """
        from botocore.exceptions import BotoCoreError, ClientError

        function = f"{self.account.stack}-{self.name}"
        try:
            found = self.account.client("lambda").get_function_configuration(FunctionName=function)
        except ClientError as error:
            if error.response["Error"]["Code"] == "ResourceNotFoundException":
                raise CliError(
                    f"the stack {self.account.stack} mirrors to no {self.name}",
                    "deploy it with Targets naming it",
                ) from None
            raise CliError(f"AWS does not let us look: {error.response['Error']['Code']}") from None
        except BotoCoreError as error:
            raise CliError(f"AWS cannot be asked: {error}", "set AWS_PROFILE and AWS_REGION") from None
        settings = found.get("Environment", {}).get("Variables", {})
        if settings.get("TARGET") != self.name:
            raise CliError(f"{function} is not the function of a CRM")
        os.environ.update({name: value for name, value in settings.items() if not name.startswith("AWS_")})

    @cached_property
    def crm(self) -> Crm:
        """The CRM's adapter."""
        from relay.wiring import crms

        return crms.crm()

    @cached_property
    def writing(self) -> ClaimedWrite:
        """What it takes to write members."""
        from relay.crm.claimed_write import ClaimedWrite
        from relay.wiring import common, mirrors

        return ClaimedWrite(
            crm=self.crm,
            members=common.members(),
            sync_states=mirrors.sync_states(),
            clock=common.now,
            observe=lambda *_: None,
        )

    @cached_property
    def inventory(self) -> DynamoSyncStateScan:
        """What was noted of the members."""
        from relay.wiring import mirrors

        return mirrors.sync_state_scan()

    @cached_property
    def gates(self) -> DynamoCircuits:
        """Whether it is called at present."""
        from relay.adapters.dynamodb.circuit import DynamoCircuits
        from relay.wiring import common

        return DynamoCircuits(common.setting("MIRRORS_TABLE"), self.name)

    @cached_property
    def queue(self) -> SqsOutgoing:
        """The target's queue."""
        from relay.adapters.aws.sqs import SqsOutgoing
        from relay.wiring import common

        return SqsOutgoing(common.setting("SOURCE_URL"), self.name)

    @cached_property
    def roll(self) -> DynamoMemberKeyScan:
        """All members."""
        from relay.adapters.dynamodb.member_key_scan import DynamoMemberKeyScan
        from relay.wiring import common

        return DynamoMemberKeyScan(common.setting("MEMBERS_TABLE"), common.setting("SHOP_DOMAIN"))

    @cached_property
    def auditing(self) -> CrmAudit:
        """Its audits."""
        from relay.crm.audit import CrmAudit

        return CrmAudit(writer=self.writing, sync_state_scan=self.inventory, queue=self.queue)

    @property
    def shop(self) -> str:
        """The stack's shop."""
        from relay.wiring import common

        return common.setting("SHOP_DOMAIN")

    def now(self) -> datetime:
        """Return the wall clock's time."""
        from relay.wiring import common

        return common.now()

    def waiting(self) -> int:
        """Return how many messages are in the queue, about."""
        names = [
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesDelayed",
            "ApproximateNumberOfMessagesNotVisible",
        ]
        client = self.account.client("sqs")
        found = client.get_queue_attributes(QueueUrl=self.queue.url, AttributeNames=names)["Attributes"]
        return sum(int(found.get(name, 0)) for name in names)

    def shut(self) -> None:
        """Keep everybody from calling the CRM, until `reopen`."""
        from relay.ports.crm_state import CircuitRecord

        known = self.gates.load()
        until = self.now() + _REMOVED_FOR
        if not self.gates.compare_and_swap(
            known, CircuitRecord(state="open", until=until, reason=REMOVED, version=known.version + 1)
        ):
            raise CliError("the CRM's circuit changed just now", "try again")

    def reopen(self) -> None:
        """Take back what `shut` did, if it did."""
        from relay.ports.crm_state import CircuitRecord

        known = self.gates.load()
        if known.reason == REMOVED:
            self.gates.compare_and_swap(known, CircuitRecord(version=known.version + 1))


@contextmanager
def explained() -> Iterator[None]:
    """Say to the person at the terminal what kept us.

    Raises:
        CliError: in place of our own errors.

    """
    from relay.errors import MisconfiguredError, PermanentError, TransientError

    try:
        yield
    except MisconfiguredError as error:
        raise CliError(str(error), f"look at {error.setting}") from None
    except PermanentError as error:
        raise CliError(str(error)) from None
    except TransientError as error:
        raise CliError(str(error), "try again later; what was done so far stays done") from None
