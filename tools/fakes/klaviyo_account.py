"""A Klaviyo account in memory: profiles, events and import jobs, and the validation of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from fakes.klaviyo_validation import (
    IDENTIFIERS,
    PROFILE_FIELDS,
    KlaviyoError,
    check_event,
    check_profile,
    parse_time,
    unset_properties,
)

LARGEST_JOB: Final = 10_000


@dataclass(slots=True)
class KlaviyoProfile:
    """One profile; `attributes` excludes the custom properties."""

    id: str
    created: str
    attributes: dict[str, Any] = field(default_factory=dict)
    properties: dict[str, Any] = field(default_factory=dict)

    def resource(self) -> dict[str, Any]:
        """Return the profile in the form of the API."""
        attributes = {**dict.fromkeys(sorted(PROFILE_FIELDS)), **self.attributes}
        return {
            "type": "profile",
            "id": self.id,
            "attributes": {**attributes, "created": self.created, "properties": dict(self.properties)},
            "links": {"self": f"https://a.klaviyo.com/api/profiles/{self.id}/"},
        }


@dataclass(slots=True)
class KlaviyoImportJob:
    """An import job: its input and its results. It completes after a number of polls (`KlaviyoAccount.polls`)."""

    id: str
    given: list[Mapping[str, Any]]
    created: str = field(default_factory=lambda: datetime.now(UTC).isoformat())
    poll_count: int = 0
    status: str = "queued"
    profiles: list[str] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)


@dataclass(slots=True)
class KlaviyoAccount:
    """The data of one account. `flows` lists the metric of each event that starts a flow (all but back-fill)."""

    profiles: dict[str, KlaviyoProfile] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    flows: list[str] = field(default_factory=list)
    jobs: dict[str, KlaviyoImportJob] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)
    polls: int = 1
    _ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _recorded: set[tuple[str, str, str]] = field(default_factory=set)

    # --------------------------------------------------------------- profiles

    def find(self, by: str, value: str) -> KlaviyoProfile | None:
        """Return the profile with this id, address, number or external id."""
        if by == "id":
            return self.profiles.get(value)
        wanted = value.lower() if by == "email" else value
        return next((known for known in self.profiles.values() if known.attributes.get(by) == wanted), None)

    def upsert(
        self, data: Mapping[str, Any], *, pointer: str = "/data", clears: bool = True
    ) -> tuple[KlaviyoProfile, bool]:
        """Create or change the profile of a resource; return it and whether it is new.

        With `clears`, null clears a field; an import job leaves such a field unchanged.
        """
        attributes = check_profile(data, pointer)
        known = self._identified(data, attributes, pointer)
        profile = known or self._create()
        given = {name: value for name, value in attributes.items() if name != "properties"}
        if given.get("email"):
            given["email"] = given["email"].lower()
        _change(profile.attributes, given, clears=clears)
        _change(profile.properties, attributes.get("properties") or {}, clears=clears)
        for name in unset_properties(data, pointer):
            profile.properties.pop(name, None)
        return profile, known is None

    def _create(self) -> KlaviyoProfile:
        profile = KlaviyoProfile(f"01KLAVIYO{next(self._ids):017d}", datetime.now(UTC).isoformat())
        self.profiles[profile.id] = profile
        return profile

    def _identified(
        self, data: Mapping[str, Any], attributes: Mapping[str, Any], pointer: str
    ) -> KlaviyoProfile | None:
        """Return the profile of all these identifiers, None for a new one."""
        named = {by: attributes[by] for by in IDENTIFIERS if attributes.get(by)}
        holders = {by: holder for by, value in named.items() if (holder := self.find(by, value))}
        if data.get("id"):
            profile = self.profiles.get(data["id"])
            if profile is None or any(holder is not profile for holder in holders.values()):
                # Observed at Klaviyo: the answer is the same if only the address belongs to another profile.
                raise KlaviyoError(
                    404, "not_found", f"A profile with id {data['id']} does not exist.", pointer
                )
            return profile
        if not named:
            raise KlaviyoError(
                400, "invalid", "At least one identifier is required.", f"{pointer}/attributes"
            )
        profiles = {holder.id: holder for holder in holders.values()}
        if len(profiles) > 1:
            raise KlaviyoError(
                409,
                "duplicate_profile",
                "A profile already exists with one of these identifiers.",
                f"{pointer}/attributes",
                duplicate_profile_id=next(reversed(profiles)),
            )
        return next(iter(profiles.values()), None)

    def delete(self, data: Mapping[str, Any]) -> None:
        """Delete the profiles of a deletion job; it goes by one identifier."""
        wanted = ((data.get("attributes") or {}).get("profile") or {}).get("data") or {}
        named = {"id": wanted.get("id"), **(wanted.get("attributes") or {})}
        given = {by: value for by, value in named.items() if value}
        if data.get("type") != "data-privacy-deletion-job" or wanted.get("type") != "profile":
            raise KlaviyoError(400, "invalid", "The payload provided in the request is invalid.")
        if len(given) != 1:
            raise KlaviyoError(
                400, "invalid", "Exactly one identifier is required.", "/data/attributes/profile"
            )
        [(by, value)] = given.items()
        while profile := self.find(by, value):
            self.deleted.append(profile.id)
            del self.profiles[profile.id]

    # ----------------------------------------------------------------- events

    def record(self, data: Mapping[str, Any], now: datetime) -> None:
        """Record an event once: a repeat has the same unique id, or the same second if it has none."""
        attributes = check_event(data, now)
        metric = attributes["metric"]["data"]["attributes"]["name"]
        owner = attributes["profile"]["data"]
        profile, _ = self.upsert(owner, pointer="/data/attributes/profile/data")
        at = parse_time(attributes["time"]) if attributes.get("time") else now
        at = (at or now).replace(microsecond=0)
        name = attributes.get("unique_id") or at.isoformat()
        if (profile.id, metric, name) in self._recorded:
            return
        self._recorded.add((profile.id, metric, name))
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

    def submit(self, data: Mapping[str, Any]) -> KlaviyoImportJob:
        """Create an import job; an input that is no profile is refused at once, with its index."""
        given = ((data.get("attributes") or {}).get("profiles") or {}).get("data")
        at = "/data/attributes/profiles/data"
        if data.get("type") != "profile-bulk-import-job" or not isinstance(given, list):
            raise KlaviyoError(400, "invalid", "The payload provided in the request is invalid.", at)
        if not 0 < len(given) <= LARGEST_JOB:
            raise KlaviyoError(400, "invalid", f"1 to {LARGEST_JOB} profiles are required.", at)
        for number, each in enumerate(given):
            check_profile(each, f"{at}/{number}", emails=False)
            unset_properties(each, f"{at}/{number}")
        job = KlaviyoImportJob(f"job-{next(self._ids)}", given)
        self.jobs[job.id] = job
        return job

    def poll(self, job: KlaviyoImportJob) -> KlaviyoImportJob:
        """Advance a job by one poll and return it; after `polls` polls it imports its profiles and is complete."""
        if job.status in {"complete", "cancelled"}:
            return job
        job.poll_count += 1
        job.status = "processing"
        if job.poll_count > self.polls:
            self._import(job)
            job.status = "complete"
        return job

    def _import(self, job: KlaviyoImportJob) -> None:
        for number, each in enumerate(job.given):
            try:
                profile, _ = self.upsert(
                    each, pointer=f"/data/attributes/profiles/data/{number}", clears=False
                )
            except KlaviyoError as refused:
                error = {name: refused.error[name] for name in ("code", "title", "detail", "source")}
                job.errors.append(
                    {
                        "type": "import-error",
                        "id": f"{job.id}-{number}",
                        "attributes": {**error, "original_payload": each},
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
