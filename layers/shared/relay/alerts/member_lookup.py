"""Who the members are that people are told of: read once for a batch, and missed rather than waited for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from relay.alerts.context import NotifierContext
from relay.errors import TransientError
from relay.model.member import Member


@dataclass(slots=True)
class MemberLookup:
    """The members as they are now; `given_up` once the table has not answered."""

    desk: NotifierContext
    members: Mapping[str, Member]
    given_up: bool = False

    def who(self, keys: Iterable[str]) -> Mapping[str, Member]:
        """Return the members by these keys. Who it is, is worth a wait less than that it is told at all."""
        wanted = [key for key in keys if key]
        missing = {key for key in wanted if key not in self.members}
        if missing and not self.given_up:
            try:
                records, _ = self.desk.members.load(missing)
            except TransientError as error:
                self.give_up(error)
            else:
                found = {key: record.member for key, record in records.items()}
                self.members = {**self.members, **found}
        return {key: self.members[key] for key in wanted if key in self.members}

    def give_up(self, error: TransientError) -> None:
        """Ask no more in this batch. A missing permission would make every alert nameless, and must not do so unseen."""
        self.given_up = True
        self.desk.telemetry.outcome("members_not_read", event_id=None, topic=None, reason=str(error))
