"""A local deployment is refused for what AWS would refuse, and the local AWS would not."""

from __future__ import annotations

from pathlib import Path

import pytest
from local_stack.deployment import deploy
from local_stack.errors import LocalStackError
from local_stack.local_aws import LocalAws


def test_a_stack_name_that_is_too_long_is_refused_before_any_call() -> None:
    """Nothing listens at this port: a call would fail in another way."""
    with pytest.raises(LocalStackError, match="may have 40"):
        deploy(LocalAws(9, Path("log")), Path("template.yaml"), "s" * 41, {})
