"""The API paths of the fake Klaviyo, over an account in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

from fakes.klaviyo_account import KlaviyoAccount
from fakes.klaviyo_validation import KlaviyoError, parse_filter

_JOBS: Final = "/api/profile-bulk-import-jobs"
_LARGEST_PAGE: Final = 100
_SHOWN: Final = {"email", "external_id", "properties", "created", "updated", "first_name", "last_name", "id"}

KlaviyoReply: TypeAlias = tuple[int, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class KlaviyoRequest:
    """A request: its resource, the job or the profile in its path, its query and its URL."""

    data: Mapping[str, Any]
    job: str
    query: Mapping[str, str]
    url: str
    profile: str = ""


@dataclass(frozen=True, slots=True)
class KlaviyoApi:
    """The API of one account."""

    account: KlaviyoAccount

    def paths(self) -> Iterator[tuple[str, str, Callable[[KlaviyoRequest], KlaviyoReply]]]:
        """Yield each path with its method and its handler."""
        yield "/api/profile-import", "POST", self.import_
        yield "/api/profiles", "GET", self.find
        yield "/api/profiles/{profile}", "GET", self.profile
        yield "/api/events", "POST", self.record
        yield "/api/data-privacy-deletion-jobs", "POST", self.delete
        yield _JOBS, "POST", self.submit
        yield f"{_JOBS}/{{job}}", "GET", self.job
        yield f"{_JOBS}/{{job}}/profiles", "GET", self.imported
        yield f"{_JOBS}/{{job}}/import-errors", "GET", self.import_errors

    def import_(self, request: KlaviyoRequest) -> KlaviyoReply:
        """Create or change a profile."""
        profile, new = self.account.upsert(request.data)
        return 201 if new else 200, {"data": profile.resource()}

    def find(self, request: KlaviyoRequest) -> KlaviyoReply:
        """List profiles, or those that match a filter."""
        known = [profile.resource() for profile in self.account.profiles.values()]
        if "filter" in request.query:
            by, values = parse_filter(request.query["filter"])
            known = [
                each for each in known if (each["id"] if by == "id" else each["attributes"][by]) in values
            ]
        return _page(known, request)

    def profile(self, request: KlaviyoRequest) -> KlaviyoReply:
        """Return one profile by its id."""
        known = self.account.profiles.get(request.profile)
        if known is None:
            raise KlaviyoError(404, "not_found", "A profile with this id does not exist.")
        return 200, {"data": known.resource()}

    def record(self, request: KlaviyoRequest) -> KlaviyoReply:
        """Record an event; the answer is a status without a body."""
        self.account.record(request.data, datetime.now(UTC))
        return 202, {}

    def delete(self, request: KlaviyoRequest) -> KlaviyoReply:
        """Take a deletion job; the answer is a status without a body."""
        self.account.delete(request.data)
        return 202, {}

    def submit(self, request: KlaviyoRequest) -> KlaviyoReply:
        """Create an import job."""
        return 202, {"data": self._job_body(self.account.submit(request.data).id)}

    def job(self, request: KlaviyoRequest) -> KlaviyoReply:
        """Poll a job and return its status."""
        self._check_job(request.job)
        self.account.poll(self.account.jobs[request.job])
        return 200, {"data": self._job_body(request.job)}

    def imported(self, request: KlaviyoRequest) -> KlaviyoReply:
        """List the profiles that a job imported."""
        self._check_job(request.job)
        profiles = self.account.jobs[request.job].profiles
        return _page([self.account.profiles[each].resource() for each in profiles], request)

    def import_errors(self, request: KlaviyoRequest) -> KlaviyoReply:
        """List the errors of a job."""
        self._check_job(request.job)
        return _page(self.account.jobs[request.job].errors, request)

    def _check_job(self, job: str) -> None:
        if job not in self.account.jobs:
            raise KlaviyoError(404, "not_found", "There is no such job.")

    def _job_body(self, job: str) -> dict[str, Any]:
        known = self.account.jobs[job]
        attributes = {
            "status": known.status,
            "created_at": known.created,
            "total_count": len(known.given),
            "completed_count": len(known.profiles) + len(known.errors),
            "failed_count": len(known.errors),
        }
        return {"type": "profile-bulk-import-job", "id": job, "attributes": attributes, "links": {"self": ""}}


def _page(found: list[dict[str, Any]], request: KlaviyoRequest) -> KlaviyoReply:
    size = int(request.query.get("page[size]", "20"))
    shown = set(request.query.get("fields[profile]", "email").split(","))
    if not 0 < size <= _LARGEST_PAGE or not shown <= _SHOWN:
        raise KlaviyoError(400, "invalid", "Invalid page size or field.", "page[size]")
    start = int(request.query.get("page[cursor]", "0"))
    following = None
    if start + size < len(found):
        base, _, _ = request.url.partition("?")
        query = {**request.query, "page[cursor]": str(start + size)}
        following = f"{base}?{'&'.join(f'{name}={value}' for name, value in query.items())}"
    links = {"self": request.url, "next": following, "prev": None}
    return 200, {"data": found[start : start + size], "links": links}
