"""What Klaviyo's API does for each of its paths, on an account in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

from sim.standins.klaviyo_account import Account
from sim.standins.klaviyo_checks import RefusedError, wanted_by

_JOBS: Final = "/api/profile-bulk-import-jobs"
_LARGEST_PAGE: Final = 100
_SHOWN: Final = {"email", "external_id", "properties", "created", "updated", "first_name", "last_name", "id"}

Answer: TypeAlias = tuple[int, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks: its resource, what stands in its path, and its query."""

    data: Mapping[str, Any]
    job: str
    query: Mapping[str, str]
    path: str


@dataclass(frozen=True, slots=True)
class Api:
    """The API of one account."""

    account: Account

    def paths(self) -> Iterator[tuple[str, str, Callable[[Asked], Answer]]]:
        """Yield each path, its method and what answers it."""
        yield "/api/profile-import", "POST", self.import_
        yield "/api/profiles", "GET", self.find
        yield "/api/events", "POST", self.record
        yield _JOBS, "POST", self.submit
        yield f"{_JOBS}/{{job}}", "GET", self.job
        yield f"{_JOBS}/{{job}}/profiles", "GET", self.imported
        yield f"{_JOBS}/{{job}}/import-errors", "GET", self.import_errors

    def import_(self, asked: Asked) -> Answer:
        """Create or change a profile."""
        profile, new = self.account.upsert(asked.data)
        return 201 if new else 200, {"data": profile.resource()}

    def find(self, asked: Asked) -> Answer:
        """List profiles, those that a filter names."""
        known = [profile.resource() for profile in self.account.profiles.values()]
        if "filter" in asked.query:
            by, values = wanted_by(asked.query["filter"])
            known = [
                each for each in known if (each["id"] if by == "id" else each["attributes"][by]) in values
            ]
        return _page(known, asked)

    def record(self, asked: Asked) -> Answer:
        """Take an event; it is answered by its status alone."""
        self.account.record(asked.data, datetime.now(UTC))
        return 202, {}

    def submit(self, asked: Asked) -> Answer:
        """Take an import job."""
        return 202, {"data": self._shown(self.account.submit(asked.data).id)}

    def job(self, asked: Asked) -> Answer:
        """Show how far a job has come."""
        self._known(asked.job)
        self.account.poll(self.account.jobs[asked.job])
        return 200, {"data": self._shown(asked.job)}

    def imported(self, asked: Asked) -> Answer:
        """List the profiles that a job has made."""
        self._known(asked.job)
        profiles = self.account.jobs[asked.job].profiles
        return _page([self.account.profiles[each].resource() for each in profiles], asked)

    def import_errors(self, asked: Asked) -> Answer:
        """List what a job could not import."""
        self._known(asked.job)
        return _page(self.account.jobs[asked.job].errors, asked)

    def _known(self, job: str) -> None:
        if job not in self.account.jobs:
            raise RefusedError(404, "not_found", "There is no such job.")

    def _shown(self, job: str) -> dict[str, Any]:
        known = self.account.jobs[job]
        attributes = {
            "status": known.status,
            "created_at": "2026-01-01T00:00:00+00:00",
            "total_count": len(known.given),
            "completed_count": len(known.profiles) + len(known.errors),
            "failed_count": len(known.errors),
        }
        return {"type": "profile-bulk-import-job", "id": job, "attributes": attributes, "links": {"self": ""}}


def _page(found: list[dict[str, Any]], asked: Asked) -> Answer:
    size = int(asked.query.get("page[size]", "20"))
    shown = set(asked.query.get("fields[profile]", "email").split(","))
    if not 0 < size <= _LARGEST_PAGE or not shown <= _SHOWN:
        raise RefusedError(400, "invalid", "Not a page or a field that there is.", "page[size]")
    start = int(asked.query.get("page[cursor]", "0"))
    following = None
    if start + size < len(found):
        base, _, _ = asked.path.partition("?")
        query = {**asked.query, "page[cursor]": str(start + size)}
        following = f"{base}?{'&'.join(f'{name}={value}' for name, value in query.items())}"
    links = {"self": asked.path, "next": following, "prev": None}
    return 200, {"data": found[start : start + size], "links": links}
