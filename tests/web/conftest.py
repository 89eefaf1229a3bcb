"""Real servers on free ports, in front of one store that has seen a day like many."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from opsbot.store.sql import SqlStore
from opsbot.web.app import build
from opsbot.web.server import Server, start
from opsbot.web.settings import WebSettings
from tests.outbox.world import fresh
from tests.web import world

TOKEN = "correct horse battery"
PROXIED = WebSettings(proxy_header="X-Forwarded-User", trusted_proxies=("127.0.0.0/8",))


@pytest.fixture(scope="session")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("logs")


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory, logs: Path) -> Iterator[SqlStore]:
    opened = fresh(tmp_path_factory.mktemp("web") / "opsbot.db")
    world.busy(opened, logs)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def serve(store: SqlStore, logs: Path) -> Iterator[Callable[..., Server]]:
    """Starts a page with these changes to what is inside; all of them end with the session."""
    servers: list[Server] = []

    def begin(**changes: object) -> Server:
        servers.append(start(build(world.inside(store, **({"logs": logs} | changes))), "127.0.0.1", 0))
        return servers[-1]

    yield begin
    with ThreadPoolExecutor(len(servers) or 1) as pool:
        list(pool.map(Server.stop, servers))


@pytest.fixture(scope="session")
def open_page(serve: Callable[..., Server]) -> Server:
    return serve()


@pytest.fixture(scope="session")
def token_page(serve: Callable[..., Server]) -> Server:
    return serve(settings=WebSettings(token=TOKEN))


@pytest.fixture(scope="session")
def proxied_page(serve: Callable[..., Server]) -> Server:
    return serve(settings=PROXIED)
