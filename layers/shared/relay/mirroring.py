"""Changed members are written to one CRM: read as they are now, a batch at a time, never an older one last.

What makes any order, any repetition and any crash harmless:

1. A member's mirror is read *before* the member. Where it says that the CRM surely holds just this, and
   nobody is writing, there is nothing to do: whatever is written later is told by a later message.
2. Otherwise the member is claimed, and read again *under* the claim. So of two calls for a member the one
   that was claimed later carries the newer state, and a worker that slept between reading and claiming
   cannot send what it read before.
3. The outcome counts only if the claim still stands. A call that outlived its claim makes sure that
   neither it nor the call that overtook it counts; the member is sent again when both are surely over.
4. A claim lasts as long as the invocation can, and then a minute (`GRACE`): so long may a request, once
   sent, take to take effect though its sender was killed or stopped waiting. A call without an answer
   keeps the member claimed for that minute. HTTP calls give up after 2 + 8 seconds, far within.

A member that the CRM refuses is noted as refused and not tried again until it changes. What is not now
or not allowed goes back to the queue, which has the patience (`batch.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, TypeAlias

from relay.batch import Answers, Context, Message
from relay.canonical import Profile, profile
from relay.changes import Change, Doubt, load
from relay.effects import effect_id
from relay.errors import MisconfiguredError, PermanentError, TransientError
from relay.member import member_key
from relay.ports import Clock, Crm, Members, Mirror, Mirrors, Outcome, Settlement
from relay.rechecking import NO_EMAIL, Rechecks

GRACE: Final = timedelta(seconds=60)
"""How long a request may still take effect after its sender has stopped listening."""

NEEDED_MS: Final = 25_000
"""One batch, with a conflict or a missing property to mend, takes no longer (`adapters/hubspot/upsert.py`)."""

Standing: TypeAlias = Outcome | TransientError
"""Where a member stands: what the CRM made of it, or what kept us from asking."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirroring:
    """The work of `crm_sync` for one CRM.

    `credential` is the setting to name when the CRM turns us away; `observe` hears of every call's outcomes;
    `rechecks` is where a missing e-mail is asked about, None where no API is configured.
    """

    shop: str
    crm: Crm
    members: Members
    mirrors: Mirrors
    clock: Clock
    credential: str
    observe: Callable[[str, Outcome], None]
    rechecks: Rechecks | None = None

    def work(self, messages: Sequence[Message], context: Context) -> Answers:
        """Mirror the members that these change messages name, each once."""
        answers: dict[str, Exception | None] = {}
        changes: dict[str, Change] = {}
        for message in messages:
            try:
                changes[message.id] = self._read(message.body)
            except PermanentError as error:
                answers[message.id] = error
        keys = list(dict.fromkeys(change.member for change in changes.values()))
        standings = self._mirror(keys, context)
        standings |= self._notes(changes.values(), standings)
        standings |= self._ask(standings)
        return answers | {
            message_id: self._verdict(standings[change.member]) for message_id, change in changes.items()
        }

    def _read(self, body: str) -> Change:
        change = load(Change, body)
        _, _, customer_id = change.member.rpartition(":")
        if not customer_id or change.member != member_key(self.shop, customer_id):
            raise PermanentError("other_shop", "member")
        return change

    def _mirror(self, keys: Sequence[str], context: Context) -> dict[str, Standing]:
        """Mirror batch by batch, until the CRM or the time says stop: the rest then stands like the last."""
        standings: dict[str, Standing] = {}
        stop: Standing | None = None
        for start in range(0, len(keys), self.crm.batch_size):
            batch = keys[start : start + self.crm.batch_size]
            if stop is None and context.get_remaining_time_in_millis() < NEEDED_MS:
                # Put off rather than handed back: nothing is wrong with them, so it must spend no receives.
                stop = TransientError("no time left in this invocation", retry_after=1)
            found = dict.fromkeys(batch, stop) if stop else self._mirror_batch(batch, context)
            stop = stop or _stop(found.values())
            standings |= found
        return standings

    def _mirror_batch(self, keys: Sequence[str], context: Context) -> Mapping[str, Standing]:
        try:
            known = self.mirrors.load(keys)
            stale = [key for key, wanted in self._profiles(keys).items() if not _holds(known[key], wanted)]
            left = timedelta(milliseconds=context.get_remaining_time_in_millis())
            now = self.clock()
            tokens = self.mirrors.claim(stale, now=now, until=now + left + GRACE)
        except TransientError as error:
            return dict.fromkeys(keys, error)
        standings: dict[str, Standing] = {key: _standing(known[key]) for key in keys}
        standings |= dict.fromkeys(stale, TransientError("another invocation is writing this member"))
        return standings | self._send(tokens)

    def _send(self, tokens: Mapping[str, str]) -> dict[str, Standing]:
        """Write the claimed members as they are now, and note the outcomes."""
        if not tokens:
            return {}
        try:
            profiles = self._profiles(list(tokens))
        except TransientError as error:
            return dict.fromkeys(tokens, error)  # the claims run out by themselves
        outcomes = self.crm.upsert([wanted.sent_at(self.clock()) for wanted in profiles.values()])
        # An adapter that says nothing of a member has broken its promise: nothing is known of that call.
        outcomes = {key: outcomes.get(key, _NO_OUTCOME) for key in profiles}
        noted = self.mirrors.settle(
            [
                Settlement(
                    profile=wanted,
                    token=tokens[key],
                    outcome=outcomes[key],
                    quiet_until=self.clock() + GRACE if outcomes[key].unanswered else None,
                )
                for key, wanted in profiles.items()
            ]
        )
        for key, outcome in outcomes.items():
            self.observe(key, outcome)
        return {key: _unless(noted.get(key), outcome) for key, outcome in outcomes.items()}

    def _profiles(self, keys: Sequence[str]) -> dict[str, Profile]:
        records, rules = self.members.load(keys)
        return {key: profile(records[key].member, rules) for key in keys}

    def _notes(self, changes: Iterable[Change], standings: Mapping[str, Standing]) -> Mapping[str, Standing]:
        """Record the notes of members that the CRM holds; what is not now puts the member's messages off."""
        notes = {
            effect_id(happening.event_id, effect): change
            for change in changes
            for happening in change.happenings
            for effect in happening.effects
            if effect.kind == "note" and _is_mirrored(standings[change.member])
        }
        if not notes:
            return {}
        outcomes = self.crm.record(list({id(change): change for change in notes.values()}.values()))
        return {
            notes[note].member: outcome
            for note, outcome in outcomes.items()
            if note in notes and outcome.state in {"retry", "unauthorised"}
        }

    def _ask(self, standings: Mapping[str, Standing]) -> Mapping[str, Standing]:
        """Ask the API for addresses that are missing; a member about whom it could not be asked is put off.

        Asked at every message, also where no call was needed: what was asked before may have been lost. Only
        one of the questions within an hour costs a call.
        """
        if self.rechecks is None:
            return {}
        doubts = [
            Doubt(member=key, reason=NO_EMAIL)
            for key, standing in standings.items()
            if isinstance(standing, Outcome) and (standing.state, standing.reason) == ("skipped", NO_EMAIL)
        ]
        answers = self.rechecks.ask(doubts)
        return {
            doubt.member: TransientError("the question about a missing address could not be asked")
            for doubt, refusal in zip(doubts, answers, strict=True)
            if refusal
        }

    def _verdict(self, standing: Standing) -> Exception | None:
        """Say what a member's standing means for its messages."""
        if isinstance(standing, TransientError):
            return standing
        text = f"{self.crm.name}: {standing.reason or standing.state}"
        match standing.state:
            case "mirrored" | "skipped" | "refused":
                return None
            case "unauthorised":
                return MisconfiguredError(text, setting=self.credential, retry_after=standing.retry_after)
            case _:
                wait = max(standing.retry_after or 0, GRACE.total_seconds()) if standing.unanswered else None
                return TransientError(text, retry_after=wait or standing.retry_after)


