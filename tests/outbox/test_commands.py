"""`opsbot outbox` as its user meets it, and `opsbot _send` as the process it is."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from opsbot.__main__ import main
from opsbot.model.message import Delivery, Format
from opsbot.replica import mail, slack
from opsbot.replica.slack import Fault
from opsbot.store.sql import SqlStore
from tests.outbox.test_sender import until
from tests.outbox.world import fresh, message, queue

ROOT = Path(__file__).parents[2]


@dataclass
class Desk:
    """A home with a Slack channel, a mailbox and a channel whose secret is missing; its store, and its commands."""

    home: Path
    store: SqlStore
    slack: slack.Running
    mail: mail.Running
    capture: pytest.CaptureFixture[str]

    def run(self, *words: str) -> tuple[int, str, str]:
        """Exit code, stdout, stderr."""
        sys.argv = ["opsbot", "--home", str(self.home), *words]
        with pytest.raises(SystemExit) as end:
            main()
        told = self.capture.readouterr()
        return int(str(end.value.code)), told.out, told.err

    def json(self, *words: str) -> Any:
        code, out, _ = self.run(*words, "--format", "json")
        assert code == 0
        return json.loads(out)

    def settle(self, state: Delivery, error: str, id: str = "") -> None:
        """The next message, or this one, has ended so."""
        claimed = self.store.claim(datetime.now(UTC), 60)
        assert claimed is not None
        assert claimed.id == (id or claimed.id)
        self.store.settle(claimed, state, now=datetime.now(UTC), error=error)


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setenv("TOKEN", "xoxb-loopback")
    monkeypatch.delenv("ABSENT", raising=False)
    monkeypatch.setattr(sys, "argv", sys.argv)
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "broken.py").write_text("raise RuntimeError('no job')\n")
    (tmp_path / "var").mkdir()
    store = fresh(tmp_path / "var" / "opsbot.db")
    with slack.serve(pace=0) as chat, mail.serve() as post:
        (tmp_path / "config.toml").write_text(
            f"""
[channels.ops]
kind = "slack"
token = "env:TOKEN"
channel = "C0123456"
name = "#ops"
base_url = "{chat.url}/api/"
timeout = 3.0
max_per_minute = 0

[channels.people]
kind = "email"
from = "opsbot@example.org"
to = ["ops@example.org"]
host = "127.0.0.1"
port = {post.port}
tls = "none"

