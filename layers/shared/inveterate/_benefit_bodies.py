"""Benefits to and from the wire: the type in the path decides what is read, and travels in the body."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from pydantic import BaseModel

from inveterate._ids import BenefitType
from inveterate._replies import Envelope, record, the_record
from inveterate._tolerant import Part, wire
from inveterate.models.benefits import Benefit, EarlyAccessCampaign, benefit_class, read_benefit

_CAMPAIGN_TIME: Final = "%Y-%m-%d %H:%M:%S +00:00"


def benefit_reader(benefit_type: BenefitType) -> Callable[[Envelope], Benefit]:
    """Return a reader of one benefit of this type."""
    wanted = str(BenefitType(benefit_type))
    return lambda envelope: record(
        lambda data: read_benefit(data, wanted), the_record(envelope, ("benefit",)), "data"
    )


def benefit_body(benefit_type: BenefitType, benefit: Benefit | Mapping[str, object]) -> dict[str, object]:
    """Return the body that changes a benefit: what came from the platform unchanged, and what was changed."""
    wanted = str(BenefitType(benefit_type))
    if isinstance(benefit, BaseModel):
        body = {**benefit.raw, **_changes(benefit)}
        kind = type(benefit)
    else:
        body = dict(benefit)
        kind = benefit_class(wanted, body)
    # The documented body of an early-access campaign is the only one without a type.
    if kind is not EarlyAccessCampaign or "type" in body:
        body["type"] = wanted
    return body


def _changes(benefit: Benefit) -> dict[str, object]:
    """Return the fields, by their names on the wire, in which a record differs from what was read."""
    before = wire(type(benefit).of(benefit.raw)) if benefit.raw else {}
    nothing = object()
    return {
        name: _written(value) for name, value in wire(benefit).items() if value != before.get(name, nothing)
    }


def _written(value: object) -> object:
    if isinstance(value, datetime):
        return value.strftime(_CAMPAIGN_TIME)
    return wire(value) if isinstance(value, Part) else value
