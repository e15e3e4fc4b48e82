"""`relay deploy [SHOP]`: build, show what changes, deploy by difference, prepare the CRMs, probe, then subscribe.

Installing and updating are the same command. An update is rolled back by CloudFormation where the receiver's errors or
the API's 5xx rise, and by this command where a probe does not arrive.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from relay_cli.aws_access import AwsAccess
from relay_cli.deployment import change_set, package, shop_file
from relay_cli.deployment.changes import (
    ParameterChange,
    data_warnings,
    parameter_changes,
    request_parameters,
    summary,
    warnings,
)
from relay_cli.deployment.package import Package
from relay_cli.deployment.shop_file import ShopFile
from relay_cli.deployment.template import parameters_of, read_template
from relay_cli.errors import DONE, CliError, DeclinedError
from relay_cli.help import add_yes_option, describe
from relay_cli.output import progress, show, table
from relay_cli.prompts import confirm
from relay_cli.stack import Stack

ROLLBACK_ALARMS: Final = ("receiver-errors", "api-5xx")
"""The alarms of the way in: an update that raises one of them is taken back."""

_DIGEST_SHOWN: Final = 12


def configure(parser: argparse.ArgumentParser) -> None:
    """Define the arguments."""
    describe(
        parser,
        "relay deploy acme --dry-run",
        "relay deploy acme",
        notes="Parameters that the shop's file does not name keep their deployed value. The command asks before it\n"
        "changes anything; --dry-run ends there.",
    )
    parser.add_argument(
        "shop", nargs="?", metavar="SHOP", help="a file in shops/, or a path (default: the only one)"
    )
    parser.add_argument("--dry-run", action="store_true", help="show what would change, and change nothing")
    parser.add_argument("--no-build", action="store_true", help="deploy what was built before")
    parser.add_argument(
        "--bucket", metavar="BUCKET", help="the bucket for code and template (default: SAM's own)"
    )
    parser.add_argument(
        "--minutes",
        metavar="MINUTES",
        type=_minutes,
        default=5,
        help="how long an alarm rolls an update back afterwards, 0 to 180 (default: %(default)s)",
    )
    add_yes_option(parser)


def _minutes(text: str) -> int:
    most = 180
    if not 0 <= int(text) <= most:
        raise ValueError(text)
    return int(text)


def main(arguments: argparse.Namespace) -> int:
    """Deploy; return the exit code.

    With `--json`: an object with `stack`, `changes` (parameter, old, new), `warnings`, and after a deployment `resources`
    and `probed`.
    """
    root = package.require_checkout()
    known = parameters_of(root / "template.yaml")
    shop = shop_file.load(shop_file.find(arguments.shop), known)
    deployment = Deployment(arguments, shop, stack_of(shop, arguments), known)
    plan = deployment.plan()
    if arguments.dry_run:
        show(arguments, plan.value(), plan.text())
        return DONE
    if not arguments.json:
        print(plan.text())
    result = deployment.run(plan)
    show(arguments, {**plan.value(), **result}, f"{shop.stack} is deployed.")
    return DONE


def stack_of(shop: ShopFile, arguments: argparse.Namespace) -> Stack:
    """Return the shop's stack; an option for account and region wins over the file."""
    access = AwsAccess.of(arguments)
    return Stack(
        shop.stack,
        AwsAccess(access.profile or shop.profile, access.region or shop.region, access.endpoint_url),
    )


