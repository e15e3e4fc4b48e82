"""The actions that `relay dead-letters` and `relay unclaimed` share: list, show, drop, and the way from a plan to its result.

Both are queues of letters that people look through; each command has one action of its own beside these.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

from relay_cli import letters
from relay_cli.errors import ATTENTION, DONE
from relay_cli.help import HelpFormatter, add_yes_option, describe
from relay_cli.output import Progress, agree, as_json, counted, progress, show
from relay_cli.prompts import confirm

if TYPE_CHECKING:
    from relay.recovery.dead_letters import LetterBox, LetterResult
    from relay.recovery.letters import LetterFilter, LetterGroup

    Result = TypeVar("Result", bound=LetterResult)

_SHOWN: Final = 20


@dataclass(frozen=True, kw_only=True)
class LetterWords:
    """What one command calls its letters: all of the queue, and one of them.

    `then` says what the command can do with one of them. `skipped` are the sentences by the reason of a letter that
    stays, `failed` that of one that was not taken; they fit one and many. `advice` says what to do about one, by its
    reason. `with_source` is whether they come from several queues and go back to them. `held_by_others` returns how many
    cannot be read, since the clock or another command holds them.
    """

    command: str
    queue: str
    thing: str
    then: str
    skipped: Mapping[str, str]
    failed: str
    advice: Callable[[str], str]
    with_source: bool = True
    held_by_others: Callable[[], int] = lambda: 0

    def held(self) -> str:
        """Return the sentence about those that others hold; empty without any."""
        count = self.held_by_others()
        if not count:
            return ""
        return (
            f"{counted(count, f'more {self.thing}')} {agree(count, 'is', 'are')} held by the clock or by another command, and "
            f"could not be read: look again in a minute. Should that one have been killed, it takes 12 minutes."
        )

    def none(self, more: str = "") -> str:
        """Return the sentence where a command has found none: none can be read is not that there is none."""
        return f"no {self.queue}{more}{' that can be read now' if self.held_by_others() else ''}"

    def groups(self, groups: Sequence[LetterGroup], *, empty: str = "") -> str:
        """Return groups of them as a table, or `empty`."""
        return letters.as_groups(groups, empty=empty, thing=self.thing, with_source=self.with_source)


def add_actions(
    parser: argparse.ArgumentParser,
    command: str,
    actions: Mapping[str, tuple[str, str]],
    *,
    with_source: bool = True,
) -> Mapping[str, argparse.ArgumentParser]:
    """Define a command's actions, each by its summary and the arguments of its example; return the parser of each."""
    group = parser.add_subparsers(required=True, metavar="ACTION", dest="action", title="actions")
    made: dict[str, argparse.ArgumentParser] = {}
    for name, (summary, example) in actions.items():
        sub = group.add_parser(name, help=summary, description=f"{summary}.", formatter_class=HelpFormatter)
        describe(sub, f"{command} {name} {example}")
        made[name] = sub
        if name == "show":
            sub.add_argument("id", metavar="ID", help="the id as `list` shows it")
            sub.add_argument(
                "--reveal", action="store_true", help="show the values in the body: personal data"
            )
            continue
        letters.add_filters(sub, with_source=with_source)
        if name != "list":
            sub.add_argument(
                "--dry-run", action="store_true", help="show what would happen, and change nothing"
            )
            add_yes_option(sub)
    return made


def list_letters(box: LetterBox, arguments: argparse.Namespace, words: LetterWords) -> int:
    """Count the chosen letters by group, and list the oldest."""
    chosen = letters.filter_of(arguments, letters.now())
    with progress(f"reading {words.queue}") as step:
        found, groups = replace(box, report=step).find(chosen, arguments.limit or _SHOWN)
    value = {
        "groups": letters.group_rows(groups),
        "letters": [letter.row() for letter in found],
        "held": words.held_by_others(),
    }
    text = words.groups(groups, empty=nothing_fits(box, chosen, words.none()))
    if found:
        rows = letters.as_rows(found, with_source=words.with_source)
        text += f"\n\n{rows}\n\n`{words.command} show ID` shows one, {words.then}."
    held = words.held()
    show(arguments, value, "\n\n".join(filter(None, (text, held))))
    return ATTENTION if held else DONE


