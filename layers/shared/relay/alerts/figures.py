"""Takes the figures of an alert from the record as it is when the message goes out.

An alert is decided when its event arrives, and the attempts before a cancellation may arrive after it. So how many
payments failed, and what stays unpaid, is read once more from the member that the message names anyway.
"""

from __future__ import annotations

from dataclasses import replace

from relay.model.member import Member
from relay.model.messages import AlertMessage
from relay.rules.dunning import with_figures


def with_record(alert_message: AlertMessage, member: Member | None) -> AlertMessage:
    """Return an alert message with the figures of its member's record; as it is where the record cannot be read."""
    if member is None:
        return alert_message
    return replace(alert_message, alert=with_figures(alert_message.alert, alert_message.at, member))
