"""What several tests of the template need: the queues of the functions, and the CRMs that there are."""

from __future__ import annotations

from typing import Any

from relay.topics import FOLDERS

from tests.support.template_data import (
    FUNCTIONS,
)

POLL = {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}
LOG = {("logs:CreateLogStream", "Logs.Arn"), ("logs:PutLogEvents", "Logs.Arn")}
TARGETS = {
    "HubSpot": ("URL", "SECRET", "VERSION", "EVENTS"),
    "Klaviyo": ("URL", "SECRET", "REVISION", "SET_EXTERNAL_ID", "COMPAT_NAMES"),
    "Salesforce": ("URL", "SECRET", "OBJECT", "VERSION", "ALLOW_DUPLICATES"),
    "Webhook": ("URL", "SECRET"),
}
"""The CRMs, by the prefix of their resources, with the settings of their own."""

CONSUMERS = {folder: folder.replace("_", " ").title().replace(" ", "") for folder in FOLDERS.values()}


def queue_events(function: str) -> list[dict[str, Any]]:
    """Return the queues that a function reads, with how."""
    events = FUNCTIONS[function].get("Events", {}).values()
    return [event["Properties"] for event in events if event["Type"] == "SQS"]


def settled(queue: str) -> set[tuple[str, str]]:
    """Return what a function may do that reads this queue, puts messages off and gives them up."""
    own = {f"sqs:{call}" for call in ("SendMessage", "SendMessageBatch", "DeleteMessageBatch")} | POLL
    dead = {(f"sqs:{call}", "DeadLetters.Arn") for call in ("SendMessage", "SendMessageBatch")}
    return {(action, queue) for action in own} | dead
