"""A deployed stack as the commands find it: its state, outputs and parameters, and clients of the services behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from relay_cli.aws_access import AwsAccess, aws_error, error_code
from relay_cli.errors import CliError

if TYPE_CHECKING:
    import argparse

    from relay.adapters.aws.boto import BotoAws

_WAIT: Final = "wait until it is done; `relay status` says so"

STATES: Final[Mapping[str, tuple[str, str]]] = {
    "CREATE_IN_PROGRESS": ("is being created", _WAIT),
    "REVIEW_IN_PROGRESS": (
        "has a change set that was never executed",
        "delete the stack, then run `relay deploy`",
    ),
    "CREATE_FAILED": ("could not be created", "delete the stack, then run `relay deploy`"),
    "ROLLBACK_IN_PROGRESS": ("could not be created and is being rolled back", _WAIT),
    "ROLLBACK_COMPLETE": (
        "could not be created",
        "its events say why; delete the stack, then run `relay deploy`",
    ),
    "ROLLBACK_FAILED": (
        "could not be created, nor rolled back",
        "its events say why; delete the stack in the console",
    ),
    "DELETE_IN_PROGRESS": ("is being deleted", "wait until it is gone"),
    "DELETE_FAILED": ("could not be deleted", "its events say which resource is in the way"),
    "UPDATE_ROLLBACK_FAILED": (
        "could not be updated, nor rolled back",
        "its events say why; `aws cloudformation continue-update-rollback` goes on from there",
    ),
}
"""States in which a stack may lack parts, with what to do. In every other one a stack can be worked with."""


@dataclass(frozen=True)
class Stack:
    """One stack in one account and region."""

    name: str
    access: AwsAccess = field(default_factory=AwsAccess)

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> Stack:
        """Return the stack that a command's common options name."""
        return cls(arguments.stack, AwsAccess.of(arguments))

    def client(self, service: str) -> Any:
        """Return a boto3 client of an AWS service."""
        return self.access.client(service)

    def aws(self) -> BotoAws:
        """Return AWS as the service's adapters call it, by this stack's clients."""
        from relay.adapters.aws.boto import BotoAws

        return BotoAws(self.client)

    @cached_property
    def outputs(self) -> Mapping[str, str]:
        """The stack's outputs by name."""
        return {output["OutputKey"]: output["OutputValue"] for output in self._usable.get("Outputs", ())}

    @cached_property
    def parameters(self) -> Mapping[str, str]:
        """The parameters by name with which the stack was deployed."""
        return {one["ParameterKey"]: one["ParameterValue"] for one in self._usable.get("Parameters", ())}

    @property
    def description(self) -> Mapping[str, Any] | None:
        """CloudFormation's description of the stack in whatever state; None where there is no such stack."""
        return self._found

    @property
    def outputs_now(self) -> Mapping[str, str]:
        """The outputs by name that the stack has in its present state, which may lack parts."""
        found = self._found or {}
        return {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", ())}

    @property
    def parameters_now(self) -> Mapping[str, str]:
        """The parameters by name that the stack has in its present state."""
        found = self._found or {}
        return {one["ParameterKey"]: one["ParameterValue"] for one in found.get("Parameters", ())}

    @property
    def state(self) -> str | None:
        """CloudFormation's word for the stack's state; None where there is no such stack."""
        found = self._found
        return None if found is None else str(found["StackStatus"])

    @cached_property
    def _found(self) -> Mapping[str, Any] | None:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            [found] = self.client("cloudformation").describe_stacks(StackName=self.name)["Stacks"]
        except (ClientError, BotoCoreError) as error:
            if error_code(error) == "ValidationError":
                return None
            raise aws_error(error) from None
        description: Mapping[str, Any] = found
        return description

    @property
    def _usable(self) -> Mapping[str, Any]:
        """CloudFormation's description of the stack.

        Raises:
            CliError: there is no such stack, it lacks parts, or AWS does not answer.

        """
        if self._found is None:
            raise CliError(
                f"the stack {self.name} does not exist in this account and region",
                "name another with --stack, another region with --region; `relay deploy` makes a new one",
            )
        state = str(self._found["StackStatus"])
        if state in STATES:
            what, remedy = STATES[state]
            raise CliError(f"the stack {self.name} {what} ({state})", remedy)
        return self._found

    def output(self, name: str) -> str:
        """Return one output.

        Raises:
            CliError: the stack has no output of that name.

        """
        if name not in self.outputs:
            raise CliError(
                f"the stack {self.name} has no output {name}", "deploy the newest version: `relay deploy`"
            )
        return self.outputs[name]