_NO_OUTCOME: Final = Outcome(state="retry", reason="no_outcome", unanswered=True)


def _holds(known: Mirror, wanted: Profile) -> bool:
    """Say whether the CRM surely holds this profile.

    Not while anybody is writing, and not where somebody died writing: what that call did is not known.
    """
    return known.busy_until is None and known.digest == wanted.digest


def _standing(known: Mirror) -> Standing:
    """Return where a member stands that needs no call."""
    if known.state == "refused":
        return Outcome(state="refused", reason=known.reason, id=known.id)
    if known.state == "skipped":
        return Outcome(state="skipped", reason=known.reason)
    return Outcome(state="mirrored", id=known.id)


def _is_mirrored(standing: Standing) -> bool:
    return isinstance(standing, Outcome) and standing.state == "mirrored"


def _stop(standings: Iterable[Standing]) -> Standing | None:
    """Return why no further batch should be tried: the CRM turned us away, or let nobody through."""
    answers = [standing for standing in standings if isinstance(standing, Outcome)]
    for answer in answers:
        if answer.state == "unauthorised":
            return answer
    return answers[0] if {answer.state for answer in answers} == {"retry"} else None


def _unless(error: Exception | None, outcome: Outcome) -> Standing:
    """Return the outcome, unless it could not be noted: then the member is sent again."""
    if error is None:
        return outcome
    if isinstance(error, TransientError):
        return error
    return TransientError("the claim was lost during the call")
