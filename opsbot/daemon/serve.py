"""From a home to a daemon that serves: learn, open the store, begin, watch; what the command line needs and no more."""

from __future__ import annotations

import logging
import os
import platform
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import NoReturn
from zoneinfo import ZoneInfo

from opsbot import __version__
from opsbot.daemon.daemon import Daemon
from opsbot.daemon.duty import Duty
from opsbot.daemon.learn import Lesson
from opsbot.daemon.orders import Orders
from opsbot.daemon.watch import Watch
from opsbot.daemon.words import speak
from opsbot.home import Home
from opsbot.model.timetable import Timetable, Worker
from opsbot.store import only_daemon, open_store
from opsbot.store.sql import SqlStore
from opsbot.timetable import next_fire
from opsbot.web.app import build
from opsbot.web.inside import Inside
from opsbot.web.server import Server, start
from opsbot.web.settings import WebSettings

log = logging.getLogger(__name__)

Told = Callable[[str], None]


def now() -> datetime:
    """The clock of the daemon. The rest of the program has opsbot.app's, which brings the whole configuration along."""
    return datetime.now(UTC)  # noqa: TID251  the one other clock, for the reason above


def serve(home: Home, lesson: Lesson, told: Told, log_format: str) -> int:
    """Be the daemon until it is told to end; its exit code. Raises OpsbotError if it cannot begin."""
    orders = lesson.orders
    with only_daemon(orders.store_url, os.getpid()), _opened(orders) as store:
        duty = Duty(worker=_worker(), orders=orders, copy=lesson.copy, now=now)
        if store.recovered is None and "alembic" in sys.modules:
            _begin_again()
        if store.recovered:
            log.error("database recovered", extra={"what": str(store.recovered)})
            duty.trouble("store", str(store.recovered))
        daemon = Daemon(home, duty, store, log_format)
        with _page(daemon, store) as url:
            daemon.start()
            if log_format == "text" and sys.stderr.isatty():
                speak(orders.zone)
            for line in _welcome(home, duty.orders, url):
                told(line)
            log.info("serving", extra={"worker": duty.worker.id, "page": url, "jobs": len(orders.timetables)})
            return Watch(daemon, told, {"page": url}).keep()


def _begin_again() -> NoReturn:
    """Without what a migration needed: a sixth of the memory of a process that will live for months."""
    logging.shutdown()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606  the same command as it was typed


@contextmanager
def _opened(orders: Orders) -> Iterator[SqlStore]:
    store = open_store(orders.store_url, orders.store_password, now=now())
    try:
        yield store
    finally:
        store.close()


def _worker() -> Worker:
    at, host = now(), platform.node() or "localhost"
    return Worker(
        id=f"{host}-{os.getpid()}-{secrets.token_hex(3)}", host=host, pid=os.getpid(), version=__version__,
        started_at=at, beat=at,
    )  # fmt: skip


@contextmanager
def _page(daemon: Daemon, store: SqlStore) -> Iterator[str]:
    """The web page, as long as the daemon goes; its address, or "" where there is none."""
    page = daemon.duty.orders.page
    if not page.listen:
        yield ""
        return
    settings = WebSettings(
        listen=page.listen, token=page.token, proxy_header=page.proxy_header, trusted_proxies=page.trusted_proxies,
        public_status=page.public_status, hosts=page.hosts,
    )  # fmt: skip
    inside = Inside(
        store=store,
        now=now,
        vitals=daemon.vitals,
        timetables=lambda: daemon.duty.orders.timetables,
        settings=settings,
        zone=daemon.duty.orders.zone,
        version=__version__,
        logs=daemon.home.state / "logs",
        environments=lambda: daemon.duty.orders.environments,
        probes=lambda: daemon.duty.orders.probes,
        maintenance=lambda: daemon.duty.orders.maintenance,
    )
    server = start(build(inside), *settings.address)
    daemon.watch_page(lambda: server.running)
    try:
        yield _url(server)
    finally:
        server.stop()


def _url(server: Server) -> str:
    host = f"[{server.host}]" if ":" in server.host else server.host
    return f"http://{host}:{server.port}/"


def _welcome(home: Home, orders: Orders, url: str) -> Iterator[str]:
    """What somebody at a terminal wants to know first."""
    yield f"opsbot {__version__} serves {home.path}"
    yield f"  page   {url or 'none: web.listen is empty'}"
    width = max((len(timetable.job) for timetable in orders.timetables), default=0)
    for place, timetable in enumerate(orders.timetables):
        yield f"  {'jobs' if place == 0 else '    '}   {timetable.job:<{width}}  {_when(timetable, orders.zone)}{_whom(timetable)}"
    for trouble in orders.troubles:
        yield f"  left out: {trouble}"
    yield "  Ctrl-C stops it"


def _when(timetable: Timetable, zone: str) -> str:
    fire = next_fire(timetable, now())
    if fire is None:
        return "off" if not timetable.enabled else "never"
    return "next " + fire.astimezone(ZoneInfo(zone)).strftime("%a %Y-%m-%d %H:%M %Z")


def _whom(timetable: Timetable) -> str:
    return f", tells {', '.join(timetable.channels)}" if timetable.channels else ", tells nobody"
