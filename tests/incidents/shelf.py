"""The databases that several connections can write to at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from opsbot.store.sql import SqlStore
from tests import postgres
from tests.outbox.world import fresh


@pytest.fixture(params=["file", "postgresql"])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlStore]:
    if request.param == "postgresql":
        yield postgres.emptied()
        return
    opened = fresh(tmp_path / "opsbot.db")
    yield opened
    opened.close()
