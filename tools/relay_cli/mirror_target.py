"""One CRM of a deployed stack, as the operator's commands work with it: by the settings of its own function."""

from __future__ import annotations

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
    from relay.wiring.crms import CrmServices

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
        """Read the settings of the target's function.

        Raises:
            CliError: when the stack has no such target.
            MisconfiguredError: when its settings are wrong.

        """
        _ = self.services

    @cached_property
    def services(self) -> CrmServices:
        """The services of the target's function, made from its own settings."""
        from botocore.exceptions import BotoCoreError, ClientError
        from relay.wiring.crms import CrmServices, CrmSettings

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
        return CrmServices(CrmSettings.from_env(settings))

    @property
    def crm(self) -> Crm:
        """The CRM's adapter."""
        return self.services.crm

    @cached_property
    def writing(self) -> ClaimedWrite:
        """What it takes to write members; outcomes are shown by the command and not logged."""
        from relay.crm.claimed_write import ClaimedWrite

        return ClaimedWrite(
            crm=self.crm,
            members=self.services.members,
            mirrors=self.services.sync_states,
            clock=self.now,
            observe=lambda *_: None,
        )

    @property
    def inventory(self) -> DynamoSyncStateScan:
        """What was noted of the members."""
        return self.services.sync_state_scan

    @cached_property
    def gates(self) -> DynamoCircuits:
        """Whether it is called at present."""
        from relay.adapters.dynamodb.circuit import DynamoCircuits

        return DynamoCircuits(self.services.settings.mirrors_table, self.name)

    @property
    def queue(self) -> SqsOutgoing:
        """The target's queue."""
        return self.services.own_queue

    @cached_property
    def roll(self) -> DynamoMemberKeyScan:
        """All members."""
        from relay.adapters.dynamodb.member_key_scan import DynamoMemberKeyScan

        return DynamoMemberKeyScan(self.services.queue.members_table, self.shop)

    @cached_property
    def auditing(self) -> CrmAudit:
        """Its audits."""
        from relay.crm.audit import CrmAudit

        return CrmAudit(writing=self.writing, inventory=self.inventory, queue=self.queue)

    @property
    def shop(self) -> str:
        """The stack's shop."""
        return self.services.shop

    def now(self) -> datetime:
        """Return the wall clock's time."""
        from relay.wiring.services import now

        return now()

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
        if not self.gates.swap(known, CircuitRecord(until=until, reason=REMOVED, version=known.version + 1)):
            raise CliError("the CRM's breaker was at work just now", "try again")

    def reopen(self) -> None:
        """Take back what `shut` did, if it did."""
        from relay.ports.crm_state import CircuitRecord

        known = self.gates.load()
        if known.reason == REMOVED:
            self.gates.swap(known, CircuitRecord(version=known.version + 1))


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
