from __future__ import annotations

from collections.abc import Iterator

import pytest
from engine_world import Aws, start, tiny_world


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    """An embedded AWS of the tiny world, shared by a module: tests that change it clean up."""
    with (up := start(tiny_world())).running:
        yield up


@pytest.fixture
def own_aws() -> Iterator[Aws]:
    """An embedded AWS for one test alone."""
    with (up := start(tiny_world())).running:
        yield up
