"""The store of members' records: a write succeeds only on the version that was read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from relay.errors import TransientError
from relay.model.member import Member
from relay.model.messages import Outbox
from relay.rules.measures import Measures
from relay.rules.settings import Rules


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberRecord:
    """A member as the table holds it; `version` counts its writes (0: no item yet), `seen` are the latest event ids."""

    member: Member
    version: int = 0
    seen: tuple[str, ...] = ()


class MemberStore(Protocol):
    """The members table."""

    def load(self, keys: Iterable[str]) -> tuple[Mapping[str, MemberRecord], Rules]:
        """Return the records by key, an empty one for a new member, and the rules with the measures, read together.

        Raises:
            TransientError: the table does not answer, or the rules cannot be read.

        """
        ...

    def save(self, record: MemberRecord, outbox: Outbox) -> None:
        """Write a record as version + 1, together with its outbox, in one write.

        Raises:
            ConflictError: the table holds another version than the one that was read.
            PermanentError: the table will never take it, for its size or a value.
            TransientError: the table does not answer.

        """
        ...


class OutboxReader(Protocol):
    """What the latest write of each member had to send."""

    def outboxes(self, keys: Iterable[str]) -> Mapping[str, Outbox]:
        """Return the outbox of each member's record by key, without those that have none or cannot be read.

        Raises:
            TransientError: the table does not answer.

        """
        ...


class MeasuresStore(Protocol):
    """Where the daily run keeps the programme's measures; every batch reads them with its rules."""

    def store_measures(self, measures: Measures) -> None:
        """Write them.

        Raises:
            TransientError: the table does not answer.

        """
        ...


@dataclass(frozen=True, slots=True)
class Loaded:
    """The records that could be read, the rules, and by key what prevented the reading of each other record."""

    records: Mapping[str, MemberRecord]
    rules: Rules
    errors: Mapping[str, Exception]


def load_each(store: MemberStore, keys: Iterable[str]) -> Loaded:
    """Read members so that one that cannot be read costs no other one.

    They are read together. Where that fails for good, each is read by itself.

    Raises:
        TransientError: the table does not answer, or the rules cannot be read.

    """
    wanted = list(dict.fromkeys(keys))
    try:
        records, rules = store.load(wanted)
    except TransientError:
        raise
    except Exception:  # noqa: BLE001 - found by reading each by itself
        return _load_alone(store, wanted)
    return Loaded(records, rules, {})


def _load_alone(store: MemberStore, keys: Iterable[str]) -> Loaded:
    _, rules = store.load(())
    records: dict[str, MemberRecord] = {}
    errors: dict[str, Exception] = {}
    for key in keys:
        try:
            found, rules = store.load([key])
            records[key] = found[key]
        except TransientError:
            raise
        except Exception as error:  # noqa: BLE001 - what is wrong with one record does not concern the others
            errors[key] = error
    return Loaded(records, rules, errors)
