"""E-mail to people, through the SNS topic that their addresses subscribe to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from relay.adapters.aws.boto import aws_errors, client
from relay.alerts.render import email
from relay.errors import NoReplyError, PermanentError
from relay.ports.alerts import Notification

_NEVER: Final = frozenset({"InvalidParameter", "InvalidParameterValue", "ValidationException"})


@dataclass(frozen=True, slots=True)
class EmailChannel:
    """The channel that every shop has."""

    topic: str
    # One attempt: boto would repeat a publish that timed out, and a standard topic knows no repeats.
    sns: Any = field(default_factory=lambda: client("sns", attempts=1))
    name: str = "email"

    def announce(self, announcement: Notification) -> None:
        """Publish it.

        Raises:
            UnansweredError: the e-mail may be on its way.
            TransientError: not now.
            MisconfiguredError: the topic is missing, or not ours to publish to.
            PermanentError: `email_refused`, never in this form.

        """
        written = email(announcement)
        with aws_errors("topic e-mail"):
            try:
                self.sns.publish(TopicArn=self.topic, Subject=written.subject, Message=written.body)
            except (ReadTimeoutError, ConnectionClosedError) as error:
                raise NoReplyError("topic e-mail: no answer") from error
            except ClientError as error:
                if error.response["Error"]["Code"] in _NEVER:
                    raise PermanentError("email_refused") from error
                raise
