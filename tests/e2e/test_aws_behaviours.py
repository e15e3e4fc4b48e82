"""The local AWS behaves as AWS does where Relay relies on it, or is known not to; it is called by Relay's own client."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from local_stack.local_aws import local_aws
from relay.adapters.aws.client import AwsClient

from tests.contract.aws.behaviours import BEHAVIOURS, LACKS, Account
from tests.contract.aws.test_behaviours import made

pytestmark = pytest.mark.e2e
