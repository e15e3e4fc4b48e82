"""The questions of `relay init`, in the order of the README: the programme, the CRMs, the channels.

Each answer is tested as it comes; a secret is stored once it has passed, and what is stored already is not written again.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from stack_template.crms import CRMS

from relay_cli.callback_key import VARIABLE, new_key, parameter_name, store_key, stored, stored_key
from relay_cli.deployment.plan import deployed_parameters, is_absent
from relay_cli.deployment.shop_file import parameter_problem
from relay_cli.errors import UsageError
from relay_cli.secrets import read_secret
from relay_cli.setup import programme, tests_of_answers
from relay_cli.setup.questions import NONE, Check, Questions, say
from relay_cli.setup.secret_kinds import CRM_SECRETS, INVETERATE, PAGERDUTY, SLACK, SLACK_SIGNING, SecretKind
from relay_cli.stack import Stack

_BOT: Final = "xoxb-"


@dataclass(slots=True)
class Interview:
    """One run. `parameters` begin as the shop's file has them, and end as the answers are."""

    stack: Stack
    known: Mapping[str, Mapping[str, Any]]
    questions: Questions
    parameters: dict[str, str]
    stored: list[str] = field(default_factory=list)
    proposed_rules: str | None = None

    def run(self) -> None:
        """Ask everything.

        Raises:
            CliError: an answer is wrong or missing, and there is no terminal to ask at again.

        """
        # What a flag gives for a question below is asked there; all else is taken as it is.
        for name, value in self.questions.given.items():
            answer = "" if value.lower() == NONE else value
            self._check_parameter(name, answer)
            self.parameters[name] = answer
        self._programme()
        self._ask("TimeZone", "Time zone of the shop")
        self._crms()
        self._slack()
        self._secret(PAGERDUTY, tests_of_answers.check_routing_key)
        self._ask("AlertEmail", "E-mail address for alerts and alarms")
        self._callback_key()

    def value(self, name: str) -> str:
        """Return a parameter as it will be: answered, else as deployed, else the default."""
        if name in self.parameters:
            return self.parameters[name]
        return deployed_parameters(self.stack).get(name) or str(self.known[name].get("Default", ""))

    def _programme(self) -> None:
        url, found = self.value("InveterateUrl"), {}

        def check(key: str) -> None:
            found["merchant"] = tests_of_answers.merchant_of(key, url)

        key = self._secret(INVETERATE, check)
        merchant = found.get("merchant")
        if merchant is not None:
            say(f"the API key is {merchant.myshopify_domain or 'accepted'}'s")
        domain = (merchant and merchant.myshopify_domain) or ""
        present = self.parameters.get("ShopDomain") or self.value("ShopDomain") or domain

        def check_domain(answer: str) -> None:
            if domain and answer != domain:
                raise UsageError(
                    f"the API key is that of {domain}, not of {answer}",
                    "every event of another shop would be kept as unclaimed",
                )

        self._ask("ShopDomain", "Domain of the shop at Shopify", check_domain, present=present, needed=True)
        if key:
            self.proposed_rules = programme.proposal(programme.tiers_of(key, url))

    def _crms(self) -> None:
        names = ", ".join(CRM_SECRETS)
        self._ask("Targets", f"CRMs to keep equal, by commas ({names})")
        for target in filter(None, self.parameters.get("Targets", "").split(",")):
            about = next(crm for crm in CRMS if crm.target == target)
            for setting in about.settings:
                name = f"{about.name}{setting.name}"
                if setting.needed_as and setting.name != "Secret":
                    self._ask(name, f"{name}: {setting.needed_as}", needed=True)
            values = {name: self.value(name) for name in self.known}

            def check(secret: str, target: str = target, values: Mapping[str, str] = values) -> None:
                if target == "webhook":
                    tests_of_answers.check_signing_secret(secret)
                else:
                    tests_of_answers.check_crm(target, secret, values)

            self._secret(CRM_SECRETS[target], check, needed=True)

    def _slack(self) -> None:
        before = (self._kept(SLACK), self.parameters.get("SlackChannel", ""))

        def check(secret: str) -> None:
            if not secret.startswith((_BOT, "https://", "http://127.0.0.1", "http://localhost")):
                raise UsageError("Slack's secret is a bot's token (xoxb-…) or a webhook's URL")
            # Only what is new is tried: each try is a message that people see.
            channel = self.parameters.get("SlackChannel", "")
            if secret.startswith(_BOT):
                self._ask("SlackChannel", "Slack channel, by id or as #name", needed=True)
                channel = self.parameters["SlackChannel"]
            if (secret, channel) != before:
                tests_of_answers.check_slack(secret, channel, self.value("SlackUrl"))
                say("Slack took the test message")

        channel = self.parameters.get("SlackChannel")
        secret = self._secret(SLACK, check)
        if secret and secret.startswith(_BOT):
            # An incoming webhook has no buttons.
            self._secret(SLACK_SIGNING, tests_of_answers.check_slack_signing)
        if secret is None and "SlackChannel" not in self.questions.given:
            # A channel that was typed for a token which was then given up is no answer.
            self._put_back("SlackChannel", channel)

    def _put_back(self, name: str, value: str | None) -> None:
        if value is None:
            self.parameters.pop(name, None)
        else:
            self.parameters[name] = value

    def _callback_key(self) -> None:
        """Make the key of a new stack; one that is deployed has its own, which a rotation replaces."""
        if stored_key(self.stack) is not None:
            return
        if not is_absent(self.stack):
            say("the callback key is not in SSM: `relay keys rotate` stores a new one")
            return
        key = read_secret("callback key", VARIABLE) if os.environ.get(VARIABLE) else new_key()
        store_key(self.stack, key)
        self.stored.append(parameter_name(self.stack.name))

    def _ask(
        self,
        name: str,
        question: str,
        check: Check | None = None,
        *,
        present: str | None = None,
        needed: bool = False,
    ) -> None:
        """Ask for a parameter; what equals the value that it would have anyway is not written into the file."""

        def checked(answer: str) -> None:
            self._check_parameter(name, answer)
            if check:
                check(answer)

        shown = self.value(name) if present is None else present
        answer = self.questions.text(name, question, shown, checked, needed=needed)
        if name in self.parameters or answer != str(self.known[name].get("Default", "")):
            self.parameters[name] = answer

    def _check_parameter(self, name: str, answer: str) -> None:
        if problem := parameter_problem(name, answer, self.known):
            raise UsageError(problem)

    def _kept(self, kind: SecretKind) -> str | None:
        return stored(self.stack, self.parameters.get(kind.parameter) or kind.place(self.stack.name))

    def _secret(self, kind: SecretKind, check: Check, *, needed: bool = False) -> str | None:
        """Ask for a secret and store it where it is new; the file gets the name of its place."""
        present = self.parameters.get(kind.parameter)
        # A place that a person emptied in the file stays empty until a secret is given.
        kept = None if present == "" else self._kept(kind)
        secret = self.questions.secret(kind, kept, check, needed=needed)
        if secret is None:
            if present:
                self.parameters[kind.parameter] = ""
            return None
        place = present or kind.place(self.stack.name)
        if secret != kept:
            store_key(self.stack, secret, name=place)
            self.stored.append(place)
        self.parameters[kind.parameter] = place
        return secret
