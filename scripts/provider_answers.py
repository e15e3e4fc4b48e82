"""Makes the page of what each provider's answer blames, from the tables that the adapters read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from relay.adapters.channels.faults import PAGERDUTY, SLACK, SLACK_HOOK
from relay.adapters.fault_table import Fault, FaultTable
from relay.adapters.hubspot.faults import FAULTS as HUBSPOT
from relay.adapters.klaviyo.faults import FAULTS as KLAVIYO
from relay.adapters.salesforce.faults import FAULTS as SALESFORCE
from relay.adapters.webhook.faults import FAULTS as WEBHOOK

HEAD: Final = """# What a provider's answer blames

This page is written by `scripts/targets` from the tables that the adapters read: change those, not this page. Each row has
a test, and the page that says so.

| it blames | what follows at a CRM | what follows at a channel |
|---|---|---|
| not now | the message is deferred; `Retry-After` is obeyed, in seconds or as a date, up to a day | the same |
| waits | the member waits, by name: tried again after 15 minutes, an hour, four hours, then daily, for two weeks | |
| this member | refused, by name, until the member changes or `relay mirror retry` | this message alone: a dead letter with its reason |
| a setting | no call is made until the parameter of that name is corrected: the alarm `misconfigured` | the same |
| the definition | Relay defines what is missing, or members wait; none is at fault | the earlier thread: the message is posted anew to the channel that is set |

An answer that is in no table makes a member wait, and a message come again: nothing is refused for ever because of an answer
that is not known. At a CRM, an answer without the provider's own body (a page of Cloudflare, of a maintenance, a redirect) is "not now",
but for the statuses 401 and 410.
"""

NOTES: Final = {
    "HubSpot": "A code counts as the member's own only where it names the member's address. An error of a batch that names no "
    "member is that of the one which is in no other part of the answer.",
    "Klaviyo": "A search that is refused for a member's address is repeated with one that is certainly valid: refused as well, "
    "members wait (`search_refused`). A name that is refused is left out.",
    "Salesforce": "A code counts as the member's own only where it names no field, or the member's address: Relay keeps to its own "
    "definitions, so a field that takes less was made narrower. A refusal of names or phone alone: the record is "
    "written without them. A 404 means the version; an object that is not there is told as `invalid_type`. An unknown "
    "code at the sign-in is not now, unless its status is 401 or 403.",
    "Signed webhook": "The receiver is your own: its answer counts whatever its body is. A 500 is this member's until there are "
    "three in a row. Any other 4xx makes the member wait, any other status is not now.",
    "Slack, with a bot": "By the `error` of an answer `ok: false`. In an earlier thread, a code that blames the thread, its channel or is "
    "not known makes the message a new one in the channel that is set. A status of 429 or 5xx is not now.",
    "Slack, with an incoming webhook": "By the words of the answer, else its status; beside these rows, those of the bot count.",
    "PagerDuty": "By what a 400 says, else by the status. A status of 5xx, or one without a row such as 402, is not now.",
}

_TABLES: Final[dict[str, tuple[FaultTable, str]]] = {
    "HubSpot": (HUBSPOT, "HubSpotSecret"),
    "Klaviyo": (KLAVIYO, "KlaviyoSecret"),
    "Salesforce": (SALESFORCE, "SalesforceSecret"),
    "Signed webhook": (WEBHOOK, "WebhookSecret"),
    "Slack, with a bot": (SLACK, "SlackSecret"),
    "Slack, with an incoming webhook": (
        {code: fault for code, fault in SLACK_HOOK.items() if SLACK.get(code) != fault},
        "SlackSecret",
    ),
    "PagerDuty": (PAGERDUTY, "PagerDutySecret"),
}


def answers_page() -> str:
    """Return the page."""
    return "\n".join([HEAD, *(part for name in _TABLES for part in _section(name))])


def _section(name: str) -> Iterator[str]:
    table, credential = _TABLES[name]
    yield f"## {name}\n"
    yield f"{NOTES[name]}\n"
    yield "| answer | blames | source |"
    yield "|---|---|---|"
    for code, fault in table.items():
        yield f"| {_answer(code)} | {_blames(fault, credential)} | {_source(fault.source)} |"
    yield ""


def _answer(code: str) -> str:
    if code == "edge":
        return "a page that is not the provider's, a status of 5xx"
    return f"status {code.removeprefix('http_')}" if code.startswith("http_") else f"`{code}`"


def _blames(fault: Fault, credential: str) -> str:
    match fault.blames:
        case "later":
            return f"not now; {fault.wait:g} s where it names no time" if fault.wait else "not now"
        case "waits":
            return "waits"
        case "member":
            return "this member" if credential.startswith(("Hub", "Kla", "Sal", "Web")) else "this message"
        case "setting":
            return f"`{fault.setting or credential}`"
        case _:
            return "the definition" if credential.startswith(("Hub", "Sal")) else "the earlier thread"


def _source(source: str) -> str:
    return f"<{source}>" if source.startswith("https://") else source
