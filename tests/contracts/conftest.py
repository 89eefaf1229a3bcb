"""The databases that every suite of a Store's promises runs on; a new one joins by a line in `store`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from opsbot.store.sql import SqlStore
from tests import postgres
from tests.outbox.world import fresh


@pytest.fixture(params=["memory", "file", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlStore]:
    if request.param == "postgresql":
        yield postgres.emptied()
        return
    opened = fresh(None if request.param == "memory" else tmp_path / "opsbot.db")
    yield opened
    opened.close()
