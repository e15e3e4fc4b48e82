"""A Klaviyo account in memory: profiles, events and import jobs, and the rules that they are held to."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sim.standins.klaviyo_checks import (
    IDENTIFIERS,
    PROFILE_FIELDS,
    RefusedError,
    check_event,
    check_profile,
    moment_of,
    unset_of,
)

LARGEST_JOB: Final = 10_000


@dataclass(slots=True)
class Profile:
    """One profile; `attributes` are all but its custom properties."""

    id: str
    attributes: dict[str, Any] = field(default_factory=dict)
    properties: dict[str, Any] = field(default_factory=dict)

    def resource(self) -> dict[str, Any]:
        """Return the profile as the API shows it."""
        attributes = {**dict.fromkeys(sorted(PROFILE_FIELDS)), **self.attributes}
        return {
            "type": "profile",
            "id": self.id,
            "attributes": {**attributes, "properties": dict(self.properties)},
            "links": {"self": f"https://a.klaviyo.com/api/profiles/{self.id}/"},
        }


@dataclass(slots=True)
class Job:
    """An import job: what it was given, and what became of it. It is done when it was asked for often enough."""

    id: str
    given: list[Mapping[str, Any]]
    asked: int = 0
    status: str = "queued"
    profiles: list[str] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)


@dataclass(slots=True)
class Account:
    """All that one account holds. `flows` are the metrics that would have started a flow, one for each event."""

    profiles: dict[str, Profile] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    flows: list[str] = field(default_factory=list)
    jobs: dict[str, Job] = field(default_factory=dict)
    polls: int = 1
    _ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _told: set[tuple[str, str, str]] = field(default_factory=set)

    # --------------------------------------------------------------- profiles

    def find(self, by: str, value: str) -> Profile | None:
        """Return the profile with this id, address, number or external id."""
        if by == "id":
            return self.profiles.get(value)
        wanted = value.lower() if by == "email" else value
        return next((known for known in self.profiles.values() if known.attributes.get(by) == wanted), None)

    def upsert(
        self, data: Mapping[str, Any], *, pointer: str = "/data", clears: bool = True
    ) -> tuple[Profile, bool]:
        """Create or change the profile that a resource identifies; return it, and whether it is new.

        Null clears where `clears`: an import job leaves such a field as it is.
        """
        attributes = check_profile(data, pointer)
        known = self._identified(data, attributes, pointer)
        profile = known or self._create()
        given = {name: value for name, value in attributes.items() if name != "properties"}
        if given.get("email"):
            given["email"] = given["email"].lower()
        _change(profile.attributes, given, clears=clears)
        _change(profile.properties, attributes.get("properties") or {}, clears=clears)
        for name in unset_of(data, pointer):
            profile.properties.pop(name, None)
        return profile, known is None

    def _create(self) -> Profile:
        profile = Profile(f"01KLAVIYO{next(self._ids):017d}")
        self.profiles[profile.id] = profile
        return profile

    def _identified(
        self, data: Mapping[str, Any], attributes: Mapping[str, Any], pointer: str
    ) -> Profile | None:
        """Return the profile that all identifiers agree on; None for a new one."""
        named = {by: attributes[by] for by in IDENTIFIERS if attributes.get(by)}
        holders = {by: holder for by, value in named.items() if (holder := self.find(by, value))}
        if data.get("id"):
            profile = self.profiles.get(data["id"])
            if profile is None or any(holder is not profile for holder in holders.values()):
                # Seen in the field: also where it is only the address that another profile has.
                raise RefusedError(
                    404, "not_found", f"A profile with id {data['id']} does not exist.", pointer
                )
            return profile
        if not named:
            raise RefusedError(
                400, "invalid", "At least one identifier is required.", f"{pointer}/attributes"
            )
        profiles = {holder.id: holder for holder in holders.values()}
        if len(profiles) > 1:
            raise RefusedError(
                409,
                "duplicate_profile",
                "A profile already exists with one of these identifiers.",
                f"{pointer}/attributes",
                duplicate_profile_id=next(reversed(profiles)),
            )
        return next(iter(profiles.values()), None)

    # ----------------------------------------------------------------- events

    def record(self, data: Mapping[str, Any], now: datetime) -> None:
        """Take an event, unless it is known: by its id, or else by its second."""
        attributes = check_event(data, now)
        metric = attributes["metric"]["data"]["attributes"]["name"]
        whose = attributes["profile"]["data"]
        profile, _ = self.upsert(whose, pointer="/data/attributes/profile/data")
        at = moment_of(attributes["time"]) if attributes.get("time") else now
        at = (at or now).replace(microsecond=0)
        name = attributes.get("unique_id") or at.isoformat()
        if (profile.id, metric, name) in self._told:
            return
        self._told.add((profile.id, metric, name))
        kept = ("properties", "value", "value_currency", "unique_id")
        self.events.append(
            {
                "metric": metric,
                "profile": profile.id,
                "time": at.isoformat(),
                "backfill": bool(attributes.get("backfill")),
                **{name: attributes.get(name) for name in kept},
            }
        )
        if not attributes.get("backfill"):
            self.flows.append(metric)

    # ------------------------------------------------------------------- jobs

    def submit(self, data: Mapping[str, Any]) -> Job:
        """Take an import job. What is no profile at all is refused at once, with its number."""
        given = ((data.get("attributes") or {}).get("profiles") or {}).get("data")
        at = "/data/attributes/profiles/data"
        if data.get("type") != "profile-bulk-import-job" or not isinstance(given, list):
            raise RefusedError(400, "invalid", "The payload provided in the request is invalid.", at)
        if not 0 < len(given) <= LARGEST_JOB:
            raise RefusedError(400, "invalid", f"1 to {LARGEST_JOB} profiles, please.", at)
        for number, each in enumerate(given):
            check_profile(each, f"{at}/{number}", emails=False)
            unset_of(each, f"{at}/{number}")
        job = Job(f"job-{next(self._ids)}", given)
        self.jobs[job.id] = job
        return job

    def poll(self, job: Job) -> Job:
        """Return a job as it is when it is asked for; it works on, and in the end it is done."""
        if job.status in {"complete", "cancelled"}:
            return job
        job.asked += 1
        job.status = "processing"
        if job.asked > self.polls:
            self._import(job)
            job.status = "complete"
        return job

    def _import(self, job: Job) -> None:
        for number, each in enumerate(job.given):
            try:
                profile, _ = self.upsert(
                    each, pointer=f"/data/attributes/profiles/data/{number}", clears=False
                )
            except RefusedError as refused:
                told = {name: refused.error[name] for name in ("code", "title", "detail", "source")}
                job.errors.append(
                    {
                        "type": "import-error",
                        "id": f"{job.id}-{number}",
                        "attributes": {**told, "original_payload": each},
                    }
                )
            else:
                job.profiles.append(profile.id)


def _change(known: dict[str, Any], given: Mapping[str, Any], *, clears: bool) -> None:
    for name, value in given.items():
        if value is not None:
            known[name] = value
        elif clears:
            known.pop(name, None)
