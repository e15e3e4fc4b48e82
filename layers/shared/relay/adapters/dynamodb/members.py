"""Stores the members table: one item a member, written only if no other invocation has written it in between.

`codec.py` describes a member's item. The rules' item holds `document` (JSON) and `n`, how many times it was written;
the measures' item holds `document` as well, and the daily run alone writes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import ValidationError

from relay.adapters.aws.client import AwsCaller, aws, aws_errors
from relay.adapters.dynamodb.attributes import from_attribute, text_of, to_attribute
from relay.adapters.dynamodb.codec import decode, encode
from relay.adapters.dynamodb.keys import MEASURES, RULES
from relay.adapters.dynamodb.versioned import put_version
from relay.errors import PermanentError, TransientError, UnreadableRulesError
from relay.model.member import Member
from relay.model.messages import Outbox, load
from relay.ports.members import MemberRecord
from relay.rules.measures import Measures
from relay.rules.settings import Rules

_KEYS_PER_CALL: Final = 100
_MAX_READS: Final = 5


@dataclass(frozen=True, slots=True)
class DynamoMembers:
    """The members of one shop (`ports.members.MemberStore`) in a DynamoDB table."""

    table: str
    shop: str
    aws: AwsCaller = field(default_factory=aws)

    def load(self, keys: Iterable[str]) -> tuple[Mapping[str, MemberRecord], Rules]:
        """Return the records by key, an empty one for a new member, and the rules, read together.

        Raises:
            TransientError: the table does not answer, or the stored rules cannot be read.

        """
        wanted = list(dict.fromkeys(keys))
        items = self._read([RULES, MEASURES, *wanted])
        records = {key: self._record(key, items.get(key)) for key in wanted}
        rules = _rules(items.get(RULES))
        return records, rules.model_copy(update={"measures": _measures(items.get(MEASURES))})

    def save(self, record: MemberRecord, outbox: Outbox) -> None:
        """Write the record as its next version, with the outbox.

        Raises:
            ConflictError: the table holds another version than the one that was read.
            PermanentError: `not_storable`, a number or a time beyond what an item holds; or the table refuses it.
            TransientError: the table does not answer.

        """
        try:
            item = encode(record, outbox)
        except ArithmeticError as error:
            # More than 38 digits, or a stamp before 1970: no later try can turn it.
            raise PermanentError("not_storable", type(error).__name__) from None
        put_version(self.aws, self.table, item, read=record.version, what="members table", version="n")

    def rules_document(self) -> str | None:
        """Return the stored rules as they were written, also where they cannot be read; None where none are stored.

        Raises:
            TransientError: the table does not answer.

        """
        document = self._read([RULES]).get(RULES, {}).get("document")
        return None if document is None else str(from_attribute(document))

    def outboxes(self, keys: Iterable[str]) -> Mapping[str, Outbox]:
        """Return the outbox of each member's latest write by key (`ports.OutboxReader`).

        Raises:
            TransientError: the table does not answer.

        """
        found: dict[str, Outbox] = {}
        for key, item in self._read(list(dict.fromkeys(keys))).items():
            written = text_of(item, "o")
            try:
                if written:
                    found[key] = load(Outbox, written)
            except PermanentError:
                continue  # a newer version has written it
        return found

    def store_rules(self, document: str) -> None:
        """Write the rules: a validated JSON document of what differs from the defaults.

        Raises:
            TransientError: the table does not answer.

        """
        with aws_errors("members table"):
            self.aws.call(
                "dynamodb",
                "UpdateItem",
                {
                    "TableName": self.table,
                    "Key": {"pk": to_attribute(RULES)},
                    "UpdateExpression": "SET document = :document ADD n :one",
                    "ExpressionAttributeValues": {
                        ":document": to_attribute(document),
                        ":one": to_attribute(1),
                    },
                },
            )

    def store_measures(self, measures: Measures) -> None:
        """Write the programme's measures: all that is decided from now on goes by them.

        Raises:
            TransientError: the table does not answer.

        """
        item = {"pk": to_attribute(MEASURES), "document": to_attribute(measures.model_dump_json())}
        with aws_errors("members table"):
            self.aws.call("dynamodb", "PutItem", {"TableName": self.table, "Item": item})

    def _record(self, key: str, item: Mapping[str, Any] | None) -> MemberRecord:
        if item is None:
            return MemberRecord(member=Member(shop=self.shop, customer_id=key.rpartition(":")[2]))
        return decode(item)

    def _read(self, keys: list[str]) -> dict[str, Mapping[str, Any]]:
        found: dict[str, Mapping[str, Any]] = {}
        for start in range(0, len(keys), _KEYS_PER_CALL):
            unread = [{"pk": to_attribute(key)} for key in keys[start : start + _KEYS_PER_CALL]]
            for _ in range(_MAX_READS):
                with aws_errors("members table"):
                    reply = self.aws.call(
                        "dynamodb",
                        "BatchGetItem",
                        {"RequestItems": {self.table: {"Keys": unread, "ConsistentRead": True}}},
                    )
                found |= {item["pk"]["S"]: item for item in reply["Responses"].get(self.table, ())}
                unread = reply.get("UnprocessedKeys", {}).get(self.table, {}).get("Keys", [])
                if not unread:
                    break
            else:
                raise TransientError("members table: throttled")
        return found


def _rules(item: Mapping[str, Any] | None) -> Rules:
    if item is None:
        return Rules()
    try:
        return Rules.model_validate_json(from_attribute(item["document"]))
    except (KeyError, TypeError, ValidationError):
        # Never the defaults: where the merchant raised a threshold, every alert below it would be sent.
        raise UnreadableRulesError("the stored rules cannot be read: apply them again") from None


def _measures(item: Mapping[str, Any] | None) -> Measures:
    """Return the measures; none where there is no item, or one that only newer code can read.

    Unlike the rules they are no merchant's word: without them no member stands out, until the next daily run.
    """
    try:
        return Measures.model_validate_json(from_attribute(item["document"])) if item else Measures()
    except (KeyError, TypeError, ValidationError):
        return Measures()
