"""Reads and writes benefits: the type in the path decides the class, and is sent in the body."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from pydantic import BaseModel

from inveterate._ids import BenefitType
from inveterate._replies import Envelope, find_record, read_record
from inveterate._wire_model import WireModel, to_wire
from inveterate.models.benefits import Benefit, EarlyAccessCampaign, benefit_class, read_benefit


def benefit_reader(benefit_type: BenefitType) -> Callable[[Envelope], Benefit]:
    """Return a reader of one benefit of this type."""
    wanted_type = str(BenefitType(benefit_type))
    return lambda envelope: read_record(
        lambda data: read_benefit(data, wanted_type), find_record(envelope, ("benefit",)), "data"
    )


def benefit_body(benefit_type: BenefitType, benefit: Benefit | Mapping[str, object]) -> dict[str, object]:
    """Return the body of a benefit's update: unchanged fields as the platform sent them, and the changed ones."""
    wanted_type = str(BenefitType(benefit_type))
    if isinstance(benefit, BaseModel):
        body = {**benefit.raw, **_changes(benefit)}
        kind = type(benefit)
    else:
        body = {name: _to_wire_value(value) for name, value in benefit.items()}
        kind = benefit_class(wanted_type, body)
    # The documented body of an early-access campaign is the only one without a type.
    if kind is not EarlyAccessCampaign or "type" in body:
        body["type"] = wanted_type
    return body


def _changes(benefit: Benefit) -> dict[str, object]:
    """Return the fields, by their names on the wire, that differ from the record as it was read."""
    before = to_wire(type(benefit).of(benefit.raw)) if benefit.raw else {}
    missing = object()
    return {
        name: _to_wire_value(value)
        for name, value in to_wire(benefit).items()
        if value != before.get(name, missing)
    }


def _to_wire_value(value: object) -> object:
    if isinstance(value, datetime):
        return campaign_time(value)
    return to_wire(value) if isinstance(value, WireModel) else value


def campaign_time(moment: datetime) -> str:
    """Return a time in the notation of campaigns, with its own offset: `2025-06-30 02:30:00 +02:00`.

    Raises:
        ValueError: when it is naive: its offset is not known.

    """
    if moment.utcoffset() is None:
        raise ValueError("a time without an offset: pass an aware datetime")
    offset = moment.strftime("%z")
    return f"{moment:%Y-%m-%d %H:%M:%S} {offset[:3]}:{offset[3:5]}"
