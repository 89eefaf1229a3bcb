"""A night under the real daemon: what time alone brings reaches people, while a runbook hangs and the jobs go on."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path

import pytest

from opsbot import app
from opsbot.alerting import Book, Looked, turn
from opsbot.compose import compose_notices
from opsbot.home import find
from opsbot.model.alert import Silence
from opsbot.model.finding import Finding
from opsbot.model.message import Delivery
from opsbot.model.run import RunState
from opsbot.model.status import Status
from opsbot.model.units import Unit
from opsbot.ports import Step
from opsbot.store.sql import SqlStore
from tests.daemon.served import make_home, served, wait_for

MORE = """
[channels.pager]
kind = "file"
folder = "{folder}"
format = "email"

[[routes]]
name = "calls"
match = {{ check = "down" }}
priority = "P0"
channels = ["pager"]
incident = true
runbook = "auto"
group_by = ["alert"]

[[routes]]
name = "page"
priority = "P1"
channels = ["pager"]
group_by = ["alert"]
"""
HANGS = "# Hangs\n\n```step\n{id: seen, uses: alarms, timeout: 60s}\n```\n"


@pytest.fixture
def dead_end(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An AWS that takes every connection and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.getsockname()[1]}")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "demo")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "demo")
        yield


def test_what_time_alone_brings_is_told_and_nothing_waits_for_a_runbook(dead_end: None, tmp_path: Path) -> None:
    home = make_home(tmp_path, MORE.format(folder=tmp_path / "pager"), quick="print('hello')", health="pass")
    (home / "runbooks").mkdir()
    (home / "runbooks" / "hangs.md").write_text(HANGS)
    _five_hours_ago(home)
    with served(home) as daemon:
        book = daemon.store.incidents()
        wait_for(lambda: not book.to_look_at(datetime.now(UTC)), daemon.said)
        # The runbook hangs by now. All that follows goes on beside it.
        daemon.queue("quick", "run-quick")
        wait_for(lambda: len(_reasons(daemon.store)) >= 7, daemon.said)
        assert sorted(_reasons(daemon.store)) == [
            "acknowledged by ana 4h ago, and it still fires", "new", "new", "new", "repeat after 5h", "repeat after 5h",
            "silence by ana is over, and it still fires",
        ]  # fmt: skip
        daemon.wait_for_run("run-quick", RunState.SUCCEEDED)
        assert daemon.get("healthz")[0] == 200
        # Nobody has heard of the runbook yet: it hangs still.
        assert daemon.store.journal().runs() == ()
        daemon.tell(signal.SIGTERM)
        assert daemon.wait() == 0


def _five_hours_ago(home: Path) -> None:
    """Three were told of, one of them was taken in hand an hour later, and the fourth was silenced until a minute ago."""
    config, store, channels = app.reach_on_paper(find(home, {}, home))
    now = datetime.now(UTC)
    at = now - timedelta(hours=5)
    silence = Silence(id="sil-1", match=(("resource", "quiet"),), owner="ana", reason="restore", starts_at=at,
                      ends_at=now - timedelta(minutes=1))  # fmt: skip
    store.alerts().silence(silence)
    checks = {"left": "cpu", "taken": "cpu", "quiet": "cpu", "gone": "down"}
    found = tuple(
        Finding(check=check, environment="shop-prod", resource=name, status=Status.CRITICAL, at=at, unit=Unit.COUNT,
                summary="at 93 %", runbook="hangs", title="CPU", area="ecs")
        for name, check in checks.items()
    )  # fmt: skip
    looked = Looked(job="health", at=at, findings=found, environments={one.name: one for one in config.environments})
    ids = iter(range(100))

    def step(book: Book) -> Step:
        turned = turn(book, config.policy, at, lambda: f"m{next(ids)}", looked)
        told = (compose_notices(one, channels[one.channel], "UTC") for one in turned.notices)
        return Step(turned=turned, messages=tuple(chain.from_iterable(told)))

    store.alerts().turn(step)
    while (message := store.claim(at, 60)) is not None:
        store.settle(message, Delivery.SENT, now=at)
    store.alerts().acknowledge(("shop-prod/cpu/taken",), "ana", "looking", at + timedelta(hours=1))
    # The daemon of that time has told of it, and has been off since.
    store.close()


def _reasons(store: SqlStore) -> list[str]:
    sent = [one for one in store.messages(channel="pager") if one.state is Delivery.SENT]
    return [one.body.decode().partition("Why now: ")[2].partition(".\r\n")[0] for one in sent]
