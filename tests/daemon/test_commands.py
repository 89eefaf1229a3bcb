"""`opsbot health`, `opsbot pause` and `opsbot resume`, and the dead-man's switch, against what they really meet."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from opsbot.cli import cli
from opsbot.daemon import alive
from opsbot.daemon.orders import Orders
from opsbot.errors import OpsbotError
from opsbot.store import open_store
from tests.daemon.served import command, make_home

WELL = {"worker": "box-1", "pid": 1, "alive": True, "ready": True, "draining": False, "troubles": []}


def opsbot(home: Path, *words: str) -> Result:
    return CliRunner().invoke(cli, ["--home", str(home), *words], standalone_mode=False)


@pytest.mark.parametrize(
    ("told", "age", "code", "says"),
    [
        pytest.param({}, 1, 0, "box-1 is well", id="well"),
        pytest.param({}, 29, 0, "box-1 is well", id="a busy machine"),
        pytest.param({}, 31, 3, "box-1 stands still or is gone: no heartbeat for 31 s", id="no heartbeat for long"),
        pytest.param({}, -5, 3, "no heartbeat for as long as this machine is up", id="from before a reboot"),
        pytest.param({"alive": False}, 1, 3, "box-1 hangs", id="a loop hangs"),
        pytest.param({"ready": False}, 1, 3, "box-1 takes no runs", id="its store is away"),
        pytest.param({"ready": False, "draining": True}, 1, 3, "box-1 is stopping", id="draining"),
        pytest.param(
            {"troubles": ["config.toml:3:1: no"]}, 1, 0, "trouble: config.toml:3:1: no", id="well, with a trouble"
        ),
    ],
)
def test_health_says_what_the_heartbeat_means(
    tmp_path: Path, told: dict[str, object], age: float, code: int, says: str
) -> None:
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "daemon.json").write_text(json.dumps({**WELL, **told, "monotonic": time.monotonic() - age}))
    found = opsbot(tmp_path, "health")
    assert found.return_value == code
    assert says in found.output


@pytest.mark.parametrize("text", [None, "", "[]", "{}", '{"monotonic": "x"}', "\0\0"])
def test_health_without_a_heartbeat_that_can_be_read_is_no_daemon(tmp_path: Path, text: str | None) -> None:
    (tmp_path / "var").mkdir()
    if text is not None:
        (tmp_path / "var" / "daemon.json").write_text(text)
    found = opsbot(tmp_path, "health")
    assert found.return_value == 3
    assert "start one with: opsbot serve" in found.output


def test_health_looks_where_the_state_is(tmp_path: Path) -> None:
    state = tmp_path / "state"
    (state / "var").mkdir(parents=True)
    (state / "var" / "daemon.json").write_text(json.dumps({**WELL, "monotonic": time.monotonic()}))
    told = subprocess.run(command(tmp_path, "health"), env={**os.environ, "OPSBOT_STATE": str(state)}, check=False)
    assert told.returncode == 0


def test_health_costs_next_to_nothing_and_imports_nothing(tmp_path: Path) -> None:
    code = (
        "import sys; sys.argv = ['opsbot', '--home', '.', 'health']\n"
        "from opsbot.__main__ import main\n"
        "try: main()\n"
        "except SystemExit as end: code = end.code\n"
        "print(sorted(m for m in sys.modules if m.startswith('opsbot')), code)"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    told = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert told.stdout.strip() == (
        "['opsbot', 'opsbot.__main__', 'opsbot.cli', 'opsbot.cli.health', 'opsbot.daemon', 'opsbot.daemon.heartbeat', "
        "'opsbot.errors'] 3"
    )
    # Some 50 ms on a quiet machine; the bound only notices a heavy import.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.25


def paused(home: Path) -> datetime | None:
    store = open_store(f"sqlite:///{home}/var/opsbot.db")
    try:
        return store.ledger().clockworks()["quick"].paused_until
    finally:
        store.close()


def test_pause_and_resume(tmp_path: Path) -> None:
    home = make_home(tmp_path, quick="pass")
    told = opsbot(home, "pause", "quick", "--until", "2099-12-27T08:00", "--reason", "freeze")
    assert (told.return_value, told.output) == (0, "quick is paused until Sun 2099-12-27 08:00 UTC\n")
    assert paused(home) == datetime(2099, 12, 27, 8, tzinfo=UTC)
    assert opsbot(home, "resume", "quick").output == "quick runs on its schedule again\n"
    assert opsbot(home, "resume", "quick").output == "quick is not paused\n"
    assert opsbot(home, "pause", "quick").output == "quick is paused until: opsbot resume quick\n"
    opsbot(home, "pause", "quick", "--until", "+2h")
    ahead = paused(home)
    assert ahead is not None
    assert timedelta(hours=1, minutes=59) < ahead - datetime.now(UTC) <= timedelta(hours=2)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        pytest.param(["pause", "quik"], 'there is no job "quik"; did you mean "quick"?', id="no such job"),
        pytest.param(["resume", "x"], 'there is no job "x"; known: ', id="unlike any"),
        pytest.param(["pause", "quick", "--until", "noon"], "expected ISO 8601", id="no time"),
        pytest.param(["pause", "quick", "--until", "+soon"], "expected a duration such as +2h", id="no duration"),
        pytest.param(["pause", "quick", "--until", "-2h"], "expected a time to come", id="the past"),
    ],
)
def test_a_pause_that_cannot_be_is_told_in_a_line(tmp_path: Path, words: list[str], told: str) -> None:
    home = make_home(tmp_path, quick="pass")
    found = opsbot(home, *words)
    assert told in str(found.exception)
    assert not (home / "var" / "opsbot.db").exists()


@dataclass
class Switch:
    """A dead-man's switch on loopback that answers what it is told to."""

    url: str = ""
    code: int = 200
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def switch() -> Iterator[Switch]:
    told = Switch()

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told.asked.append(self.path)
            self.send_response(told.code)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        told.url = f"http://127.0.0.1:{server.server_port}/ping/geheim"
        yield told
        server.shutdown()


