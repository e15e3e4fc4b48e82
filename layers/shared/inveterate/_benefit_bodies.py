"""Reads and writes benefits: the type in the path decides the class, and is sent in the body."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from pydantic import BaseModel

from inveterate._ids import BenefitType
from inveterate._replies import Envelope, find_record, read_record
from inveterate._wire_model import WireModel, to_wire
from inveterate.models.benefits import Benefit, EarlyAccessCampaign, benefit_class, read_benefit

_CAMPAIGN_TIME: Final = "%Y-%m-%d %H:%M:%S +00:00"


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
        body = dict(benefit)
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
        return value.strftime(_CAMPAIGN_TIME)
    return to_wire(value) if isinstance(value, WireModel) else value
