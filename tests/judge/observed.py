"""What a play of a history has left: records, CRMs, messages, figures, queues, journal and log lines.

A rig fills it in plain values, so that the properties know nothing of the service that was played.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tests.judge.adversary import Plan
from tests.judge.messages import Told

Profile = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Note:
    """One event in a CRM's timeline: the member, the metric's name, and the id that the CRM knows it by."""

    member: str
    name: str
    unique_id: str


@dataclass(slots=True)
class Observed:
    """The state after a play has come to rest.

    `profiles` and `crm` hold the fields by canonical name (crm.md part 6). `told` is in the order of sending, without
    what is marked as a possible repeat. `ids` is the id that the receiver gave each (event, number of delivery);
    `places` says where that id is at the end: `queue`, `dead`, `journal`. `kept` is the text of all that is stored
    about a member, by place. `journal` has its lines, unpacked, and `messages` the text of what people are sent. `groups` numbers, for each
    arrival of the plan, those that were in the queues together, where the order between topics is not fixed. `premature` counts pairs that were told and denied by a later arrival.
    """

    plan: Plan
    profiles: dict[str, Profile] = field(default_factory=dict)
    crm: dict[str, dict[str, Profile]] = field(default_factory=dict)
    told: list[Told] = field(default_factory=list)
    open_incidents: set[str] = field(default_factory=set)
    notes: list[Note] = field(default_factory=list)
    kpis: dict[str, Decimal] | None = None
    ids: dict[tuple[str, int], str] = field(default_factory=dict)
    places: dict[str, set[str]] = field(default_factory=dict)
    kept: dict[str, dict[str, str]] = field(default_factory=dict)
    logs: list[str] = field(default_factory=list)
    journal: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    groups: list[int] = field(default_factory=list)
    premature: Counter[str] = field(default_factory=Counter)
