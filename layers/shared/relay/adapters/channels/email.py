"""Send notifications as e-mails, through the SNS topic that the addresses subscribe to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from relay.adapters.aws.boto import aws_errors, client
from relay.alerts.render import email_message
from relay.errors import NoReplyError, PermanentError
from relay.ports.alerts import Notification

_INVALID: Final = frozenset({"InvalidParameter", "InvalidParameterValue", "ValidationException"})


@dataclass(frozen=True, slots=True)
class EmailChannel:
    """The e-mail channel, which every shop has."""

    topic: str
    # One attempt: boto would repeat a publish that timed out, and a standard topic has no deduplication.
    sns: Any = field(default_factory=lambda: client("sns", attempts=1))
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
                self.sns.publish(TopicArn=self.topic, Subject=message.subject, Message=message.body)
            except (ReadTimeoutError, ConnectionClosedError) as error:
                raise NoReplyError("topic e-mail: no answer") from error
            except ClientError as error:
                if error.response["Error"]["Code"] in _INVALID:
                    raise PermanentError("email_refused") from error
                raise
