"""Benches for the promises that every CRM adapter keeps; a module with a `bench` of its own is one provider's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.crm.benches import BENCHES, NOT_APPLICABLE, Bench


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each promise over the adapters that can show it."""
    promise = metafunc.function.__name__.removeprefix("test_")
    able = [adapter for adapter in BENCHES if promise not in NOT_APPLICABLE.get(adapter, {})]
    for surroundings in {"bench", "unprepared"}.intersection(metafunc.fixturenames):
        if not hasattr(metafunc.module, surroundings):
            metafunc.parametrize(surroundings, able, indirect=True)


@pytest.fixture
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """Return an adapter connected to a CRM that knows our fields and has no contact."""
    with BENCHES[request.param]() as bench:
        bench.prepare()
        yield bench


@pytest.fixture
def unprepared(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """Return an adapter connected to a CRM that has never heard of us."""
    with BENCHES[request.param]() as bench:
        yield bench