@dataclass(frozen=True, slots=True)
class Plan:
    """What a deployment will do to the parameters, and what is lost by it."""

    stack: str
    is_new: bool
    changes: tuple[ParameterChange, ...]
    warnings: tuple[str, ...]
    kept: int

    def value(self) -> dict[str, Any]:
        """Return the plan for `--json`."""
        return {
            "stack": self.stack,
            "new": self.is_new,
            "changes": [{"parameter": one.name, "old": one.old, "new": one.new} for one in self.changes],
            "warnings": list(self.warnings),
        }

    def text(self) -> str:
        """Return the plan for the terminal."""
        rows = [(one.name, _shown(one.old), "→", _shown(one.new)) for one in self.changes]
        lines = [f"{self.stack} is {'a new stack' if self.is_new else 'deployed already'}."]
        lines.append(table(("parameter", "old", "", "new"), rows, empty="No parameter changes."))
        if not self.is_new:
            lines.append(f"{self.kept} parameters keep their value.")
        lines += [f"CAREFUL: {warning}" for warning in self.warnings]
        return "\n".join(lines)


def _shown(value: str | None) -> str:
    """Return a value for a table; of a list of digests the beginning of each."""
    if not value:
        return "-"
    return ",".join(one[:_DIGEST_SHOWN] + "…" if len(one) == 64 else one for one in value.split(","))  # noqa: PLR2004 - a SHA-256


