"""docs/reliability.md names tests; each of them is there, and every row that was promised has one."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
ROWS = [f"F{n}" for n in range(1, 35)]


def test_every_row_stands_there_once() -> None:
    assert re.findall(r"^\| (F\d+) \|", PAGE, re.MULTILINE) == ROWS


def test_every_test_that_is_named_is_there() -> None:
    named = re.findall(r"`(tests/\S+\.py)::(test_\w+)`", PAGE)
    assert len(named) >= len(ROWS)
    missing = [
        f"{file}::{name}" for file, name in named if f"def {name}(" not in (ROOT / file).read_text(encoding="utf-8")
    ]
    assert missing == []
