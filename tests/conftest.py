"""What all tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

# Every AWS call that opsbot makes in these tests is held against the policies that it prints.
from tests.recording.suite import (  # noqa: F401
    pytest_configure,
    pytest_sessionfinish,
    pytest_terminal_summary,
    pytest_unconfigure,
)

HERE = Path(__file__).parent
# Tests of processes that are killed, stopped and raced on a machine that others share: one that was robbed of its
# processor is given a second chance, and the summary says so (RERUN).
PROCESSES = frozenset({"daemon", "executors", "outbox", "prober", "probes", "stories", "uptime", "web", "browser"})


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE) and item.path.relative_to(HERE).parts[0] in PROCESSES:
            item.add_marker(pytest.mark.flaky(reruns=2))
