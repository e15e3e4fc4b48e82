"""`relay tiers`: the tiers of the programme as Inveterate has them, beside what the rules say of each."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from relay_cli.errors import ATTENTION, DONE
from relay_cli.help import describe
from relay_cli.output import show, table
from relay_cli.platform import api_key, client_for
from relay_cli.stack import Stack

if TYPE_CHECKING:
    from inveterate import Tier
    from relay.rules.settings import TierSetting

NO_SETTING: Final = "has no settings"
NOT_IN_PROGRAMME: Final = "is set, and the programme has no such tier"
_NOTES: Final = """\
The settings are those under `tiers` in the rules; a tier goes by its id, since names repeat and change. The
exit code is 3 where the rules name a tier that the programme does not have. The API key is read from
INVETERATE_API_KEY, else from the secret that the stack's parameter InveterateSecret names."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Define the arguments."""
    describe(parser, "relay tiers --stack relay-acme", notes=_NOTES)


def main(arguments: argparse.Namespace, open_stack: Callable[[argparse.Namespace], Stack] = Stack.of) -> int:
    """Print the tiers; return the exit code.

    With `--json`: a list of objects with `id`, `name`, `setting` (an object, or null) and `remark`.
    """
    from relay.adapters.dynamodb.members import DynamoMembers

    stack = open_stack(arguments)
    with client_for(stack, api_key(stack)) as client:
        listed = list(client.tiers.list())
    table_name = stack.output("MembersTable")
    _, rules = DynamoMembers(table_name, shop="", aws=stack.aws()).load([])
    rows = tier_rows(listed, rules.tiers)
    show(arguments, rows, _as_text(rows))
    return ATTENTION if any(row["remark"] == NOT_IN_PROGRAMME for row in rows) else DONE


def tier_rows(tiers: Iterable[Tier], settings: Mapping[str, TierSetting]) -> list[dict[str, Any]]:
    """Return the programme's tiers with their settings, then the settings that belong to none of them."""
    rows: list[dict[str, Any]] = []
    for tier in tiers:
        setting = settings.get(tier.tier_id or "")
        rows.append(_row(tier.tier_id, tier.name, setting, "" if setting else NO_SETTING))
    known = {row["id"] for row in rows}
    rows += [
        _row(tier_id, setting.name or None, setting, NOT_IN_PROGRAMME)
        for tier_id, setting in settings.items()
        if tier_id not in known
    ]
    return rows


def _row(tier_id: str | None, name: str | None, setting: TierSetting | None, remark: str) -> dict[str, Any]:
    shown = setting.model_dump(mode="json", exclude_none=True) if setting else None
    return {"id": tier_id, "name": name, "setting": shown, "remark": remark}


def _as_text(rows: Iterable[Mapping[str, Any]]) -> str:
    cells = []
    for row in rows:
        setting = row["setting"] or {}
        cells.append(
            (
                row["id"] or "-",
                row["name"] or "-",
                *(
                    setting.get(name, "-")
                    for name in ("rank", "annual_fee", "billing_interval", "billing_attempts")
                ),
                row["remark"],
            )
        )
    headings = ("id", "name", "rank", "annual fee", "interval", "attempts", "")
    return table(headings, cells, empty="the programme has no tiers")
