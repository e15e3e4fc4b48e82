"""Prints what a stack costs in an idle and in a busy month, counted in template.yaml (make cost).

The prices are those of a date (tools/stack_template/costs.py). The last line is RESULT with JSON; the exit code is 1
where an idle month costs more than $4 or a busy shop's fixed cost more than $7.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import Any, Final

from stack_template.costs import PRICED_ON, REGION, Shop, bill
from stack_template.expanded import expanded, source

_SECRETS: Final = {
    "InveterateSecret": "/relay/acme/inveterate",
    "HubSpotSecret": "/relay/acme/hubspot",
    "AlertEmail": "people@example.com",
}
IDLE: Final = Shop(name="idle", parameters={**_SECRETS, "Targets": "hubspot"})
"""A small shop, one CRM and the API's key, without any event."""

BUSY: Final = Shop(
    name="busy",
    parameters={
        **_SECRETS,
        "Targets": "hubspot,klaviyo,salesforce,webhook",
        "KlaviyoSecret": "/relay/acme/klaviyo",
        "SalesforceSecret": "/relay/acme/salesforce",
        "SalesforceUrl": "https://acme.my.salesforce.com",
        "WebhookSecret": "/relay/acme/webhook",
        "WebhookUrl": "https://example.com/hook",
        "SlackSecret": "/relay/acme/slack",
        "PagerDutySecret": "/relay/acme/pagerduty",
        "ReceiverConcurrency": "100",
    },
    events=1_000_000,
)
"""All CRMs and channels, concurrency kept for the receiver, and a million events."""

CAPPED: Final = Shop(
    name="busy, topics capped", parameters={**BUSY.parameters, "TopicConcurrency": "10"}, events=1_000_000
)
"""The same with TopicConcurrency: Lambda then keeps five pollers at every topic's queue."""

ONE_CRM: Final = Shop(name="one CRM", parameters=IDLE.parameters)
EVERYTHING: Final = Shop(
    name="every CRM and channel",
    parameters={name: value for name, value in BUSY.parameters.items() if name != "ReceiverConcurrency"},
)
SIZES: Final = (0, 1_000, 10_000, 100_000, 1_000_000)
"""Events of a month."""

IDLE_AT_MOST: Final = 4.00
BUSY_FIXED_AT_MOST: Final = 7.00


def figures(template: dict[str, Any]) -> dict[str, float]:
    """Return the dollars of a month from an expanded template."""
    result = {}
    for shop in (IDLE, BUSY, CAPPED):
        lines, unaided = bill(template, shop), bill(template, shop, free_tier=False)
        name = shop.name.replace(", ", "_").replace(" ", "_")
        result[f"{name}_fixed"] = sum(line.dollars for line in lines if line.fixed)
        result[f"{name}_total"] = sum(line.dollars for line in lines)
        result[f"{name}_total_without_free_tier"] = sum(line.dollars for line in unaided)
    return {name: round(dollars, 2) for name, dollars in result.items()}


def size_table(template: dict[str, Any]) -> str:
    """Return the dollars of a month by size of the shop, as docs/cost.md has them."""
    lines = [
        "| events a month | one CRM | every CRM and channel | the same without any free tier |",
        "|---:|---:|---:|---:|",
    ]
    for events in SIZES:
        small, large = replace(ONE_CRM, events=events), replace(EVERYTHING, events=events)
        dollars = (_total(template, small), _total(template, large), _total(template, large, free_tier=False))
        lines.append(f"| {events:,} | " + " | ".join(f"${each:.2f}" for each in dollars) + " |")
    return "\n".join(lines)


def _total(template: dict[str, Any], shop: Shop, *, free_tier: bool = True) -> float:
    return sum(line.dollars for line in bill(template, shop, free_tier=free_tier))


def _main() -> int:
    template = expanded(source(), REGION)
    print(f"Dollars a month in {REGION}, at the prices of {PRICED_ON}, with the account's free tier\n")
    for shop in (IDLE, BUSY, CAPPED):
        print(f"{shop.name}: {shop.events:,} events")
        for line in bill(template, shop):
            kind = "fixed" if line.fixed else "by events"
            print(f"  {line.part:32} {line.quantity:>14,.1f} {line.dollars:>8.2f}  {kind}")
        print()
    print(size_table(template), end="\n\n")
    found = figures(template)
    print(f"RESULT {json.dumps(found)}")
    return int(found["idle_total"] > IDLE_AT_MOST or found["busy_fixed"] > BUSY_FIXED_AT_MOST)


if __name__ == "__main__":
    sys.exit(_main())
