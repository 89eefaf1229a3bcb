"""What the pages say of a day like many, over real HTTP; and that one broken part never takes a page with it."""

from __future__ import annotations

import http.client
import json
import re
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from html import unescape
from pathlib import Path

import pytest

from opsbot.model.run import RunState
from opsbot.model.vitals import Beat, Vitals
from opsbot.store.sql import SqlStore
from opsbot.web.app import build
from opsbot.web.server import Server, start
from tests.outbox.world import fresh
from tests.web import world
from tests.web.world import MINUTE, NOW, ask, ended, keep, vitals


def text(page: str) -> str:
    """What a reader sees, roughly: no tags, single blanks."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/", ["Action dhbw-prod needs action", "Of the others 1 needs a look, 1 gives no data and 7 are well.",
               "lecture-backend: CPU 93 % for 3 h, limit 80 % and 1 more", "db-1: 9 % of storage left, limit 10 %",
               "OK 7 others dhbw-stage harbor-prod", "uptime_probes: timed out 2 min ago: it ran for 10 min and was ended.",
               "1 message to managers could not be delivered.", "weekly_report is paused until 23 Nov 15:03 by root: release freeze",
               "2 of 10 environments need somebody", "Running capacity_trends 1 min ago ops-1:4711", "Queued daily_health 2 min ago",
               "ops-slack 1 20 min ago 0 0", "clock 20 s ago", "Configuration 9f2c41d07b3a read 1 d 2 h ago",
               "As of Fri 20 Nov 2026 15:03 CET"]),
        ("/runs", ["it ran for 10 min and was ended on its schedule, signal 15, 2 attempts", "Page 1 Older"]),
        ("/runs?page=2", ["Newer Page 2"]),
        ("/runs?job=uptime_probes", ["uptime_probes it ran"]),
        ("/runs?state=failed", ["Failed cost_anomalies"]),
        ("/runs?state=lost", ["No run like that yet."]),
        ("/runs/HEALTH", ["Action 2 of 10 environments need somebody", "daily_health, on its schedule, for Fri 20 Nov 2026 08:03 CET.",
                          "Read its report , as text , as JSON", "CPU 12.4 s", "Memory at its peak 220 MiB", "AWS charges $0.01 AWS calls 42 Metrics, as billed 1,240",
                          "ecs:DescribeServices 30 cloudwatch:GetMetricData 12",
                          "1 critical", "1 without data", "2 warnings", "1 OK", "Given up Action: dhbw-prod needs action 550 mailbox",
                          "Sent Action: dhbw-prod needs action", "run finished state=succeeded verdict=action"]),
        ("/runs/UPTIME1", ["What went wrong uptime_probes: still at work after 10 min", "Timed out exit -15", "It has none."]),
        ("/reports", ["2 of 10 environments need somebody"]),
        ("/reports?job=weekly_report", ["a quiet week in 10 environments"]),
        ("/reports?job=nothing", ["No report of nothing yet."]),
        ("/outbox", ["Waiting OK: cost_anomalies Slack answered 429: asked to wait 90 s", "next in 1 min",
                     "Given up Action: dhbw-prod needs action 550 mailbox unavailable: ops@example.org"]),
        ("/outbox?all=1", ["Sent Action: dhbw-prod needs action"]),
        ("/jobs", ["at 07:00, Monday to Friday 0 7 * * MON-FRI", "Mon 23 Nov 2026 07:00 CET in 3 d", "the latest is made up for, not older than 7 d",
                   "Paused until 23 Nov 15:03 by root: release freeze", "Tried again once, after 1 min", "Tells ops-slack"]),
        ("/runs/NOBODY", ["There is no run by that name"]),
        ("/nowhere", ["There is nothing here by that name"]),
    ],
)  # fmt: skip
def test_a_page_says(open_page: Server, path: str, says: list[str]) -> None:
    seen = text(ask(open_page.port, path).body)
    assert [words for words in says if words not in seen] == []


@pytest.mark.parametrize(
    ("path", "never"),
    [
        ("/runs?job=uptime_probes", "daily_health</a></th>"),
        ("/runs?state=failed", "Timed out</span>"),
        ("/outbox", "Sent</span>"),
        ("/reports?job=weekly_report", "no anomaly"),
    ],
)
def test_a_filter_leaves_out_the_rest(open_page: Server, path: str, never: str) -> None:
    body = ask(open_page.port, path).body
    assert never not in body.partition("<tbody>")[2]


def test_pages_turn_without_losing_or_repeating_a_run(open_page: Server) -> None:
    seen: list[str] = []
    path = "/runs?job=daily_health"
    while path:
        body = ask(open_page.port, path).body
        seen += re.findall(r'<th scope="row"><a href="/runs/(\w+)"', body)
        older = re.search(r'href="([^"]+)" rel="next"', body)
        path = unescape(older[1]) if older else ""
    assert (len(seen), len(set(seen))) == (46, 46)
    assert seen[:2] == ["NOW2", "HEALTH"]


@pytest.mark.parametrize(
    ("path", "kind", "body"),
    [
        ("/reports/HEALTH", "text/html; charset=utf-8", world.REPORT),
        ("/reports/HEALTH.html", "text/html; charset=utf-8", world.REPORT),
        ("/reports/HEALTH.txt", "text/plain; charset=utf-8", "report\n"),
        ("/reports/HEALTH.json", "application/json", "{}"),
    ],
)
def test_a_report_is_served_as_it_was_made(open_page: Server, path: str, kind: str, body: str) -> None:
    answer = ask(open_page.port, path)
    assert (answer.status, answer.headers["content-type"], answer.body) == (200, kind, body)


def test_it_reloads_itself_only_when_asked(open_page: Server) -> None:
    assert "refresh" not in ask(open_page.port, "/").headers
    assert ask(open_page.port, "/?refresh=30").headers["refresh"] == "30"
    assert "refresh" not in ask(open_page.port, "/?refresh=0").headers
    assert "refresh" not in ask(open_page.port, "/runs?refresh=30").headers
    assert 'href="/?refresh=30"' in ask(open_page.port, "/").body


def test_what_is_shown_is_of_this_moment(store: SqlStore, logs: Path, open_page: Server) -> None:
    before = text(ask(open_page.port, "/outbox").body)
    claimed = store.claim(NOW + 5 * MINUTE, 60.0)
    assert claimed is not None
    assert "On its way" not in before
    assert "On its way OK: cost_anomalies" in text(ask(open_page.port, "/outbox").body)
    store.settle(
        claimed, world.Delivery.QUEUED, now=NOW, error="Slack answered 429: asked to wait 90 s", not_before=NOW + MINUTE
    )


def test_heads_have_no_bodies(open_page: Server) -> None:
    answer = ask(open_page.port, "/", method="HEAD")
    assert (answer.status, answer.body, int(answer.headers["content-length"]) > 5000) == (200, "", True)


@pytest.mark.parametrize(
    ("id", "log", "says"),
    [
        pytest.param(
            "LOG1",
            "../secret.txt",
            "Its log cannot be shown: its log is named outside the folder of logs",
            id="up and away",
        ),
        pytest.param(
            "LOG2",
            "/etc/hostname",
            "Its log cannot be shown: its log is named outside the folder of logs",
            id="from the root",
        ),
        pytest.param("LOG3", "daily_health/none.log", "It printed nothing, or its log is gone", id="no longer there"),
        pytest.param("LOG4", "", "It has none.", id="never there"),
    ],
)
def test_a_log_is_read_from_the_folder_of_logs_alone(
    tmp_path: Path, serve: Callable[..., Server], store: SqlStore, id: str, log: str, says: str
) -> None:
    (tmp_path / "secret.txt").write_text("the secret")
    server = serve(logs=tmp_path / "logs")
    keep(store, ended(id, "logged", NOW - 900 * world.DAY, log=log))
    seen = text(ask(server.port, f"/runs/{id}").body)
    assert says in seen
    assert "the secret" not in seen


@pytest.fixture(scope="module")
def impatient(store: SqlStore) -> Iterator[Server]:
    server = start(build(world.inside(store)), "127.0.0.1", 0, patience=0.1)
    yield server
    server.stop()


class TestHealth:
    def test_alive_with_every_loop(self, open_page: Server) -> None:
        answer = ask(open_page.port, "/healthz")
        told = json.loads(answer.body)
        assert (answer.status, told["alive"], len(told["loops"])) == (200, True, 7)
        assert told["loops"][0] == {"loop": "clock", "period": 60.0, "age": 20.0, "stalled": False, "error": ""}

    def test_a_loop_that_stands_still_is_503_and_named(self, serve: Callable[..., Server]) -> None:
        still = vitals(beats=(Beat(loop="outbox", period=0.5, age=11.0, error="disk full"),))
        server = serve(vitals=lambda: still)
        answer = ask(server.port, "/healthz")
        assert answer.status == 503
        assert json.loads(answer.body)["loops"] == [
            {"loop": "outbox", "period": 0.5, "age": 11.0, "stalled": True, "error": "disk full"}
        ]
        seen = text(ask(server.port, "/").body)
        assert "opsbot itself is not well" in seen
        assert "The outbox loop stands still: it last moved 11 s ago (disk full)." in seen

    @pytest.mark.parametrize(
        ("ready", "draining", "code"), [(True, False, 200), (False, True, 503), (False, False, 503)]
    )
    def test_ready_while_it_takes_runs(
        self, serve: Callable[..., Server], ready: bool, draining: bool, code: int
    ) -> None:
        server = serve(vitals=lambda: vitals(ready=ready, draining=draining))
        answer = ask(server.port, "/readyz")
        assert (answer.status, json.loads(answer.body)) == (code, {"ready": ready, "draining": draining})
        assert ask(server.port, "/healthz").status == 200

    def test_a_daemon_that_cannot_say_is_not_well(self, serve: Callable[..., Server]) -> None:
        def broken() -> Vitals:
            raise RuntimeError("vitals")

        server = serve(vitals=broken)
        assert (ask(server.port, "/healthz").status, ask(server.port, "/readyz").status) == (503, 503)
        page = ask(server.port, "/")
        assert (page.status, "opsbot itself is not well" in page.body, "RuntimeError" in page.body) == (
            200,
            True,
            False,
        )


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("message", "The outbox cannot be shown"),
        ("latest", "The environments cannot be shown"),
        ("clockwork", "The jobs cannot be shown"),
        ("run", "The state cannot be read"),
    ],
)
def test_one_broken_part_never_breaks_the_page(tmp_path: Path, table: str, says: str) -> None:
    store = fresh(tmp_path / "opsbot.db")
    keep(store, ended("R", "daily_health", NOW))
    with closing(sqlite3.connect(tmp_path / "opsbot.db")) as db:
        db.execute(f"ALTER TABLE {table} RENAME TO gone")
    server = start(build(world.inside(store)), "127.0.0.1", 0)
    try:
        pages = {
            path: ask(server.port, path)
            for path in ("/", "/runs", "/runs/R", "/reports", "/outbox", "/jobs", "/metrics")
        }
    finally:
        server.stop()
        store.close()
    assert says in text(pages["/"].body)
    broken = {path for path, answer in pages.items() if answer.status != 200}
    assert broken <= {"/runs/R"}
    assert "at 07:00, Monday to Friday" in pages["/jobs"].body
    assert not [path for path, answer in pages.items() if "Traceback" in answer.body or "SELECT" in answer.body]


def test_a_broken_page_is_a_short_one_and_the_log_has_the_trace(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = fresh(tmp_path / "opsbot.db")
    server = start(build(world.inside(store)), "127.0.0.1", 0)
    store.close()
    (tmp_path / "opsbot.db").write_bytes(b"this is no database, it is much too long to be one" * 200)
    try:
        answer = ask(server.port, "/runs/R")
        status = ask(server.port, "/")
    finally:
        server.stop()
    trouble = re.search(r"trouble (\w{8})\.", answer.body)
    assert (answer.status, trouble is not None, "sqlite" in answer.body.lower()) == (500, True, False)
    (line,) = [record for record in caplog.records if record.message == "page broken"]
    assert trouble is not None
    assert (line.trouble, line.exc_info is not None) == (trouble[1], True)  # type: ignore[attr-defined]
    assert (status.status, "The state cannot be read" in status.body) == (200, True)


def test_an_empty_store_is_a_page_too(tmp_path: Path) -> None:
    store = fresh(tmp_path / "opsbot.db")
    server = start(build(world.inside(store, timetables=tuple, environments=tuple)), "127.0.0.1", 0)
    try:
        seen = {path: ask(server.port, path) for path in ("/", "/runs", "/reports", "/outbox", "/jobs", "/metrics")}
    finally:
        server.stop()
        store.close()
    assert {answer.status for answer in seen.values()} == {200}
    assert "Nothing has run yet" in text(seen["/"].body)
    assert "No job has a schedule; give one in config.toml." in text(seen["/jobs"].body)


def test_a_server_that_was_stopped_answers_no_more(tmp_path: Path) -> None:
    store = fresh(tmp_path / "opsbot.db")
    server = start(build(world.inside(store)), "127.0.0.1", 0)
    assert (server.running, ask(server.port, "/readyz").status) == (True, 200)
    server.stop()
    store.close()
    assert not server.running
    with pytest.raises(ConnectionRefusedError):
        ask(server.port, "/readyz")


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ", id="half a request"),
        pytest.param(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /rea", id="one and a half"),
    ],
)
def test_who_asks_nothing_whole_is_sent_away(impatient: Server, said: bytes) -> None:
    with socket.create_connection((impatient.host, impatient.port), timeout=5) as peer:
        peer.sendall(said)
        told = b""
        while piece := peer.recv(4096):
            told += piece
    assert told.count(b"HTTP/1.1 200") == said.count(b"\r\n\r\n")


def test_small_answers_do_not_wait_for_an_acknowledgement(open_page: Server) -> None:
    """A listener that does not say that it is TCP costs 40 ms an answer: asyncio leaves Nagle's algorithm on."""
    taken = []
    with closing(http.client.HTTPConnection("127.0.0.1", open_page.port, timeout=5)) as peer:
        for _ in range(10):
            began = time.perf_counter()
            peer.request("GET", "/readyz")
            peer.getresponse().read()
            taken.append(time.perf_counter() - began)
    assert min(taken) < 0.03


def test_the_page_costs_the_daemon_no_heavy_import() -> None:
    told = "import opsbot.web.app, opsbot.web.server, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"numpy", "pandas", "pydantic", "matplotlib", "boto3", "slack_sdk", "PIL", "uvloop", "httptools"}
    assert heavy & set(loaded) == set()
    assert "starlette" in loaded


def test_every_state_of_a_run_has_a_word(open_page: Server) -> None:
    body = ask(open_page.port, "/runs").body
    assert [state for state in RunState if f'<option value="{state}">' not in body] == []
