"""`relay privacy`: show how far an erasure is, for one member or for the whole journal, or make the weekly pass now."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from relay_cli import letters
from relay_cli.commands.erase import customer_id
from relay_cli.errors import ATTENTION, DONE, UsageError
from relay_cli.help import describe
from relay_cli.output import progress, show
from relay_cli.stack import Stack

if TYPE_CHECKING:
    from relay.recovery.erasure_pass import ErasurePass, PassState

_NOTHING: Final = "nothing is outstanding: no member was ever erased; the clock makes the first pass over the journal by night"
_OUTSTANDING: Final = """\
members are erased, and there was no pass over the journal yet
  the clock makes the first one by night; `relay privacy --sweep` makes it now"""
_AT_A_TIME: Final = timedelta(seconds=20)


def configure(parser: argparse.ArgumentParser) -> None:
    """Define the arguments."""
    describe(
        parser,
        "relay privacy",
        "relay privacy 7733540520067",
        "relay privacy --sweep",
        notes="Once a week, by night, the clock takes what the journal says of erased members out of it. --sweep does so at\n"
        "once, and goes on where a pass has stopped. Exit code 3: the journal may still say something of an erased member,\n"
        "or the one that is named is not erased.",
    )
    parser.add_argument("customer", nargs="?", metavar="CUSTOMER", type=customer_id, help="one erased member")
    parser.add_argument("--sweep", action="store_true", help="make the pass over the journal now")


def main(arguments: argparse.Namespace, open_stack: Callable[[argparse.Namespace], Stack] = Stack.of) -> int:
    """Show the state, or make the pass; return the exit code."""
    if arguments.customer and arguments.sweep:
        raise UsageError("a pass is over all erased members", "name no customer with --sweep")
    stack = open_stack(arguments)
    the_pass = _pass(stack)
    state = _sweep(the_pass) if arguments.sweep else the_pass.load()
    if arguments.customer:
        return _show_member(stack, state, arguments)
    outstanding = None if state.begun else _first_pass_outstanding(the_pass)
    clear = state.phase == "done" and not outstanding
    value = {
        "clear": clear,
        "phase": state.phase,
        "begun": state.begun or None,
        "ended": state.ended or None,
        "erased_members": len(state.erased),
        "files_rewritten": state.files,
        "lines_changed": state.lines,
    }
    if outstanding is not None:
        show(arguments, value, _OUTSTANDING if outstanding else _NOTHING)
    else:
        rows = [(name, one) for name, one in value.items() if name != "clear"]
        text = [f"{name.replace('_', ' ')}: {'-' if one is None else one}" for name, one in rows]
        show(arguments, value, "\n".join(text))
    return DONE if clear else ATTENTION


def _first_pass_outstanding(the_pass: ErasurePass) -> bool:
    """Return whether a member was erased before there was any pass; one that cannot be read may be."""
    cursor = None
    while True:
        page = the_pass.member_scan.page(cursor)
        if page.unreadable or any(member.moment("erased_at") for member in page.items):
            return True
        cursor = page.cursor
        if not cursor:
            return False


def _pass(stack: Stack) -> ErasurePass:
    from relay.adapters.aws.s3 import S3Journal
    from relay.adapters.dynamodb.scans import DynamoMemberScan
    from relay.recovery.erasure_pass import ErasurePass

    return ErasurePass(
        archive=S3Journal(stack.output("JournalBucket"), stack.aws()),
        member_scan=DynamoMemberScan(
            stack.output("MembersTable"), stack.parameters["ShopDomain"], stack.aws()
        ),
        journal_days=int(stack.parameters.get("JournalDays", 365)),
    )


def _sweep(the_pass: ErasurePass) -> PassState:
    at_once = True
    with progress("reading the journal") as step:
        while True:
            has_time = partial(_is_before, letters.now() + _AT_A_TIME)
            state = the_pass.advance(letters.now(), has_time, at_once=at_once)
            at_once = False
            step(state.files, note=state.cursor)
            if state.phase == "done":
                return state


def _is_before(moment: datetime) -> bool:
    return letters.now() < moment


def _show_member(stack: Stack, state: PassState, arguments: argparse.Namespace) -> int:
    from relay.adapters.dynamodb.members import DynamoMembers
    from relay.model.erasure import PERSONAL
    from relay.model.member import member_key
    from relay.recovery.erasure_pass import erased_since, is_pending

    shop = stack.parameters["ShopDomain"]
    key = member_key(shop, arguments.customer)
    record = DynamoMembers(stack.output("MembersTable"), shop, stack.aws()).load([key])[0][key]
    member = record.member
    erased_at = erased_since(member)
    waits = erased_at is not None and is_pending(state, arguments.customer, erased_at)
    value: dict[str, Any] = {
        "member": key,
        "known": record.version > 0,
        "erased": member.is_erased,
        "erased_at": erased_at,
        "personal_fields": [name for name in PERSONAL if member.value(name) is not None],
        "journal": "the next pass takes it out" if waits else "done" if erased_at else "-",
        "pass_ended": state.ended or None,
    }
    lines = [f"{name.replace('_', ' ')}: {_shown(one)}" for name, one in value.items()]
    lines.append(
        f"dead letters: not looked at here; `relay dead-letters list --customer {arguments.customer}` shows the member's"
    )
    if not record.version:
        lines.append("Relay has not heard of this customer id: look at the id")
    show(arguments, value, "\n".join(lines))
    return DONE if member.is_erased and not waits else ATTENTION


def _shown(value: object) -> str:
    """Return one value of the state for a person."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(value) or "none"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S} UTC"
    return "-" if value is None else str(value)
