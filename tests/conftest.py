"""What all tests share."""

from __future__ import annotations

import gc
from collections.abc import Generator
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
PROCESSES = frozenset(
    {"alerting", "browser", "daemon", "executors", "outbox", "prober", "probes", "runbooks", "stories", "uptime", "web"}
)


# Files that take long: workers begin with them, so that none is left with one when the others have nothing more to do.
LONG = (
    *("outbox/test_kills.py", "stories/test_daily_health.py", "daemon/test_serve.py", "executors/test_exec.py"),
    *("executors/test_supervisor.py", "prober/test_child.py", "store/test_migrations.py", "daemon/test_replicas.py"),
    *("executors/test_chaos.py", "outbox/test_outages.py", "aws/test_aws_read.py", "prober/test_kept.py"),
    *("aws/test_aws_inventory.py", "prober/test_handover.py", "outbox/test_sender.py"),
)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is collected stays until the end: looking through it for garbage again and again is a third of its time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {HERE / name: place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: places.get(item.path, len(places)))
    for item in items:
        if item.path.is_relative_to(HERE) and item.path.relative_to(HERE).parts[0] in PROCESSES:
            item.add_marker(pytest.mark.flaky(reruns=2))
