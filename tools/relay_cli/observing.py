"""Look at the stage from outside: what lies in the queues, the journal and the table, what the stand-ins saw."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from relay.topics import FOLDERS, UNCLAIMED

from relay_cli.judging import DEAD, Seen
from relay_cli.nearby import get
from relay_cli.staging import MAILBOX, SHOP, Stage

_GZIP: Final = b"\x1f\x8b"


@dataclass(slots=True)
class Observer:
    """Looks again and again; journal objects never change, so each is read once.

    The console looks through the same one from a thread of its own.
    """

    stage: Stage
    _lines: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def idle(self) -> bool:
        """Tell whether no topic's queue holds anything, and no alert is on its way."""
        queues = self._queues(self.stage.aws.messages())
        return not any(ids for name, ids in queues.items() if name in {*FOLDERS.values(), "alerts"})

    def messages(self) -> list[Any]:
        """Return what Slack took, oldest first."""
        found: list[Any] = self._ask(f"{self.stage.slack}/_standin/messages")["messages"]
        return found

    def mails(self) -> list[str]:
        """Return the texts in the mailbox, each with its subject on the first line."""
        held = self.stage.aws.messages().get(MAILBOX, ())
        return [_mail(str(message["Body"])) for message in held]

    def contacts(self) -> dict[str, Mapping[str, str]]:
        """Return the properties of the CRM's contacts by member key."""
        found = self._ask(f"{self.stage.hubspot}/_standin/contacts")
        return {
            one["properties"].get("membership_key", f"no key: {one['id']}"): one["properties"]
            for one in found
        }

    def reasons(self) -> dict[str, str]:
        """Return why messages were set aside or given up, by event id, as their attributes say."""
        held = self.stage.aws.messages()
        names = (f"{self.stage.stack.name}-{name}" for name in (UNCLAIMED, DEAD))
        kept = [message for name in names for message in held.get(name, ())]
        return {_event_id(message): _attribute(message, "reason") for message in kept}

    def look(self) -> Seen:
        """Return what there is now."""
        held = self.stage.aws.messages()
        queues = self._queues(held)
        contacts = self._ask(f"{self.stage.hubspot}/_standin/contacts")
        messages = self._ask(f"{self.stage.slack}/_standin/messages")["messages"]
        return Seen(
            queues=queues,
            journal=tuple(self._journal()),
            members=frozenset(self._members()),
            contacts={
                contact["properties"].get("membership_key", f"no key: {contact['id']}"): str(contact["id"])
                for contact in contacts
            },
            skipped=self._skipped(),
            # A closing without its opening is not told, and the samples have no opening and closing of one
            # incident_key: every message is an opening.
            openings=len(messages),
            emails=len(held.get(MAILBOX, ())),
        )

    def _queues(self, held: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, tuple[str, ...]]:
        prefix = f"{self.stage.stack.name}-"
        return {
            name.removeprefix(prefix): tuple(_event_id(message) for message in messages)
            for name, messages in held.items()
            if name.startswith(prefix) and name != MAILBOX
        }

    def _journal(self) -> list[dict[str, Any]]:
        s3, bucket = self.stage.aws.client("s3"), self.stage.stack.outputs["JournalBucket"]
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
        """Return why members are not in the CRM, as the mirrors table has it."""
        skipped = {}
        for item in self._scan("MirrorsTable"):
            if item.get("state", {}).get("S") == "skipped":
                skipped[item["key"]["S"].split("#", 2)[2]] = item.get("reason", {}).get("S", "")
        return skipped

    def _scan(self, table: str, *names: str) -> list[dict[str, Any]]:
        wanted = {"ProjectionExpression": ",".join(names)} if names else {}
        pages = self.stage.aws.client("dynamodb").get_paginator("scan")
        found = pages.paginate(TableName=self.stage.stack.outputs[table], ConsistentRead=True, **wanted)
        return [item for page in found for item in page["Items"]]

    def _ask(self, url: str) -> Any:
        return get(url).raise_for_status().json()


def _event_id(message: Mapping[str, Any]) -> str:
    """Return the event that a queue's message carries; empty for one that carries none by that name."""
    return _attribute(message, "event_id")


def _mail(body: str) -> str:
    """Return an e-mail as its reader has it: SNS wraps it in an envelope."""
    try:
        envelope = json.loads(body)
        return f"{envelope['Subject']}\n{envelope['Message']}"
    except (ValueError, KeyError, TypeError):
        return body


def _attribute(message: Mapping[str, Any], name: str) -> str:
    attribute = message["MessageAttributes"].get(name, {})
    return str(attribute.get("StringValue") or attribute.get("string_value") or "")
