"""A deployed stack, as the operator's commands find it: its outputs, and clients of the services behind them.

Region and credentials are those that the AWS command line would take; `AWS_ENDPOINT_URL` leads to a local AWS.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from relay_cli.failing import CliError

DEFAULT: Final = "relay"


def add_stack(parser: argparse.ArgumentParser) -> None:
    """Let the command be told which stack it is about."""
    parser.add_argument(
        "--stack",
        default=os.environ.get("RELAY_STACK", DEFAULT),
        help="the stack's name (default: $RELAY_STACK, else %(default)s)",
    )


@dataclass(frozen=True)
class Account:
    """One stack in the account that the environment leads to."""

    stack: str

    def client(self, service: str) -> Any:
        """Return a client of an AWS service."""
        import boto3

        return boto3.client(service)  # type: ignore[call-overload]  # one function for all services

    @cached_property
    def outputs(self) -> Mapping[str, str]:
        """The stack's outputs by name."""
        return {output["OutputKey"]: output["OutputValue"] for output in self._described.get("Outputs", ())}

    @cached_property
    def parameters(self) -> Mapping[str, str]:
        """The parameters by name with which the stack was deployed."""
        return {one["ParameterKey"]: one["ParameterValue"] for one in self._described.get("Parameters", ())}

    @cached_property
    def _described(self) -> Mapping[str, Any]:
        """What CloudFormation says of the stack.

        Raises:
            CliError: when there is no such stack here, or AWS cannot be asked.

        """
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            found: Mapping[str, Any]
            [found] = self.client("cloudformation").describe_stacks(StackName=self.stack)["Stacks"]
        except ClientError as error:
            if error.response["Error"]["Code"] == "ValidationError":
                raise CliError(
                    f"there is no stack {self.stack} here", "name it with --stack, its region with AWS_REGION"
                ) from None
            raise CliError(f"AWS does not let us look: {error.response['Error']['Code']}") from None
        except BotoCoreError as error:
            raise CliError(f"AWS cannot be asked: {error}", "set AWS_PROFILE and AWS_REGION") from None
        return found

    def output(self, name: str) -> str:
        """Return one output.

        Raises:
            CliError: when this stack has none by that name.

        """
        if name not in self.outputs:
            raise CliError(f"the stack {self.stack} has no output {name}", "deploy the newest template")
        return self.outputs[name]