def tell(orders: Orders, script: str = "") -> None:
    alive.tell(orders, lambda name: [sys.executable, "-S", "-c", script, name], os.environ)


def test_the_switch_is_asked(switch: Switch) -> None:
    tell(Orders(heartbeat_url=switch.url))
    assert switch.asked == ["/ping/geheim"]


@pytest.mark.parametrize(
    ("code", "told"), [(404, "answered 404"), (500, "answered 500")], ids=["not known there", "broken there"]
)
def test_a_switch_that_refuses_is_told_without_its_secret_path(switch: Switch, code: int, told: str) -> None:
    switch.code = code
    with pytest.raises(OpsbotError) as raised:
        tell(Orders(heartbeat_url=switch.url))
    assert raised.value.message == f"the dead-man's switch at 127.0.0.1 {told}"


@pytest.mark.parametrize(
    ("orders", "script", "told"),
    [
        pytest.param({"heartbeat_url": "http://127.0.0.1:1/x"}, "", "was not reached", id="nobody there"),
        pytest.param({"heartbeat_url": "file:///etc/passwd"}, "", "expected an address that begins with", id="no web address"),
        pytest.param({"heartbeat_metric": "A/B"}, "raise SystemExit('no credentials')", "A/B was not put: no credentials", id="metric refused"),
    ],
)  # fmt: skip
def test_what_does_not_get_through_is_told(orders: dict[str, str], script: str, told: str) -> None:
    with pytest.raises(OpsbotError, match=told):
        tell(Orders(**orders), script)  # type: ignore[arg-type]


def test_with_neither_nobody_is_asked_and_the_metric_is_put_by_a_child(tmp_path: Path) -> None:
    tell(Orders())
    tell(Orders(heartbeat_metric="A/B"), f"import sys; open({str(tmp_path / 'put')!r}, 'w').write(sys.argv[1])")
    assert (tmp_path / "put").read_text() == "A/B"
