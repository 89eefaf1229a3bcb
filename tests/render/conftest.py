"""Golden files: what a report looked like when a person last looked at it. OPSBOT_UPDATE_GOLDEN=1 writes them anew."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from jinja2 import FileSystemLoader

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def templates() -> FileSystemLoader:
    return FileSystemLoader(ROOT / "report_templates")


@pytest.fixture
def golden() -> Callable[[str, str], None]:
    def same(name: str, text: str) -> None:
        path = ROOT / "tests" / "golden" / name
        if os.environ.get("OPSBOT_UPDATE_GOLDEN"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.read_text(encoding="utf-8") == text, (
            f"look at it, then: OPSBOT_UPDATE_GOLDEN=1 pytest tests/render ({name})"
        )

    return same
