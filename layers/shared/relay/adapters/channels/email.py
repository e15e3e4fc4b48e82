"""Sends notifications as e-mails, through the SNS topic that the addresses subscribe to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from relay.adapters.aws.client import AwsCaller, NoAnswerError, RefusedCallError, aws, aws_errors
from relay.alerts.render import email_message
from relay.errors import NoReplyError, PermanentError
from relay.ports.alerts import Notification

_INVALID: Final = frozenset({"InvalidParameter", "InvalidParameterValue", "ValidationException"})


@dataclass(frozen=True, slots=True)
class EmailChannel:
    """The e-mail channel, which every shop has."""

    topic: str
    aws: AwsCaller = field(default_factory=aws)
    name: str = "email"

    def send(self, notification: Notification) -> None:
        """Publish a notification.

        Raises:
            NoReplyError: the e-mail may be on its way.
            TransientError: not now.
            MisconfiguredError: the topic is missing, or the function may not publish to it.
            PermanentError: `email_refused`, never in this form.

        """
        message = email_message(notification)
        with aws_errors("topic e-mail"):
            try:
                # A standard topic does not recognise a repeat, so a message that may have arrived is not sent again.
                self.aws.call(
                    "sns",
                    "Publish",
                    {"TopicArn": self.topic, "Subject": message.subject, "Message": message.body},
                    repeatable=False,
                )
            except NoAnswerError as error:
                if error.sent:
                    raise NoReplyError("topic e-mail: no answer") from error
                raise
            except RefusedCallError as refusal:
                if refusal.code in _INVALID:
                    raise PermanentError("email_refused") from refusal
                raise
