"""`/ping/ADDRESS` as a crontab calls it, and as somebody calls it who should not."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from opsbot.model.heartbeat import Pulse
from opsbot.probes import heartbeat
from opsbot.store.heartbeats import SqlHeartbeats
from opsbot.store.sql import SqlStore
from opsbot.web.app import build
from opsbot.web.server import Server, start
from opsbot.web.settings import WebSettings
from tests.outbox.world import fresh
from tests.web import world
from tests.web.conftest import TOKEN

NOW = world.NOW


class Page:
    """A daemon's page behind a token, with a clock that a test moves."""

    def __init__(self, folder: Path) -> None:
        self.store: SqlStore = fresh(folder / "opsbot.db")
        self.beats = SqlHeartbeats(self.store.engine)
        self.now: datetime = NOW
        self.server: Server = start(
            build(world.inside(self.store, now=lambda: self.now, settings=WebSettings(token=TOKEN))), "127.0.0.1", 0
        )

    def call(self, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> tuple[int, str]:
        with closing(http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=5)) as wire:
            wire.request(method, path, body, headers)
            answer = wire.getresponse()
            return answer.status, answer.read().decode()

    def address(self, name: str) -> str:
        return f"/ping/{heartbeat.address(self.beats.key(), name)}"

    def pulse(self, name: str) -> Pulse:
        return self.beats.pulses()[name]


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    opened = Page(tmp_path)
    yield opened
    opened.server.stop()
    opened.store.close()


def test_a_jobs_night(page: Page) -> None:
    address = page.address("backup")
    assert page.call(f"{address}/start") == (200, "ok\n")
    page.now += timedelta(minutes=7)
    assert page.call(f"{address}/0", "POST", b"4 tables, 12 MB") == (200, "ok\n")
    ended = page.pulse("backup")
    assert (ended.at, ended.ok, ended.exit_code, ended.seconds) == (page.now, True, 0, 420.0)
    assert ended.said == "4 tables, 12 MB"
    page.now += timedelta(days=1)
    assert page.call(f"{address}/23", "POST", b"PGPASSWORD=hunter2 refused") == (200, "ok\n")
    failed = page.pulse("backup")
    assert (failed.ok, failed.exit_code, failed.seconds) == (False, 23, None)
    assert "hunter2" not in failed.said
    assert page.call(f"{address}/fail") == (200, "ok\n")
    assert page.call(address, "HEAD") == (200, "")
    assert page.pulse("backup").ok


def test_no_sign_in_is_needed_and_none_is_given(page: Page) -> None:
    assert page.call("/runs")[0] == 401
    assert page.call(page.address("backup"))[0] == 200
    assert page.call("/runs")[0] == 401


REFUSED: dict[str, tuple[Callable[[Page], str], str, int]] = {
    "a wrong signature": (lambda page: page.address("backup")[:-1] + "x", "GET", 404),
    "another name": (lambda page: page.address("backup").replace("backup", "backus"), "GET", 404),
    "no signature": (lambda page: "/ping/backup", "GET", 404),
    "a word that is none": (lambda page: page.address("backup") + "/done", "GET", 400),
    "an exit code that is none": (lambda page: page.address("backup") + "/256", "GET", 400),
    "too deep": (lambda page: page.address("backup") + "/start/now", "GET", 404),
    "another method": (lambda page: page.address("backup"), "DELETE", 405),
    "nothing": (lambda page: "/ping/", "GET", 404),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_call_changes_nothing(case: str, page: Page) -> None:
    path, method, status = REFUSED[case]
    assert page.call(path(page), method)[0] == status
    assert page.beats.pulses() == {}


def test_a_form_of_another_page_is_refused(page: Page) -> None:
    status, _ = page.call(page.address("backup"), "POST", b"x", Origin="https://evil.test")
    assert status == 403
    assert page.beats.pulses() == {}


def test_a_large_body_is_cut_and_the_job_is_none_the_wiser(page: Page) -> None:
    assert page.call(page.address("backup"), "POST", b"x" * 9_000 + b"y" * 200_000)[0] in (200,)
    assert len(page.pulse("backup").said) < 1000


def test_who_guesses_is_braked(page: Page) -> None:
    codes = [page.call(f"/ping/backup.{number:032x}")[0] for number in range(22)]
    assert codes == [404] * 20 + [429] * 2


def test_a_job_that_loops_is_braked_and_another_is_not(page: Page) -> None:
    address = page.address("loop")
    codes = [page.call(address)[0] for _ in range(62)]
    assert codes == [200] * 60 + [429] * 2
    assert page.call(page.address("other"))[0] == 200


def test_a_store_that_cannot_be_written_says_call_again(page: Page, tmp_path: Path) -> None:
    address = page.address("backup")
    (tmp_path / "opsbot.db").rename(tmp_path / "gone.db")
    status, told = page.call(address)
    assert (status, told) == (503, "this cannot be kept at the moment; call again\n")
