"""Takes the figures of an alert from the record as it is when the message goes out.

An alert is decided when its event arrives, and the attempts before a cancellation may arrive after it. So how many
payments failed, and what stays unpaid, is read once more from the member that the message names anyway.
"""

from __future__ import annotations

from dataclasses import replace

from relay.model.member import Member
from relay.model.messages import AlertMessage
from relay.rules.dunning_ends import with_figures
from relay.rules.segments import high_value_rows, member_since_rows
from relay.rules.settings import Rules


def with_record(alert_message: AlertMessage, member: Member | None, rules: Rules) -> AlertMessage:
    """Return an alert message with the figures of its member's record, why the member is of high value, and since when a member.

    As it is where the record cannot be read.
    """
    if member is None:
        return alert_message
    alert = with_figures(alert_message.alert, alert_message.at, member)
    said = {label for label, _ in alert.details}
    rows = [*high_value_rows(member, rules), *member_since_rows(member)]
    more = tuple({label: (label, value) for label, value in rows if label not in said}.values())
    return replace(alert_message, alert=replace(alert, details=(*alert.details, *more)))
