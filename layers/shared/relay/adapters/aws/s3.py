"""Reads and rewrites the journal's files in S3, older versions with them.

S3 speaks XML and streams, and these calls are few: they are made by botocore (`boto.py`), which the clock loads only
when a weekly pass is due, and the operator's commands have anyway.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from relay.adapters.aws.boto import boto_aws
from relay.adapters.aws.client import AwsCaller, RefusedCallError, aws_errors
from relay.ports.archive import StoredFile

PREFIX: Final = "journal/"

_NOT_THERE: Final = frozenset({"NoSuchKey", "404"})


@dataclass(frozen=True, slots=True)
class S3Journal:
    """The bucket of the journal (`ports.JournalArchive`)."""

    bucket: str
    aws: AwsCaller = field(default_factory=boto_aws)

    def files(self, after: str = "") -> Iterator[StoredFile]:
        """Yield the journal's files by name, those behind `after`."""
        request: dict[str, Any] = {"Prefix": PREFIX, **({"StartAfter": after} if after else {})}
        for page in self._pages("ListObjectsV2", request, {"ContinuationToken": "NextContinuationToken"}):
            for item in page.get("Contents", ()):
                yield StoredFile(item["Key"], item["LastModified"])

    def read(self, name: str) -> bytes | None:
        """Return a file's content; None where there is no such file."""
        with aws_errors("journal's bucket"):
            try:
                content: bytes = self.aws.call("s3", "GetObject", self._at(name))["Body"].read()
            except RefusedCallError as refusal:
                if refusal.code in _NOT_THERE:
                    return None
                raise
        return content

    def write(self, name: str, content: bytes) -> None:
        """Write a file; then remove every version of it but this one."""
        written = self._call("PutObject", {**self._at(name), "Body": content})
        self._remove_versions(name, but=written.get("VersionId"))

    def remove(self, name: str) -> None:
        """Remove a file with all of its versions."""
        self._remove_versions(name, but=None)

    def _remove_versions(self, name: str, *, but: str | None) -> None:
        following = {"KeyMarker": "NextKeyMarker", "VersionIdMarker": "NextVersionIdMarker"}
        # The prefix matches longer names as well.
        versions = [
            str(each["VersionId"])
            for page in self._pages("ListObjectVersions", {"Prefix": name}, following)
            for each in (*page.get("Versions", ()), *page.get("DeleteMarkers", ()))
            if each["Key"] == name
        ]
        for version in versions:
            if version != but:
                self._call("DeleteObject", {**self._at(name), "VersionId": version})

    def _pages(
        self, operation: str, request: Mapping[str, Any], following: Mapping[str, str]
    ) -> Iterator[Mapping[str, Any]]:
        """Yield the pages of a list; `following` names what each request takes from the reply before it."""
        marks: dict[str, Any] = {}
        while True:
            page = self._call(operation, {"Bucket": self.bucket, **request, **marks})
            yield page
            marks = {name: page[source] for name, source in following.items() if page.get(source)}
            if not page.get("IsTruncated") or not marks:
                return

    def _call(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        with aws_errors("journal's bucket"):
            return self.aws.call("s3", operation, request)

    def _at(self, name: str) -> dict[str, str]:
        return {"Bucket": self.bucket, "Key": name}
