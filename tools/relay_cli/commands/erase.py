"""`relay erase CUSTOMER`: drop a member's personal data from Relay's record at once, or lift an erasure."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from relay_cli.errors import CliError
from relay_cli.help import describe
from relay_cli.letters import journal_of, now, operator
from relay_cli.output import show
from relay_cli.prompts import confirm
from relay_cli.stack import Stack

if TYPE_CHECKING:
    from relay.model.facts import Facts
    from relay.model.member import Member
    from relay.ports.members import MemberRecord

TOPIC: Final = "relay.erase"
"""The topic under which the journal keeps the command."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Define the arguments."""
    describe(
        parser,
        "relay erase 7733540520067",
        "relay erase 7733540520067 --undo",
        notes="It drops e-mail address, names and phone number from the record, takes none until the member joins\n"
        "again, and sends the change to every CRM. It does not ask the API: Inveterate keeps its own data.\n"
        "`--undo` lets the record take personal data again; what was dropped comes back when it is told again.",
    )
    parser.add_argument(
        "customer",
        metavar="CUSTOMER",
        type=customer_id,
        help="Shopify customer id of the member: digits, or gid://shopify/Customer/…",
    )
    parser.add_argument("--undo", action="store_true", help="lift an erasure")
    parser.add_argument(
        "--yes", action="store_true", help="do not ask about an id that Relay has not heard of"
    )


def customer_id(text: str) -> str:
    """Return the customer id that a text names.

    Raises:
        ArgumentTypeError: it names none.

    """
    from inveterate import CustomerId

    try:
        return CustomerId(text)
    except ValueError:
        raise argparse.ArgumentTypeError("not a Shopify customer id: digits alone") from None


def main(arguments: argparse.Namespace, stack_of: Callable[[argparse.Namespace], Stack] = Stack.of) -> int:
    """Erase the member, or lift the erasure; return the exit code."""
    stack, at = stack_of(arguments), now()
    before, after = _change(stack, arguments.customer, at, undo=arguments.undo, sure=arguments.yes)
    result = {
        "member": after.key,
        "known": before.version > 0,
        "erased": after.is_erased,
        "was_erased": before.member.is_erased,
        "dropped": sorted(name for name, value in _personal(before.member).items() if value is not None),
        "at": at,
    }
    show(arguments, result, "\n".join(_sentences(result)))
    return 0


def _change(
    stack: Stack, customer: str, at: datetime, *, undo: bool, sure: bool
) -> tuple[MemberRecord, Member]:
    """Journal the command, then write the record; return the record before it and the member after it.

    In this order: what changed a record is then surely in the journal, whatever ends the command in between.

    Raises:
        CliError: the journal or the table does not take it.
        DeclinedError: Relay has not heard of this id, and no person has confirmed it.

    """
    from relay.adapters.dynamodb.members import DynamoMembers
    from relay.errors import TransientError
    from relay.ingest.reducer import differs
    from relay.model import journal
    from relay.model.member import member_key, merge
    from relay.model.messages import Outbox
    from relay.ports.optimistic import retry_conflicts

    shop = stack.parameters["ShopDomain"]
    members = DynamoMembers(stack.output("MembersTable"), shop, stack.aws())
    key = member_key(shop, customer)
    facts = _facts(key, at, undo=undo)

    def read() -> MemberRecord:
        return members.load([key])[0][key]

    def write(record: MemberRecord) -> tuple[MemberRecord, Member]:
        after = merge(record.member, facts)
        changed = differs(record.member, after)
        members.save(replace(record, member=after), Outbox(member=key, changed=changed))
        return record, after

    line = journal.action_line(
        "lifted" if undo else "erased",
        facts.event_id,
        topic=TOPIC,
        shop=shop,
        outcome="applied",
        received_at=at,
        customer=customer,
        at=at,
        body={"by": operator()},
    )
    try:
        known = read()
        if not known.version and not sure:
            confirm(
                f"Relay has not heard of the customer {customer} of {shop}. "
                f"{'Lift an erasure' if undo else 'Erase'} all the same?"
            )
        [refusal] = journal_of(stack).write([line])
        if refusal:
            raise refusal
        return retry_conflicts(known, write, read, what="the member")
    except TransientError as error:
        raise CliError(f"the record cannot be written: {error}", "run the command again") from None


def _facts(key: str, at: datetime, *, undo: bool) -> Facts:
    """Return the command as facts of the member; one command a millisecond is one event."""
    import hashlib

    from relay.model.facts import Facts

    field = "erasure_lifted_at" if undo else "erased_at"
    digest = hashlib.sha256(f"{key}|{field}|{at.isoformat()}".encode()).hexdigest()
    return Facts(event_id=digest[:32], at=at, values={field: at})


def _personal(member: Member) -> dict[str, Any]:
    from relay.model.erasure import PERSONAL

    return {name: member.value(name) for name in PERSONAL}


def _sentences(result: dict[str, Any]) -> list[str]:
    """Return what was done, for a person; no value of a personal field."""
    member = result["member"]
    if not result["erased"]:
        done = (
            "the erasure is lifted"
            if result["was_erased"]
            else "was not erased; what a webhook said of an erasure before now does not count"
        )
        return [f"{member}: {done}", "what was dropped comes back when Inveterate tells it again"]
    dropped = ", ".join(result["dropped"]) or "nothing personal was known"
    first = f"{member} is erased; dropped: {dropped}"
    if not result["known"]:
        first += "; Relay has not heard of this member before"
    customer = member.rpartition(":")[2]
    return [
        first,
        f"the CRMs follow within minutes, the journal with the next pass: `relay privacy {customer}` shows how far it is",
    ]
