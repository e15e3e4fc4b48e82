"""Fixtures for the promises that every CRM adapter keeps; a module with a `setup` of its own tests one provider."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.crm.setups import NOT_APPLICABLE, SETUPS, CrmTestSetup


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each promise over the adapters that can show it."""
    promise = metafunc.function.__name__.removeprefix("test_")
    able = [adapter for adapter in SETUPS if promise not in NOT_APPLICABLE.get(adapter, {})]
    for fixture in {"setup", "unprepared"}.intersection(metafunc.fixturenames):
        if not hasattr(metafunc.module, fixture):
            metafunc.parametrize(fixture, able, indirect=True)


@pytest.fixture
def setup(request: pytest.FixtureRequest) -> Iterator[CrmTestSetup]:
    """Return an adapter connected to a CRM that knows our fields and has no contact."""
    with SETUPS[request.param]() as setup:
        setup.prepare()
        yield setup


@pytest.fixture
def unprepared(request: pytest.FixtureRequest) -> Iterator[CrmTestSetup]:
    """Return an adapter connected to a CRM without our fields."""
    with SETUPS[request.param]() as setup:
        yield setup
