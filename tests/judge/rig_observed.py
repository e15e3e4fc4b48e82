"""Reads what a play has left in the account and the CRM, in plain values for the properties."""

from __future__ import annotations

import base64
import json
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from relay.adapters.dynamodb.codec import decode
from relay.model.fields import ValueKind
from relay.model.header import ATTRIBUTE, MessageHeader
from relay.model.member import Member
from relay.rules.crm_profile import CRM_FIELDS, crm_profile
from relay.rules.settings import Rules

from tests.judge.answer import PERSONAL
from tests.judge.messages import LEVELS, Told
from tests.judge.observed import Note, Observed, Profile

if TYPE_CHECKING:
    from tests.judge.rig import World

# The outcome of an alert that ends an incident, by its rule.
ENDS = {
    "dunning.recovered": "recovered",
    "dunning.lost": "lost",
    "dunning.ended": "lost",
    "dunning.rejoined": "rejoined",
}
PREMATURE = "premature_"
# The digest's figures by what the service counts.
COUNTED = {
    "joins": ("joined", "joined_paid"),
    "cancellations": (
        "left_voluntarily",
        "left_involuntarily",
        "left_by_merchant",
        "left_for_unknown_reason",
    ),
    "payments": ("payment",),
    "failed_attempts": ("failed_attempt",),
}


def observe(world: World, log: str) -> Observed:
    """Return the state of the world as the properties read it."""
    tables = world.aws.account.dynamodb.tables
    observed = Observed(world.plan, ids=dict(world.ids), logs=log.splitlines())
    for item in tables["members"].items.values():
        if ":" in item["pk"]["S"]:
            member = decode(item).member
            observed.profiles[member.customer_id] = _profile(
                member, world.rules, ZoneInfo(world.history.zone)
            )
            observed.kept.setdefault(member.customer_id, {})["record"] = str(item)
    for name, place in (("mirrors", "sync state"), ("incidents", "incident")):
        for item in tables[name].items.values():
            member_id = item["key"]["S"].split("#")[-1].split(":")
            for part in set(member_id) & set(observed.kept):
                kept = observed.kept[part]
                kept[place] = kept.get(place, "") + str(item)
    contacts = {key.rpartition(":")[2]: fields for key, fields in world.crm.contacts() if key}
    observed.crm[world.crm.target] = contacts
    observed.told = list(_told(world.mails))
    observed.messages = [str(notification) for notification in world.mails]
    observed.journal = list(_journal(world))
    observed.open_incidents = {
        item["key"]["S"].removeprefix("incident#")
        for item in tables["incidents"].items.values()
        if item.get("open", {}).get("BOOL")
    }
    observed.notes = list(_notes(world))
    observed.kpis = _figures(tables["figures"].items.values())
    observed.premature = _premature(tables["figures"].items.values())
    for found, place in _places(world):
        observed.places.setdefault(found, set()).add(place)
    return observed


def _profile(member: Member, rules: str | None, zone: ZoneInfo) -> Profile:
    """Return the record's fields: as the CRM shows them, but with amounts and moments as the record has them."""
    shown = dict(crm_profile(member, Rules.model_validate_json(rules or "{}"), zone).values)
    for name, field in CRM_FIELDS.items():
        if name in member.registers and not field.choices and field.kind is not ValueKind.DAY:
            shown[name] = member.value(name)
    shown |= {name: member.value(name) for name in PERSONAL if name not in CRM_FIELDS}
    return {name: _plain(value) for name, value in shown.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return value


def _told(notifications: list[Any]) -> Iterator[Told]:
    """Yield what the e-mails told, each end at the level at which people were warned.

    A message marked as a possible repeat counts where it was none: its first sending never left.
    """
    levels: dict[str, int] = {}
    sent = set[str]()
    for notification in notifications:
        alert = notification.alert_message.alert
        level, key = LEVELS.index(alert.level.name.lower()), alert.incident_key
        if notification.kind in {"opened", "escalated"}:
            levels[key] = level
        if notification.kind == "resolved":
            level = max(level, levels.get(key, 0))
        if notification.may_be_repeat and notification.alert_message.id in sent:
            continue
        sent.add(notification.alert_message.id)
        yield from (Told(key, LEVELS[level], outcome) for outcome in _outcomes(notification))


def _outcomes(notification: Any) -> list[str]:
    """Return the outcomes that a message tells; a word in the thread of an incident (a new card, for one) is none."""
    alert, kind = notification.alert_message.alert, notification.kind
    # An end that is told though its beginning was not is a notice.
    if alert.action == "resolve":
        return [ENDS.get(alert.rule, "resolved")]
    said = ["opened"] if kind in {"opened", "escalated"} else []
    if alert.rule == "dunning.failed":
        return [*said, "final"]
    return said or ([] if kind == "updated" else [kind])


def _notes(world: World) -> Iterator[Note]:
    """Yield the timeline's events: those at the merchant's own receiver, else those told to the CRM, each id once."""
    if world.crm.notes is not None:
        for key, name, unique_id in world.crm.notes():
            yield Note(key.rpartition(":")[2], name, unique_id)
        return
    seen = set[Note]()
    for topic in world.aws.account.sns.topics.values():
        for message in topic.published:
            for note in _notes_in(message):
                if note not in seen:
                    seen.add(note)
                    yield note


def _notes_in(message: Mapping[str, Any]) -> Iterator[Note]:
    try:
        change = json.loads(message["Message"])
    except ValueError:
        return
    for event in change.get("events", ()):
        for effect in event["effects"]:
            yield Note(
                change["member"].rpartition(":")[2],
                effect["name"],
                f"{effect.get('key') or event['event_id']} {effect['rule']} {effect['name']}",
            )


def _figures(items: Any) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}

    def add(name: str, value: Decimal) -> None:
        found[name] = found.get(name, Decimal(0)) + value

    for item in items:
        if not item["pk"]["S"].startswith("kpi#"):
            continue
        counted, amount = item["n"]["S"], Decimal(item.get("a", {}).get("S", "0"))
        for name, names in COUNTED.items():
            if counted in names:
                add(name, Decimal(1))
        if counted == "payment" and "c" in item:
            add(f"paid:{item['c']['S']}", amount)
        if counted == "credits_expired":
            add("expired", amount)
    return found


def _premature(items: Any) -> Counter[str]:
    """Return how many pairs were told and denied by a later arrival, by their outcome."""
    counted = (item["n"]["S"] for item in items if item["pk"]["S"].startswith("kpi#"))
    return Counter(name.removeprefix(PREMATURE) for name in counted if name.startswith(PREMATURE))


def _journal(world: World) -> Iterator[str]:
    """Yield the journal's lines; the body of a long one is unpacked."""
    for data in world.aws.account.firehose.streams["journal"]:
        for line in data.splitlines():
            packed = json.loads(line).get("packed")
            yield line.decode() + (zlib.decompress(base64.b64decode(packed)).decode() if packed else "")


def _places(world: World) -> Iterator[tuple[str, str]]:
    """Yield where each event id is: a queue, the dead letters, the journal."""
    for name, queue in world.queues.items():
        for message in queue.messages:
            texts = {key: value["StringValue"] for key, value in message.attributes.items()}
            found = MessageHeader.read(texts).event_id if ATTRIBUTE in texts else None
            if found:
                yield found, "dead" if name == "dead-letters" else "queue"
    for data in world.aws.account.firehose.streams["journal"]:
        for line in data.splitlines():
            yield json.loads(line)["id"], "journal"
