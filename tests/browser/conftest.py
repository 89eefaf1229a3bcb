"""Pages in headless Chromium: `make browser-test` asks for them, `make test` does not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from opsbot.web.app import build
from opsbot.web.server import Server, start
from opsbot.web.settings import WebSettings
from tests.browser.chromium import Browser, found
from tests.outbox.world import fresh
from tests.web import world
from tests.web.conftest import TOKEN

# Without the word nothing here is collected: a browser takes longer to start than most tests to end.
collect_ignore_glob = [] if os.environ.get("OPSBOT_BROWSER") else ["test_*.py"]


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = found()
    if program is None:
        pytest.fail("no Chromium: install it (Debian: apt-get install chromium) or name it in OPSBOT_CHROMIUM")
    with Browser(program, tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Server]]:
    """One server a kind of day; `token` is the busy one behind a sign-in."""
    folder = tmp_path_factory.mktemp("pages")
    stores = {kind: fresh(folder / f"{kind}.db") for kind in ("busy", "empty", "crowd")}
    world.busy(stores["busy"], folder / "logs")
    names = crowd(stores["crowd"])
    insides = {
        "busy": world.inside(stores["busy"], logs=folder / "logs"),
        "token": world.inside(stores["busy"], logs=folder / "logs", settings=WebSettings(token=TOKEN)),
        "empty": world.inside(stores["empty"], environments=tuple, timetables=tuple),
        "crowd": world.inside(stores["crowd"], environments=lambda: names),
    }
    servers = {kind: start(build(inside), "127.0.0.1", 0) for kind, inside in insides.items()}
    yield servers
    for server in servers.values():
        server.stop()
    for store in stores.values():
        store.close()


def crowd(store: world.SqlStore) -> tuple[str, ...]:
    """Five hundred environments with the longest names there are, half of them in trouble."""
    names = tuple(f"a-very-long-customer-name-without-any-end-{n:03}-production-eu" for n in range(500))
    found = [
        world.finding(
            name,
            world.Status.CRITICAL if n % 3 else world.Status.UNKNOWN,
            "r" * 80,
            summary="latency 412 ms, limit 300 ms " * 4,
        )
        for n, name in enumerate(names[:250])
    ]
    world.keep(store, world.ended("R", "daily_health", world.NOW, verdict="action"), *found)
    return names


@pytest.fixture(scope="session")
def axe() -> str:
    """The rules of axe-core, if they are installed."""
    places = [os.environ.get("OPSBOT_AXE", ""), "node_modules/axe-core/axe.min.js"]
    at = next((Path(place) for place in places if place and Path(place).is_file()), None)
    if at is None:
        pytest.skip(
            "axe-core is not installed (npm install axe-core, or OPSBOT_AXE=/path/axe.min.js); the rules of rules.js are checked"
        )
    return at.read_text(encoding="utf-8")
