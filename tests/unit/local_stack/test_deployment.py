"""A local deployment is refused for what AWS would refuse, and the local AWS would not."""

from __future__ import annotations

from pathlib import Path

import pytest
from local_stack.deployment import deploy, without_refused
from local_stack.errors import LocalStackError
from local_stack.local_aws import LocalAws
from stack_template.expanded import source


def test_a_stack_name_that_is_too_long_is_refused_before_any_call() -> None:
    """Nothing listens at this port: a call would fail in another way."""
    with pytest.raises(LocalStackError, match="may have 40"):
        deploy(LocalAws(9, Path("log")), Path("template.yaml"), "s" * 41, {})


def test_only_what_is_refused_is_left_out() -> None:
    """Alarms on an expression, saved queries and the rule against plain HTTP; every function, queue, table and plain alarm is deployed."""
    template = source()
    left_out = template["Resources"].keys() - without_refused(template)["Resources"].keys()
    kinds = {template["Resources"][name]["Type"] for name in left_out}
    assert kinds == {"AWS::CloudWatch::Alarm", "AWS::Logs::QueryDefinition", "AWS::S3::BucketPolicy"}
    assert {"ClockAlarm", "Late", "Refused"} <= left_out
    assert "ReceiverErrors" not in left_out
