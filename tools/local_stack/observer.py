"""Observe a local run from outside: the queues, the journal, the tables, and what HubSpot and Slack received."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from relay.model.header import MessageHeader
from relay.topics import FOLDERS

from local_stack.environment import MAILBOX, SHOP, LocalEnvironment
from local_stack.local_http import get
from local_stack.observation import DEAD_LETTERS, UNCLAIMED, Observation

_GZIP: Final = b"\x1f\x8b"


@dataclass(slots=True)
class Observer:
    """Observes one environment any number of times. Each journal object is read once, since none ever changes.

    The console's thread uses the same observer as the run's.
    """

    environment: LocalEnvironment
    _lines: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def idle(self) -> bool:
        """Return whether all topic queues and the alerts queue are empty."""
        queues = self._event_ids(self.environment.aws.messages())
        return not any(ids for name, ids in queues.items() if name in {*FOLDERS.values(), "alerts"})

    def slack_messages(self) -> list[Any]:
        """Return the messages that Slack accepted, oldest first."""
        messages: list[Any] = self._get(f"{self.environment.slack}/_standin/messages")["messages"]
        return messages

    def emails(self) -> list[str]:
        """Return the e-mails' texts, each with its subject on the first line."""
        queued = self.environment.aws.messages().get(MAILBOX, ())
        return [_email_text(str(message["Body"])) for message in queued]

    def contacts(self) -> dict[str, Mapping[str, str]]:
        """Return the properties of the CRM's contacts by member key."""
        contacts = self._get(f"{self.environment.hubspot}/_standin/contacts")
        return {_member_key(contact): contact["properties"] for contact in contacts}

    def reasons(self) -> dict[str, str]:
        """Return by event id why a message is in `unclaimed` or the dead letters, as its header says."""
        by_queue = self.environment.aws.messages()
        names = (f"{self.environment.stack.name}-{name}" for name in (UNCLAIMED, DEAD_LETTERS))
        messages = [message for name in names for message in by_queue.get(name, ())]
        return {_event_id(message): _header(message).reason or "" for message in messages}

    def observe(self) -> Observation:
        """Return the present state."""
        by_queue = self.environment.aws.messages()
        queues = self._event_ids(by_queue)
        contacts = self._get(f"{self.environment.hubspot}/_standin/contacts")
        return Observation(
            queues=queues,
            journal=tuple(self._journal()),
            members=frozenset(self._members()),
            contacts={_member_key(contact): str(contact["id"]) for contact in contacts},
            skipped=self._skipped(),
            # No incident of the samples is both opened and resolved in Slack, so every message opens one.
            openings=len(self.slack_messages()),
            emails=len(by_queue.get(MAILBOX, ())),
        )

    def _event_ids(self, by_queue: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, tuple[str, ...]]:
        prefix = f"{self.environment.stack.name}-"
        return {
            name.removeprefix(prefix): tuple(_event_id(message) for message in messages)
            for name, messages in by_queue.items()
            if name.startswith(prefix) and name != MAILBOX
        }

    def _journal(self) -> list[dict[str, Any]]:
        s3 = self.environment.aws.client("s3")
        bucket = self.environment.stack.outputs["JournalBucket"]
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="journal/"):
            for entry in page.get("Contents", ()):
                key = entry["Key"]
                if key not in self._lines:
                    data = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
                    text = gzip.decompress(data) if data.startswith(_GZIP) else data
                    self._lines[key] = [json.loads(line) for line in text.splitlines()]
        return [line for lines in list(self._lines.values()) for line in lines]

    def _members(self) -> list[str]:
        items = self._scan("MembersTable", "pk")
        return [item["pk"]["S"] for item in items if item["pk"]["S"].startswith(f"{SHOP}:")]

    def _skipped(self) -> dict[str, str]:
        """Return by member key why a member has no contact, as the mirrors table says."""
        skipped = {}
        for item in self._scan("MirrorsTable"):
            if item.get("state", {}).get("S") == "skipped":
                skipped[item["key"]["S"].partition("#")[2]] = item.get("reason", {}).get("S", "")
        return skipped

    def _scan(self, table: str, *attributes: str) -> list[dict[str, Any]]:
        projection = {"ProjectionExpression": ",".join(attributes)} if attributes else {}
        name = self.environment.stack.outputs[table]
        pages = self.environment.aws.client("dynamodb").get_paginator("scan")
        return [
            item
            for page in pages.paginate(TableName=name, ConsistentRead=True, **projection)
            for item in page["Items"]
        ]

    def _get(self, url: str) -> Any:
        return get(url).raise_for_status().json()


def _member_key(contact: Mapping[str, Any]) -> str:
    key: str = contact["properties"].get("membership_key", f"no key: {contact['id']}")
    return key


def _event_id(message: Mapping[str, Any]) -> str:
    """Return the id of the event in a queue's message; empty where it has none."""
    return _header(message).event_id or ""


def _email_text(body: str) -> str:
    """Return an e-mail's subject and text from the envelope that SNS sends to a queue."""
    try:
        envelope = json.loads(body)
        return f"{envelope['Subject']}\n{envelope['Message']}"
    except (ValueError, KeyError, TypeError):
        return body


def _header(message: Mapping[str, Any]) -> MessageHeader:
    texts = {
        name: str(value.get("StringValue") or value.get("string_value") or "")
        for name, value in message["MessageAttributes"].items()
    }
    return MessageHeader.read(texts)
