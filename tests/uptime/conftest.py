"""A morning like many in a real store, and golden files. OPSBOT_UPDATE_GOLDEN=1 writes them anew."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from jinja2 import FileSystemLoader

from opsbot.probing import Probe
from opsbot.store.sql import SqlStore
from tests.outbox.world import fresh
from tests.uptime.kept import Kept, scene
from tests.uptime.shelf import pour

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def morning() -> tuple[Kept, tuple[Probe, ...]]:
    return scene()


@pytest.fixture(scope="session")
def shelf(morning: tuple[Kept, tuple[Probe, ...]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlStore]:
    store = fresh(tmp_path_factory.mktemp("uptime") / "opsbot.db")
    pour(morning[0], store)
    yield store
    store.close()


@pytest.fixture(scope="session")
def templates() -> FileSystemLoader:
    return FileSystemLoader(ROOT / "report_templates")


@pytest.fixture
def golden() -> Callable[[str, str], None]:
    def same(name: str, text: str) -> None:
        path = ROOT / "tests" / "golden" / name
        if os.environ.get("OPSBOT_UPDATE_GOLDEN"):
            path.write_text(text, encoding="utf-8")
        assert path.read_text(encoding="utf-8") == text, (
            f"look at it, then: OPSBOT_UPDATE_GOLDEN=1 pytest tests/uptime ({name})"
        )

    return same
