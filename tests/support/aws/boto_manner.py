"""Small fakes of one AWS service with botocore's method names, called as Relay calls AWS."""

from __future__ import annotations

from relay.adapters.aws.boto import BotoAws


def boto_manner(fake: object) -> BotoAws:
    """Return AWS whose every service is `fake`."""
    return BotoAws(lambda _service: fake)
