"""A sender may die at any instant: nothing is lost, Slack gets nothing twice, a mailbox at most once more a kill.

`OPSBOT_KILLS` sets how many random kills (default 500 on SQLite, a tenth of it on PostgreSQL).
"""

from __future__ import annotations

import json
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from opsbot.model.message import Delivery, Format, Message
from opsbot.replica import mail, pagerduty, receiver, slack
from opsbot.store import open_store
from opsbot.store.sql import SqlStore
from tests.outbox.sender import KILLED
from tests.outbox.world import START, fresh, message, run
from tests.postgres import server

ROOT = Path(__file__).parents[2]
MEMORY = Path("/dev/shm")
KILLS = int(os.environ.get("OPSBOT_KILLS", "500"))
# Longer than a lease and any backoff: what a dead sender held is due again.
GENERATION = timedelta(minutes=10)


# What a sender is told besides where its peers are: which input or output is fatal, after how many seconds it is killed,
# what it stands still after, how long its requests and leases last.
_ORDER = {
    "act": "fork", "by_hand": False, "fatal": 0, "after": None, "halt": "", "timeout": 10.0, "lease": 30.0,
}  # fmt: skip


@dataclass
class Scene:
    """One store, a Slack and a mailbox, and senders that come one after another, each ten minutes later."""

    store: SqlStore
    slack: slack.Running
    mail: mail.Running
    process: subprocess.Popen[str]
    generation: int = 0

    @property
    def moment(self) -> datetime:
        return START + self.generation * GENERATION

    def send(self, **given: Any) -> int:
        """One sender's life; its exit code. What it had put on the wire has been taken or dropped when this returns."""
        self.generation += 1
        peers = {
            "slack": self.slack.url,
            "mail": self.mail.port,
            "store": self.store.engine.url.render_as_string(hide_password=False),
        }
        order = _ORDER | given | peers | {"at": self.moment.isoformat()}
        code = self._ask(order)
        assert order["halt"] or self.slack.idle()
        return code

    def resume(self, sender: int) -> int:
        """Let a sender that stands still go on; its exit code."""
        return self._ask({"act": "resume", "child": sender})

    def _ask(self, order: dict[str, Any]) -> int:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def queue(self, *messages: Message) -> None:
        made = [replace(told, created_at=self.moment) for told in messages]
        self.store.commit(run(f"run-{messages[0].id}"), (), made, ())

    def waiting(self) -> tuple[Message, ...]:
        return self.store.messages(states=(Delivery.QUEUED, Delivery.SENDING))

    def told(self) -> Counter[str]:
        return Counter(post.outbox_id for post in self.slack.slack.posts)

    def mailed(self) -> Counter[str]:
        return Counter(letter.message_id for letter in self.mail.messages)


@pytest.fixture(scope="module")
def process() -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.outbox.sender"],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as started:  # fmt: skip
        yield started
        assert started.stdin
        started.stdin.close()


@contextmanager
def staged(store: SqlStore, process: subprocess.Popen[str]) -> Iterator[Scene]:
    with slack.serve(pace=0, now=lambda: scene.moment.timestamp()) as chat, mail.serve() as post:
        scene = Scene(store=store, slack=chat, mail=post, process=process)
        yield scene
    store.close()


@pytest.fixture
def folder() -> Iterator[Path]:
    # A kill loses nothing that was written, to whatever disk; in memory there is time for more of them.
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as name:
        yield Path(name)


@pytest.fixture
def scene(folder: Path, process: subprocess.Popen[str]) -> Iterator[Scene]:
    with staged(fresh(folder / "opsbot.db"), process) as scene:
        yield scene


def test_f01_every_numbered_crash_point_of_a_thread_and_a_letter(scene: Scene) -> None:
    """For every k: die at the k-th input or output, then live; what was told must not depend on k."""
    for k in count(1):
        batch = [
            message(f"root-{k}", "slack"),
            message(f"reply-{k}", "slack", key=f"root-{k}", reply_to=f"root-{k}"),
            message(f"letter-{k}", "email", Format.EMAIL),
        ]
        scene.queue(*batch)
        died = scene.send(fatal=k, by_hand=True)
        assert died in (0, KILLED)
        assert scene.send(by_hand=True) == 0
        _assert_thread(scene, k)
        assert 1 <= scene.mailed()[f"<letter-{k}@example.org>"] <= 1 + (died == KILLED)
        if died == 0:
            break
    # Claim, send and settle of three messages, the last empty claim: each before and after.
    assert k > 20
    assert {kept.state for kept in scene.store.messages()} == {Delivery.SENT}
    _assert_intact(scene)


def test_f01_every_numbered_crash_point_of_a_page_and_a_fact(scene: Scene) -> None:
    """For every k: die at the k-th input or output, then live; one incident is open, and a machine knows a repeat by its id."""
    with pagerduty.serve() as pager, receiver.serve() as hook:
        for k in count(1):
            scene.queue(
                message(f"first-{k}", "pager", Format.EVENT, key=f"page-{k}"),
                message(f"fact-{k}", "hook", Format.JSON),
            )
            peers = {"by_hand": True, "pager": pager.url, "hook": hook.url}
            died = scene.send(fatal=k, **peers)
            assert died in (0, KILLED)
            assert scene.send(**peers) == 0
            assert [one.key for one in pager.pagerduty.open].count(f"first-{k}") == 1
            ids = Counter(one.headers["idempotency-key"] for one in hook.requests)
            assert 1 <= ids[f"fact-{k}"] <= 1 + (died == KILLED)
            if died == 0:
                break
    # Claim, send and settle of two messages, the last empty claim: each before and after.
    assert k > 14
    assert {kept.state for kept in scene.store.messages()} == {Delivery.SENT}


