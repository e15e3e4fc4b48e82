"""One CRM of a deployed stack, with the adapter, tables and queue that the CRM's own function uses."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Protocol

from relay_cli.aws_access import aws_error
from relay_cli.errors import CliError

if TYPE_CHECKING:
    from relay.adapters.aws.sqs import SqsOutgoing
    from relay.adapters.dynamodb.circuit import DynamoCircuits
    from relay.adapters.dynamodb.scans import DynamoMemberKeyScan, DynamoSyncStateScan
    from relay.crm.audit import CrmAudit
    from relay.crm.claimed_write import ClaimedWrite
    from relay.ports.crm import Crm
    from relay.wiring.crms import CrmServices

REMOVED: Final = "removed by hand"
"""The circuit breaker's reason for a removed target."""

_REMOVED_FOR: Final = timedelta(days=3650)
"""Practically for ever: until the target is deployed away, a cleared contact must not be written again."""


class StackClients(Protocol):
    """The part of `Stack` that a target needs."""

    @property
    def name(self) -> str:
        """The stack's name."""
        ...

    def client(self, service: str) -> Any:
        """Return a boto3 client of an AWS service."""
        ...


@dataclass(frozen=True)
class Target:
    """One target. Its parts are those of its function: the same adapter, tables, queue and rate limit."""

    stack: StackClients
    name: str

    def load_settings(self) -> None:
        """Read the settings of the target's function.

        Raises:
            CliError: the stack has no such target, or AWS does not answer.
            MisconfiguredError: its settings are wrong.

        """
        _ = self.services

    @cached_property
    def services(self) -> CrmServices:
        """The services of the target's function, made from its own settings."""
        from botocore.exceptions import BotoCoreError, ClientError
        from relay.adapters.aws.boto import BotoAws
        from relay.adapters.aws.client import use
        from relay.wiring.crms import CrmServices, CrmSettings

        # The function's own client knows the credentials of Lambda's environment alone.
        use(BotoAws(self.stack.client))

        function = f"{self.stack.name}-{self.name}"
        try:
            found = self.stack.client("lambda").get_function_configuration(FunctionName=function)
        except ClientError as error:
            if error.response["Error"]["Code"] == "ResourceNotFoundException":
                raise CliError(
                    f"the stack {self.stack.name} has no target {self.name}",
                    f"it has {self._names()}; add another to the parameter Targets and deploy",
                ) from None
            raise aws_error(error) from None
        except BotoCoreError as error:
            raise aws_error(error) from None
        settings = found.get("Environment", {}).get("Variables", {})
        if settings.get("TARGET") != self.name:
            raise CliError(f"{function} is not a function that writes to a CRM")
        return CrmServices(CrmSettings.from_env(settings))

    def _names(self) -> str:
        """Return the targets that the stack has, as text: those with a function."""
        from botocore.exceptions import BotoCoreError, ClientError
        from relay.wiring.crms import CRMS

        found = []
        for name in CRMS:
            try:
                self.stack.client("lambda").get_function_configuration(
                    FunctionName=f"{self.stack.name}-{name}"
                )
            except (BotoCoreError, ClientError):
                continue
            found.append(name)
        return ", ".join(found) or "none"

    @property
    def crm(self) -> Crm:
        """The CRM's adapter."""
        return self.services.crm

    @cached_property
    def writer(self) -> ClaimedWrite:
        """Reads and writes members in the CRM; outcomes are shown by the command and not logged."""
        from relay.crm.claimed_write import ClaimedWrite

        return ClaimedWrite(
            crm=self.crm,
            members=self.services.members,
            sync_states=self.services.sync_states,
            clock=self.now,
            observe=lambda *_: None,
            zone=self.services.settings.zone,
        )

    @property
    def sync_state_scan(self) -> DynamoSyncStateScan:
        """The sync state of every member in the CRM, and the progress of fills and audits."""
        return self.services.sync_state_scan

    @cached_property
    def circuits(self) -> DynamoCircuits:
        """The state of the circuit breaker."""
        from relay.adapters.dynamodb.circuit import DynamoCircuits

        return DynamoCircuits(self.services.settings.mirrors_table, self.name)

    @property
    def queue(self) -> SqsOutgoing:
        """The target's queue."""
        return self.services.own_queue

    @cached_property
    def member_keys(self) -> DynamoMemberKeyScan:
        """The keys of all members."""
        from relay.adapters.dynamodb.scans import DynamoMemberKeyScan

        return DynamoMemberKeyScan(self.services.queue.members_table, self.shop)

    @cached_property
    def auditing(self) -> CrmAudit:
        """Audits of the CRM."""
        from relay.crm.audit import CrmAudit

        return CrmAudit(writer=self.writer, sync_state_scan=self.sync_state_scan, queue=self.queue)

    @property
    def shop(self) -> str:
        """The stack's shop."""
        return self.services.shop

    def now(self) -> datetime:
        """Return the wall clock's time."""
        from relay.wiring.services import now

        return now()

    def waiting(self) -> int:
        """Return the approximate number of messages in the queue."""
        names = [
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesDelayed",
            "ApproximateNumberOfMessagesNotVisible",
        ]
        client = self.stack.client("sqs")
        found = client.get_queue_attributes(QueueUrl=self.queue.url, AttributeNames=names)["Attributes"]
        return sum(int(found.get(name, 0)) for name in names)

    def stop_calls(self) -> None:
        """Open the circuit, so that no function calls the CRM until `resume_calls`.

        Raises:
            CliError: another process changed the circuit at the same time.

        """
        from relay.ports.crm_state import CircuitRecord

        known = self.circuits.load()
        until = self.now() + _REMOVED_FOR
        if not self.circuits.compare_and_swap(
            known, CircuitRecord(state="open", until=until, reason=REMOVED, version=known.version + 1)
        ):
            raise CliError("the circuit breaker changed at the same moment", "run it again")

    def resume_calls(self) -> None:
        """Close the circuit, if `stop_calls` opened it."""
        from relay.ports.crm_state import CircuitRecord

        known = self.circuits.load()
        if known.reason == REMOVED:
            self.circuits.compare_and_swap(known, CircuitRecord(version=known.version + 1))
