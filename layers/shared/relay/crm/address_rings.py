"""Finds members that wait for each other's e-mail addresses: a link leads from a member to the one whose contact has its address.

A member wants one address, and one contact has it, so a member has at most one link. Links that lead back to where
they began are a ring: no member in it can move before another one has. Two members that swap addresses are a ring of two.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

MOST_HOLDERS: Final = 4
"""How many links are followed from a member. A ring has five members then: as many conflicts as HubSpot's adapter can tell
apart in one call (`MOST_HALVINGS`). A longer one waits, and is refused by name after two weeks."""


def holder_key(key: str, holder: str) -> str | None:
    """Return a key that a contact bears as our table spells it; None if it is of another shop than `key`."""
    shop, _, customer_id = holder.strip().rpartition(":")
    ours = key.rpartition(":")[0]
    return f"{ours}:{customer_id}" if shop.strip().lower() == ours.lower() else None


def chain(key: str, links: Mapping[str, str]) -> list[str]:
    """Return a member, the one that it waits for, the one that this one waits for, and so on, each once."""
    found = [key]
    while (holder := links.get(found[-1])) and holder not in found and len(found) <= MOST_HOLDERS:
        found.append(holder)
    return found


def rings(links: Mapping[str, str]) -> list[list[str]]:
    """Return the rings, each in the order of its links, from the member that comes first in `links`."""
    found: list[list[str]] = []
    for key in links:
        members = chain(key, links)
        if links.get(members[-1]) == key and len(members) > 1 and not any(key in ring for ring in found):
            found.append(members)
    return found


def parting_order(ring: Iterable[str]) -> list[str]:
    """Return the order in which a ring is written, once its second member has given its address away.

    The first takes that address, so its own is free for the last, and so on back to the second. So one member alone is
    without its place meanwhile.
    """
    first, *others = ring
    return [first, *reversed(others)]


def holders_first(keys: Iterable[str], links: Mapping[str, str]) -> list[str]:
    """Return these members so that each comes after the one that it waits for, as far as that one is among them."""
    wanted, ordered = list(keys), dict[str, None]()
    for key in wanted:
        ordered |= dict.fromkeys(each for each in reversed(chain(key, links)) if each in wanted)
    return list(ordered)
