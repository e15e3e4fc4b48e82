"""A deployed stack as the commands find it: its outputs, its parameters, and clients of the services behind it.

Region and credentials are those that the AWS CLI would take; `AWS_ENDPOINT_URL` selects a local AWS.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from relay_cli.errors import CliError

if TYPE_CHECKING:
    from relay.adapters.aws.boto import BotoAws

DEFAULT_NAME: Final = "relay"


def add_stack_option(parser: argparse.ArgumentParser) -> None:
    """Add `--stack`, which names the stack that a command works on."""
    parser.add_argument(
        "--stack",
        metavar="STACK",
        default=os.environ.get("RELAY_STACK", DEFAULT_NAME),
        help="name of the CloudFormation stack (default: $RELAY_STACK, else relay)",
    )


@dataclass(frozen=True)
class Stack:
    """One stack in the account and region of the environment."""

    name: str

    def client(self, service: str) -> Any:
        """Return a boto3 client of an AWS service."""
        import boto3

        return boto3.client(service)  # type: ignore[call-overload]  # one function for all services

    def aws(self) -> BotoAws:
        """Return AWS as the service's adapters call it, by this stack's clients."""
        from relay.adapters.aws.boto import BotoAws

        return BotoAws(self.client)

    @cached_property
    def outputs(self) -> Mapping[str, str]:
        """The stack's outputs by name."""
        return {output["OutputKey"]: output["OutputValue"] for output in self._description.get("Outputs", ())}

    @cached_property
    def parameters(self) -> Mapping[str, str]:
        """The parameters by name with which the stack was deployed."""
        return {one["ParameterKey"]: one["ParameterValue"] for one in self._description.get("Parameters", ())}

    @cached_property
    def _description(self) -> Mapping[str, Any]:
        """CloudFormation's description of the stack.

        Raises:
            CliError: there is no such stack, or AWS does not answer.

        """
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            [found] = self.client("cloudformation").describe_stacks(StackName=self.name)["Stacks"]
        except (ClientError, BotoCoreError) as error:
            if _code(error) == "ValidationError":
                raise CliError(
                    f"the stack {self.name} does not exist in this account and region",
                    "name another with --stack, another region with AWS_REGION",
                ) from None
            raise aws_error(error) from None
        description: Mapping[str, Any] = found
        return description

    def output(self, name: str) -> str:
        """Return one output.

        Raises:
            CliError: the stack has no output of that name.

        """
        if name not in self.outputs:
            raise CliError(f"the stack {self.name} has no output {name}", "deploy the newest template")
        return self.outputs[name]


def aws_error(error: Exception) -> CliError:
    """Return the error to raise for a call that AWS refused or did not answer."""
    if code := _code(error):
        return CliError(f"AWS refuses the call: {code}", "check the permissions of these credentials")
    return CliError(f"AWS does not answer: {error}", "set AWS_PROFILE and AWS_REGION")


def _code(error: Exception) -> str:
    """Return AWS' error code; empty where AWS did not answer."""
    response: Mapping[str, Any] = getattr(error, "response", {})
    return str(response.get("Error", {}).get("Code", ""))
