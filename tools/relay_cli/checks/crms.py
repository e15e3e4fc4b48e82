"""Checks of the CRMs: credentials, definitions, the circuit breaker, and the version of each API that the stack calls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

from relay_cli.checks.account import NOTICE
from relay_cli.checks.line import CheckLine, failed, ok
from relay_cli.stack import Stack

if TYPE_CHECKING:
    from relay_cli.commands.mirror.target import Target

HUBSPOT_ENDS: Final[Mapping[str, date]] = {
    "v3": date(2027, 9, 30),
    "2026-03": date(2027, 9, 30),
    "2026-09": date(2028, 3, 31),
}
"""A dated version of HubSpot's API is supported for 18 months; v3 ends with the first."""

KLAVIYO_LASTS: Final = timedelta(days=730)
"""Klaviyo answers a revision for two years from its date."""

_VERSIONS: Final[Mapping[str, str]] = {
    "hubspot": "HubSpotVersion",
    "klaviyo": "KlaviyoRevision",
    "salesforce": "SalesforceVersion",
}


def targets_of(parameters: Mapping[str, str]) -> list[str]:
    """Return the targets of a stack."""
    return [name.strip() for name in parameters.get("Targets", "").split(",") if name.strip()]


def check_crm(stack: Stack, name: str) -> Iterator[CheckLine]:
    """Yield whether a CRM takes the credentials, has the definitions, and is being called."""
    from relay_cli.commands.mirror.target import Target

    target = Target(stack, name)
    target.load_settings()
    try:
        yield from crm_lines(target)
    finally:
        target.services.close()


def crm_lines(target: Target) -> Iterator[CheckLine]:
    """Yield the lines for one target. Without valid credentials nothing is said of the definitions."""
    from relay.errors import MisconfiguredError

    name = target.name
    try:
        target.crm.check()
        lacking = list(target.crm.ensure_schema(dry_run=True))
    except MisconfiguredError as error:
        yield CheckLine(
            name,
            "bad",
            f"{name} refuses: {error}",
            f"docs/{name}.md says what the credentials need; store new ones in the secret",
        )
    except Exception as error:  # noqa: BLE001 - as in `Check.lines`: the circuit is looked at all the same
        yield failed(name, error)
    else:
        yield _schema_line(name, lacking)
    yield from circuit_lines(target)


def _schema_line(name: str, lacking: list[str]) -> CheckLine:
    if lacking:
        shown = ", ".join(lacking[:3]) + (" …" if len(lacking) > 3 else "")  # noqa: PLR2004 - as many as are shown
        return CheckLine(
            name, "bad", f"lacks {len(lacking)} definitions ({shown})", f"`relay mirror prepare {name}`"
        )
    if name == "webhook":
        return ok(name, "is tried by the next message: an endpoint may not take a test for an event")
    return ok(name, "takes the credentials; fields and events are defined")


def circuit_lines(target: Target) -> Iterator[CheckLine]:
    """Yield a line where the circuit breaker keeps the CRM from being called."""
    from relay_cli.commands.mirror.target import REMOVED

    record = target.circuits.load()
    if record.until is None:
        return
    if record.reason == REMOVED:
        yield CheckLine(
            f"{target.name} circuit",
            "warning",
            "the mirror was removed by hand, and the target is still deployed",
            f"take {target.name} out of Targets, or begin again: `relay mirror fill {target.name}`",
        )
        return
    yield CheckLine(
        f"{target.name} circuit",
        "warning",
        f"{record.state.replace('_', ' ')} until {record.until:%Y-%m-%d %H:%M} UTC: {record.reason}",
        "changes wait in the queue and are sent when it closes",
    )


def version_lines(parameters: Mapping[str, str], today: date) -> Iterator[CheckLine]:
    """Yield a line for the API version of each CRM that has one."""
    for name in targets_of(parameters):
        if parameter := _VERSIONS.get(name):
            yield _version_line(name, parameter, parameters.get(parameter, ""), today)


def _version_line(name: str, parameter: str, version: str, today: date) -> CheckLine:
    ends = _end_of(name, version)
    if ends is None:
        # Salesforce retires versions years after it announces them, and answers with an error then: `check` sees that.
        return ok(f"{name} API", f"{version}; no end is announced")
    if ends - today > NOTICE:
        return ok(f"{name} API", f"{version}, answered until {ends}")
    return CheckLine(
        f"{name} API",
        "bad" if ends < today else "warning",
        f"{version} {'has ended' if ends < today else 'ends'} on {ends}",
        f"deploy with a newer {parameter}",
    )


def _end_of(name: str, version: str) -> date | None:
    if name == "hubspot":
        return HUBSPOT_ENDS.get(version)
    if name == "klaviyo":
        try:
            return date.fromisoformat(version) + KLAVIYO_LASTS
        except ValueError:
            return None
    return None
