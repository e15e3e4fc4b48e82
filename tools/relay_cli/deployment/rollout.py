"""Brings a change to a stack: change set, CRMs, probes through the public URL, and back to the version before if one fails.

ask ──► change set ──► CRMs are prepared ──► each topic is probed ──► done
         │ an alarm rings                     │ one does not arrive
         └► CloudFormation takes it back      └► the template and the parameters before are deployed again
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from relay_cli.callback_key import callback_key
from relay_cli.deployment import change_set, package
from relay_cli.deployment.changes import data_warnings, request_parameters, summary
from relay_cli.deployment.package import Package
from relay_cli.deployment.plan import Plan, deployed_parameters
from relay_cli.deployment.probe import Prober, ProbeResult, journaled_probes, webhook_token
from relay_cli.deployment.template import read_template
from relay_cli.errors import CliError, DeclinedError
from relay_cli.known_errors import known_error
from relay_cli.output import progress
from relay_cli.prompts import confirm
from relay_cli.stack import Stack

ROLLBACK_ALARMS: Final = ("receiver-errors", "api-5xx")
"""The alarms of the way in: an update that raises one of them is taken back."""


@dataclass(frozen=True, slots=True)
class Version:
    """A template and the values of its parameters, as they are deployed."""

    template: str
    parameters: Mapping[str, str]

    @classmethod
    def of(cls, stack: Stack) -> Version:
        """Return what is deployed now."""
        found = stack.client("cloudformation").get_template(StackName=stack.name, TemplateStage="Original")
        body = found["TemplateBody"]
        return cls(body if isinstance(body, str) else json.dumps(body), dict(stack.parameters))

    @property
    def known(self) -> Mapping[str, Mapping[str, Any]]:
        """The template's parameters by name."""
        known: Mapping[str, Mapping[str, Any]] = read_template(self.template)["Parameters"]
        return known


@dataclass(slots=True)
class Outcome:
    """What a rollout did. `attention` are the sentences of what a person should still do."""

    stack: Stack
    resources: int = 0
    probed: int = 0
    attention: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Rollout:
    """One change of a stack. `package` is the new template; None keeps the one that is deployed."""

    stack: Stack
    plan: Plan
    known: Mapping[str, Mapping[str, Any]]
    package: Package | None = None
    minutes: int = 5
    yes: bool = False

    def run(self) -> Outcome:
        """Ask, deploy, prepare the CRMs and probe; return what was done.

        Raises:
            CliError: the person declined, the change was rolled back, or a probe did not arrive.

        """
        before = None if self.plan.is_new else Version.of(self.stack)
        outcome = Outcome(self.stack)
        if made := self._change_set():
            outcome.stack, outcome.resources = self._execute(made), len(made.changes)
        else:
            say("Nothing changes: code and parameters are as deployed.")
        self._prepare(outcome)
        outcome.probed = self._probe(outcome.stack, before)
        return outcome

    def _change_set(self) -> change_set.ChangeSet | None:
        if not self.plan.is_new and self.package is None and not self.plan.changes:
            return None
        parameters = request_parameters(self.plan.changes, deployed_parameters(self.stack), self.known)
        watch = change_set.Watch() if self.plan.is_new else self._watch()
        return change_set.make(self.stack, self.package, parameters, watch)

    def _watch(self) -> change_set.Watch:
        alarms, on = change_set.alarms_to_watch(self.stack, ROLLBACK_ALARMS)
        for name in on:
            say(f"CAREFUL: {name} is in ALARM already, so it will not roll this update back")
        return change_set.Watch(alarms=alarms, minutes=self.minutes)

    def _execute(self, made: change_set.ChangeSet) -> Stack:
        say(summary(made.changes))
        for warning in data_warnings(made.changes):
            say(f"CAREFUL: {warning}")
        try:
            if not self.yes:
                confirm(f"{'Create' if self.plan.is_new else 'Update'} the stack {self.stack.name}?")
        except DeclinedError:
            change_set.discard(made)
            raise
        with progress(f"deploying {self.stack.name}") as step:
            return change_set.execute(made, step)

    def _prepare(self, outcome: Outcome) -> None:
        """Define in each CRM what it lacks. A CRM that refuses stops no webhook, so it stops no deployment."""
        from relay_cli.commands.mirror import maintenance
        from relay_cli.commands.mirror.target import Target

        for name in filter(None, outcome.stack.parameters.get("Targets", "").split(",")):
            if name == "webhook":
                continue  # a receiver of one's own has no definitions
            say(f"preparing {name} …")
            try:
                maintenance.prepare(Target(outcome.stack, name), argparse.Namespace(dry_run=False))
            except Exception as error:
                if (known := known_error(error)) is None:
                    raise
                outcome.attention.append(
                    f"{name} is not prepared ({known.message}): `relay mirror prepare {name}`"
                )

    def _probe(self, stack: Stack, before: Version | None) -> int:
        result = probe(stack, callback_key(stack))
        say(result.sentence())
        if result.complete:
            return len(result.seen)
        if before is None:
            raise CliError(
                "the new stack does not take every topic; no webhook was subscribed",
                "the functions' log says why; correct it and run `relay deploy` again",
            )
        again = probe(self._deploy_again(before), callback_key(stack))
        say(again.sentence())
        raise CliError(
            "the update does not take every topic: the version before is deployed again"
            + ("" if again.complete else ", and does not take every topic either"),
            "nothing that was accepted is lost; the functions' log says why",
        )

    def _deploy_again(self, before: Version) -> Stack:
        say("deploying the version before again …")
        bucket = package.bucket_in(before.template)
        if bucket is None:
            raise CliError("the template before names no bucket", "deploy an older version from its checkout")
        uploaded = package.put_template(before.template, self.stack.access, bucket, self.stack.name)
        request = [
            {"ParameterKey": name, "ParameterValue": before.parameters[name]}
            for name in before.known
            if name in before.parameters
        ]
        stack = Stack(self.stack.name, self.stack.access)
        made = change_set.make(stack, uploaded, request, change_set.Watch())
        if made is None:
            return stack
        with progress("rolling back") as step:
            return change_set.execute(made, step)


def probe(stack: Stack, key: str) -> ProbeResult:
    """Probe every topic through the public URL with a key; return which arrived."""
    url = f"{stack.output('CallbackBaseUrl')}/{key}"
    prober = Prober(url, stack.parameters["ShopDomain"], journaled_probes(stack), token=webhook_token(stack))
    with progress("probing the topics through the public URL") as step:
        return prober.run(step)


def say(text: str) -> None:
    """Print what goes on to the standard error: the standard output has the result alone."""
    print(text, file=sys.stderr, flush=True)