[channels.closed]
kind = "slack"
token = "env:ABSENT"
channel = "C0123457"
"""
        )
        yield Desk(home=tmp_path, store=store, slack=chat, mail=post, capture=capsys)
    store.close()


def _message(id: str, channel: str = "ops", format_: Format = Format.SLACK, **changes: object) -> Any:
    return message(id, channel, format_, **{"created_at": datetime.now(UTC), "to": "#ops"} | changes)


def test_what_waits_is_listed_with_why_and_what_arrived_only_when_asked(desk: Desk) -> None:
    assert desk.run("outbox", "list") == (0, "", "nothing is waiting\n")
    queue(desk.store, _message("m1"), _message("m2"), _message("e1", "people", Format.EMAIL))
    desk.settle(Delivery.DEAD, "Slack refused it: no_text", "m1")
    desk.settle(Delivery.SENT, "", "m2")
    code, out, err = desk.run("outbox", "list")
    assert (code, [line.split()[:2] for line in out.splitlines()]) == (0, [["m1", "dead"], ["e1", "queued"]])
    assert "no_text" in out
    assert "1 message was not delivered to ops: opsbot outbox list --channel ops" in err
    assert [one["id"] for one in desk.json("outbox", "list", "--all")["messages"]] == ["m1", "m2", "e1"]
    assert [one["id"] for one in desk.json("outbox", "list", "--state", "sent")["messages"]] == ["m2"]
    assert [one["id"] for one in desk.json("outbox", "list", "--channel", "people")["messages"]] == ["e1"]


def test_one_message_is_shown_with_all_that_happened_to_it(desk: Desk) -> None:
    queue(desk.store, _message("m1", subject="2 of 8 need \x1b[31maction"))
    desk.settle(Delivery.DEAD, "Slack refused it: no_text")
    assert desk.run("outbox", "retry", "m1")[0] == 0
    assert desk.run("outbox", "drop", "m", "--reason", "told them on the phone")[0] == 0
    code, out, _ = desk.run("outbox", "show", "m1")
    assert code == 0
    assert "\x1b" not in out
    history = [line.split("UTC")[-1].strip() for line in out.splitlines() if "UTC  " in line]
    assert [line.split(" by ")[0] for line in history] == ["try 1: dead: Slack refused it: no_text", "retry", "drop"]
    assert history[-1].endswith(": told them on the phone")
    shown = desk.json("outbox", "show", "m1")
    assert (shown["state"], shown["tries"][0]["outcome"]) == ("dropped", "dead")
    assert [one["what"] for one in shown["interventions"]] == ["retry", "drop"]
    assert desk.run("outbox", "show", "m1", "--body")[1] == _message("m1").body.decode()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        pytest.param(["show", "nobody"], 'there is no message "nobody"; see: opsbot outbox list --all', id="unknown"),
        pytest.param(["retry"], "expected message ids, or --channel, or --all", id="retry what?"),
        pytest.param(["retry", "m1", "--all"], "expected message ids, or --channel, or --all", id="retry too much"),
        pytest.param(["drop", "m1"], "Missing option '--reason'", id="no reason"),
        pytest.param(["drop", "m1", "--reason", " "], "--reason: expected a few words", id="an empty reason"),
        pytest.param(["list", "--state", "lost"], "'lost' is not one of", id="unknown state"),
    ],
)
def test_mistakes_are_told_in_a_line(desk: Desk, words: list[str], told: str) -> None:
    queue(desk.store, _message("m1"))
    code, out, err = desk.run("outbox", *words)
    assert (code, out, told in err) == (2, "", True)


def test_an_ambiguous_beginning_names_some(desk: Desk) -> None:
    queue(desk.store, _message("m1"), _message("m2"))
    code, _, err = desk.run("outbox", "show", "m")
    assert (code, "several messages begin with 'm': m1, m2" in err) == (3, True)


def test_what_arrived_cannot_be_dropped_or_retried(desk: Desk) -> None:
    queue(desk.store, _message("m1"))
    desk.settle(Delivery.SENT, "")
    assert desk.run("outbox", "drop", "m1", "--reason", "x")[0] == 3
    code, _, err = desk.run("outbox", "retry", "m1")
    assert (code, err) == (3, "m1 was not tried again: it is sent\nnothing was tried again\n")


def test_by_hand_everything_due_is_tried_and_a_broken_channel_stops_no_other(desk: Desk) -> None:
    queue(desk.store, _message("m1"), _message("e1", "people", Format.EMAIL), _message("c1", "closed"))
    code, out, _ = desk.run("outbox", "send")
    assert code == 4
    assert {line.split()[0]: line.split()[1] for line in out.splitlines() if not line.startswith("closed.")} == {
        "m1": "sent", "e1": "sent", "c1": "held",
    }  # fmt: skip
    assert "the environment variable ABSENT is not set" in out
    assert "cannot be opened" in desk.mail.messages[-1].parsed.get_content()
    assert [post.outbox_id for post in desk.slack.slack.posts] == ["m1"]


def test_a_retry_opens_a_channel_that_was_mended(desk: Desk) -> None:
    desk.slack.slack.script(Fault(error="is_archived"))
    queue(desk.store, _message("m1"), _message("m2"))
    assert desk.run("outbox", "send")[0] == 4
    code, out, _ = desk.run("outbox", "retry", "--channel", "ops")
    assert (code, out) == (0, "m1 is tried again\nm2 is tried again\n")
    due = desk.store.messages_due(datetime.now(UTC))["ops"]
    assert due <= datetime.now(UTC)


def test_f28_the_senders_process_drains_on_sigterm_and_the_next_one_looks_first(desk: Desk) -> None:
    """One life of `opsbot _send` is ended in mid-send by SIGTERM, the next by SIGKILL, the third finishes."""
    desk.slack.slack.script(Fault(latency=1.0))
    queue(desk.store, _message("m1"), _message("m2"), _message("e1", "people", Format.EMAIL))
    with _send(desk) as first:
        until(lambda: desk.slack.slack.calls != [] and len(desk.mail.messages) > 0)
        first.send_signal(signal.SIGTERM)
        assert first.wait(10) == 0
    assert [post.outbox_id for post in desk.slack.slack.posts] == ["m1"]
    assert _states(desk) == {"m1": "sent", "m2": "queued", "e1": "sent"}
    desk.slack.slack.script(Fault(stall=True, accepted=True))
    with _send(desk) as second:
        until(lambda: len(desk.slack.slack.posts) == 2)
        second.kill()
    _age_leases(desk)
    with _send(desk) as third:
        until(lambda: set(_states(desk).values()) == {"sent"})
        third.terminate()
        assert third.wait(10) == 0
        assert "Traceback" not in _said(third)
    assert [post.outbox_id for post in desk.slack.slack.posts] == ["m1", "m2"]
    assert len(desk.mail.messages) == 1


def _send(desk: Desk) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "opsbot", "--home", str(desk.home), "--log-format", "json", "_send"],
        cwd=ROOT, env=dict(os.environ), stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def _said(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    return process.stderr.read()


def _states(desk: Desk) -> dict[str, str]:
    return {told.id: told.state.value for told in desk.store.messages()}


def _age_leases(desk: Desk) -> None:
    """What the dead sender held is renewed by the test until just now, instead of waiting half a minute."""
    held = {told.id: told.attempts for told in desk.store.messages(states=(Delivery.SENDING,))}
    assert desk.store.renew(held, datetime.now(UTC) - timedelta(minutes=1), 30) == frozenset()