@dataclass(frozen=True, slots=True)
class Deployment:
    """One deployment of a shop."""

    arguments: argparse.Namespace
    shop: ShopFile
    stack: Stack
    known: Mapping[str, Mapping[str, Any]]

    @property
    def _deployed(self) -> Mapping[str, str]:
        return {} if self.stack.state is None else self.stack.parameters

    def plan(self) -> Plan:
        """Return what this deployment changes.

        Raises:
            UsageError: a new stack lacks a parameter that has no default.

        """
        deployed = self._deployed
        missing = [
            name
            for name, rule in self.known.items()
            if "Default" not in rule and name not in deployed and not self.shop.parameters.get(name)
        ]
        if missing:
            raise CliError(
                f"{self.shop.path} lacks {', '.join(missing)}", "`relay init` asks for what is missing"
            )
        changes = parameter_changes(self.shop.parameters, deployed, self.known)
        return Plan(
            stack=self.stack.name,
            is_new=not deployed,
            changes=tuple(changes),
            warnings=tuple(warnings(changes, self._waiting)),
            kept=len(deployed) - len(changes),
        )

    def _waiting(self, target: str) -> int | None:
        """Return how many messages wait in a target's queue; None where it cannot be said."""
        from botocore.exceptions import ClientError

        sqs = self.stack.client("sqs")
        names = [
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesDelayed",
            "ApproximateNumberOfMessagesNotVisible",
        ]
        try:
            url = sqs.get_queue_url(QueueName=f"{self.stack.name}-{target}")["QueueUrl"]
            found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        except ClientError:
            return None
        return sum(int(found.get(name, 0)) for name in names)

    def run(self, plan: Plan) -> dict[str, Any]:
        """Build, ask, deploy, prepare, probe and subscribe; return what was done.

        Raises:
            CliError: the person declined, the deployment was rolled back, or a probe did not arrive.

        """
        before = None if plan.is_new else self._version_before()
        made = self._change_set(self._package(), plan)
        if made is None:
            _say("Nothing changes: code and parameters are as deployed.")
            stack = self.stack
        else:
            stack = self._execute(made, plan)
        self._prepare(stack)
        probed = self._probe(stack, before)
        self._subscribe(stack)
        return {"resources": len(made.changes) if made else 0, "probed": probed}

    def _package(self) -> Package:
        values = {
            name: self.shop.parameters.get(name)
            or self._deployed.get(name)
            or str(self.known[name]["Default"])
            for name in ("Runtime", "Architecture")
        }
        built = package.ROOT / ".aws-sam" / "build" / "template.yaml"
        if not self.arguments.no_build:
            _say(f"building for {values['Runtime']} on {values['Architecture']} …")
            built = package.build(values["Runtime"], values["Architecture"])
        if not built.is_file():
            raise CliError("nothing is built yet", "leave --no-build away")
        _say("uploading …")
        return package.upload(built, self.stack.access, self.stack.name, self.arguments.bucket)

    def _change_set(self, uploaded: Package, plan: Plan) -> change_set.ChangeSet | None:
        parameters = request_parameters(plan.changes, self._deployed, self.known)
        watch = change_set.Watch() if plan.is_new else self._watch()
        return change_set.make(self.stack, uploaded, parameters, watch)

    def _watch(self) -> change_set.Watch:
        alarms, on = change_set.alarms_to_watch(self.stack, ROLLBACK_ALARMS)
        for name in on:
            _say(f"CAREFUL: {name} is in ALARM already, so it will not roll this update back")
        return change_set.Watch(alarms=alarms, minutes=self.arguments.minutes)

    def _execute(self, made: change_set.ChangeSet, plan: Plan) -> Stack:
        _say(summary(made.changes))
        for warning in data_warnings(made.changes):
            _say(f"CAREFUL: {warning}")
        try:
            if not self.arguments.yes:
                confirm(f"{'Create' if plan.is_new else 'Update'} the stack {self.stack.name}?")
        except DeclinedError:
            change_set.discard(made)
            raise
        with progress(f"deploying {self.stack.name}") as step:
            return change_set.execute(made, step)

    def _version_before(self) -> tuple[str, Mapping[str, str]]:
        """Return the template and the parameters that are deployed now."""
        found = self.stack.client("cloudformation").get_template(
            StackName=self.stack.name, TemplateStage="Original"
        )
        body = found["TemplateBody"]
        return body if isinstance(body, str) else json.dumps(body), dict(self._deployed)

    def _prepare(self, stack: Stack) -> None:
        from relay_cli.commands.mirror import maintenance
        from relay_cli.commands.mirror.target import Target

        for name in filter(None, stack.parameters.get("Targets", "").split(",")):
            if name == "webhook":
                continue  # a receiver of one's own has no definitions
            _say(f"preparing {name} …")
            maintenance.prepare(Target(stack, name), argparse.Namespace(dry_run=False))

    def _probe(self, stack: Stack, before: tuple[str, Mapping[str, str]] | None) -> int:
        from relay_cli.callback_key import callback_key
        from relay_cli.deployment.probe import Prober, journaled_probes

        url = f"{stack.output('CallbackBaseUrl')}/{callback_key(stack)}"
        with progress("probing the topics through the public URL") as step:
            result = Prober(url, stack.parameters["ShopDomain"], journaled_probes(stack)).run(step)
        _say(result.sentence())
        if result.complete:
            return len(result.seen)
        if before is None:
            raise CliError(
                "the new stack does not take every topic; no webhook was subscribed",
                "`relay doctor` says what is wrong; then deploy again",
            )
        self._deploy_again(*before)
        raise CliError(
            "the update does not take every topic: the version before is deployed again",
            "nothing that was accepted is lost; the log of the functions says why",
        )

    def _deploy_again(self, template: str, parameters: Mapping[str, str]) -> None:
        _say("deploying the version before again …")
        bucket = package.bucket_in(template)
        if bucket is None:
            raise CliError("the template before names no bucket", "deploy an older version from its checkout")
        uploaded = package.put_template(template, self.stack.access, bucket, self.stack.name)
        names = read_template(template)["Parameters"]
        request = [
            {"ParameterKey": name, "ParameterValue": value}
            for name, value in parameters.items()
            if name in names
        ]
        stack = Stack(self.stack.name, self.stack.access)
        made = change_set.make(stack, uploaded, request, change_set.Watch())
        if made:
            with progress("rolling back") as step:
                change_set.execute(made, step)

    def _subscribe(self, stack: Stack) -> None:
        from relay_cli.commands import subscribe

        options = argparse.Namespace(
            stack=stack.name,
            profile=stack.access.profile,
            region=stack.access.region,
            endpoint_url=stack.access.endpoint_url,
            json=False,
            list_topics=False,
        )
        if subscribe.main(options):
            raise CliError("not every topic could be subscribed", "run `relay subscribe` again")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