def test_f01_every_numbered_crash_point_of_a_card_s_edit_and_of_what_changed(scene: Scene) -> None:
    """For every k: die at the k-th input or output, then live; there is one card, as it is by now, and each change once."""
    scene.queue(message("edit-0", "slack", key="trouble"))
    assert scene.send(by_hand=True) == 0
    for k in count(1):
        edit = replace(message(f"edit-{k}", "slack", key="trouble", edits=f"edit-{k - 1}"), body=b'{"text": "%d"}' % k)
        scene.queue(edit, message(f"change-{k}", "slack", key="trouble/changes", reply_to=edit.id))
        died = scene.send(fatal=k, by_hand=True)
        assert died in (0, KILLED)
        assert scene.send(by_hand=True) == 0
        card, *changes = scene.slack.slack.posts
        assert (card.text, card.outbox_id) == (str(k), "edit-0")
        assert [change.outbox_id for change in changes] == [f"change-{n}" for n in range(1, k + 1)]
        assert {change.thread_ts for change in changes} == {card.ts}
        if died == 0:
            break
    assert k > 10
    assert {kept.state for kept in scene.store.messages()} == {Delivery.SENT}


def _assert_thread(scene: Scene, k: int) -> None:
    posts = [post for post in scene.slack.slack.posts if post.outbox_id in (f"root-{k}", f"reply-{k}")]
    assert [(post.outbox_id, post.thread_ts) for post in posts] == [(f"root-{k}", ""), (f"reply-{k}", posts[0].ts)]


@pytest.mark.parametrize("halt", ["claim_of", "send"])
def test_f04_a_sender_that_stood_still_past_its_lease_tells_nobody_twice(scene: Scene, halt: str) -> None:
    """SIGSTOP after the claim, or after Slack has it; a second sender takes over; SIGCONT."""
    scene.queue(message("s1", "slack"))
    stopped = scene.send(halt=halt, timeout=0.2, lease=0.6)
    assert stopped > 0
    time.sleep(1.3)
    assert scene.send(timeout=0.2) == 0
    assert scene.resume(stopped) == 0
    assert scene.told() == {"s1": 1}
    (kept,) = scene.store.messages()
    assert (kept.state, kept.attempts) == (Delivery.SENT, 2)


def test_f04_a_letter_is_not_repeated_by_a_sender_that_stood_still(scene: Scene) -> None:
    """Nobody can look into a mailbox: only the fence keeps the stale sender quiet."""
    scene.queue(message("e1", "email", Format.EMAIL))
    stopped = scene.send(halt="claim_of", timeout=0.2, lease=0.6)
    time.sleep(1.3)
    assert scene.send(timeout=0.2) == 0
    assert scene.resume(stopped) == 0
    assert scene.mailed() == {"<e1@example.org>": 1}


@pytest.mark.timeout(3600)
def test_f01_random_kills(scene: Scene) -> None:
    _kill_at_random(scene, KILLS)
    _assert_intact(scene)


@pytest.mark.timeout(3600)
def test_f01_random_kills_on_postgresql(process: subprocess.Popen[str]) -> None:
    with staged(open_store(server().database()), process) as scene:
        _kill_at_random(scene, max(KILLS // 10, 1))


def _kill_at_random(scene: Scene, most: int) -> None:
    chance = random.Random(20261120)
    told: list[str] = []
    kills = 0
    _queue_pair(scene, told)
    assert scene.send(act="rehearse") == 0
    lives = [_life(scene, told) for _ in range(3)]
    while kills < most:
        # A short queue: the same message is then killed at again and again, and none grows old waiting.
        if len(scene.waiting()) < 6:
            _queue_pair(scene, told)
        kills += scene.send(after=chance.uniform(0.0, min(lives))) != 0
    while scene.waiting():
        assert scene.send() == 0
    # What was killed at for half an hour comes in a thread whose cover is told once, too.
    posted, letters = scene.told(), scene.mailed()
    assert set(posted.values()) == {1}
    assert {id for id in posted if ".late-" not in id} == {f"s-{name}" for name in told}
    assert {id for id in letters if ".late-" not in id} == {f"<e-{name}@example.org>" for name in told}
    assert letters.total() - len(letters) <= kills
    assert {kept.state for kept in scene.store.messages()} == {Delivery.SENT}


def _queue_pair(scene: Scene, told: list[str]) -> None:
    name = f"m{len(told)}"
    told.append(name)
    scene.queue(message(f"s-{name}", "slack"), message(f"e-{name}", "email", Format.EMAIL))


def _life(scene: Scene, told: list[str]) -> float:
    """Seconds a sender is at work when nobody kills it: kills are spread over that."""
    _queue_pair(scene, told)
    began = time.monotonic()
    assert scene.send() == 0
    return time.monotonic() - began


def _assert_intact(scene: Scene) -> None:
    database = scene.store.engine.url.database
    assert database
    with sqlite3.connect(database) as db:
        checked: Any = db.execute("PRAGMA integrity_check").fetchone()
    db.close()
    assert checked == ("ok",)