def show_letter(box: LetterBox, arguments: argparse.Namespace, words: LetterWords) -> int:
    """Show one letter, or all that have its id; the values in its body only where that is asked for.

    With `--json`, one letter is an object; several are the object's `letters`.
    """
    found = box.find(letters.by_id(arguments.id))[0]
    values: list[dict[str, Any]] = []
    texts: list[str] = []
    for letter in letters.of_one_id(found, arguments.id, words.held()):
        row = {**letter.row(), "advice": words.advice(letter.reason)}
        content = letter.content(reveal=arguments.reveal)
        values.append({**row, "content": content})
        lines = [f"{name}: {'' if inner is None else inner}" for name, inner in row.items()]
        texts.append("\n".join([*lines, as_json(content)]))
    if len(values) == 1:
        show(arguments, values[0], texts[0])
        return DONE
    many = counted(len(texts), words.thing)
    head = f"{many} have this id: deliveries of one event. An action by the id is about all of them.\n\n"
    numbered = [f"{number} of {len(texts)}\n{text}" for number, text in enumerate(texts, start=1)]
    show(arguments, {"id": values[0]["id"], "letters": values}, head + "\n\n".join(numbered))
    return DONE


def drop_letters(box: LetterBox, arguments: argparse.Namespace, words: LetterWords) -> int:
    """Delete the chosen letters, once a person agrees."""
    chosen = letters.filter_of(arguments, letters.now())
    planned = box.drop(chosen, limit=arguments.limit, dry_run=True)
    happened = "Would drop"
    if planned.groups and not arguments.dry_run:
        question = "Drop {}? The journal keeps what they carry."

        def drop(step: Progress, total: int) -> LetterResult:
            return replace(box, report=lambda count: step(count, total)).drop(chosen, limit=arguments.limit)

        planned, happened = (
            carry_out(arguments, planned, drop, words=words, question=question, doing="dropping"),
            "Dropped",
        )
    nothing = "" if planned.groups else nothing_fits(box, chosen, words.none(" to drop"))
    return print_result(arguments, planned, words, happened, nothing)


def nothing_fits(box: LetterBox, chosen: LetterFilter, empty: str) -> str:
    """Return the sentence where a command has found no letter: a choice that fits none of those there are is no empty queue."""
    from relay.recovery.letters import LetterFilter

    _, groups = ([], []) if chosen == LetterFilter() else box.find(LetterFilter(), limit=0)
    there = sum(group.count for group in groups)
    reasons = ", ".join(sorted({group.reason for group in groups}))
    return f"{empty}: none of the {there:,} fits the choice (reasons: {reasons})" if there else empty


def carry_out(  # noqa: PLR0913 - what is asked and done, in the order of the sentences
    arguments: argparse.Namespace,
    planned: Result,
    act: Callable[[Progress, int], Result],
    *,
    words: LetterWords,
    question: str,
    doing: str,
) -> Result:
    """Ask whether to do what is planned, do it with progress, and return what was done; `{}` is how many letters."""
    total = sum(group.count for group in planned.groups)
    if not arguments.yes:
        if not arguments.json:
            print(words.groups(planned.groups))
        confirm(question.format(counted(total, words.thing)))
    with progress(doing) as step:
        return act(step, total)


def print_result(  # noqa: PLR0913 - what is printed, in the order of the sentences
    arguments: argparse.Namespace,
    result: LetterResult,
    words: LetterWords,
    happened: str,
    nothing: str,
    *,
    queues: Mapping[str, int] | None = None,
) -> int:
    """Print what a command did, or would do; return its exit code: 3 where letters stay that were chosen.

    The groups are left out where `carry_out` has shown them. `queues` are how many go to each queue, where their sources do not say it.
    """
    total = sum(group.count for group in result.groups)
    is_shown = bool(result.groups) and not arguments.yes and not arguments.dry_run
    lines = [] if is_shown else [words.groups(result.groups, empty=nothing)]
    if total:
        lines += [] if is_shown else [""]
        lines.append(f"{happened} {counted(total if arguments.dry_run else result.done, words.thing)}.")
    lines += [f"{count} {agree(count, 'goes', 'go')} to {queue}" for queue, count in (queues or {}).items()]
    if result.failed:
        lines.append(_staying(result.failed, words.failed))
    lines += [_staying(count, words.skipped[reason]) for reason, count in result.skipped.items()]
    lines += [held] if (held := words.held()) else []
    value = letters.result_value(result) | ({} if queues is None else {"queues": dict(queues)})
    show(arguments, value | {"held": words.held_by_others()}, "\n".join(lines))
    return ATTENTION if result.failed or result.skipped or held else DONE


def _staying(count: int, why: str) -> str:
    return f"{count:,} {agree(count, 'stays', 'stay')}: {why}"
