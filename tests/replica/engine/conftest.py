from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.replica.engine.engine_world import Aws, start, tiny_world


@pytest.fixture(scope="session")
def aws() -> Iterator[Aws]:
    """An embedded AWS of the tiny world, for tests that change nothing in it."""
    with (up := start(tiny_world())).running:
        yield up


@pytest.fixture(scope="session")
def changing_aws() -> Iterator[Aws]:
    with (up := start(tiny_world())).running:
        yield up


@pytest.fixture
def own_aws(changing_aws: Aws) -> Aws:
    """An embedded AWS as if it had just been started, for one test alone."""
    changing_aws.heal()
    return changing_aws
