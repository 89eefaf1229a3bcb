"""A sender may die at any instant: nothing is lost, Slack gets nothing twice, a mailbox at most once more a kill.

`OPSBOT_KILLS` sets how many random kills (default 100).
"""

from __future__ import annotations

import json
import os
import random
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from opsbot.model.message import Delivery, Format, Message
from opsbot.replica import mail, slack
from opsbot.store.sql import SqlStore
from tests.outbox.sender import KILLED
from tests.outbox.world import START, fresh, message, run

ROOT = Path(__file__).parents[2]
KILLS = int(os.environ.get("OPSBOT_KILLS", "100"))
# Longer than a lease and any backoff: what a dead sender held is due again.
GENERATION = timedelta(minutes=10)


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

    def send(self, *, fatal: int = 0, after: float | None = None) -> int:
        """One sender's life; its exit code. What it had put on the wire has been taken or dropped when this returns."""
        self.generation += 1
        peers = {"slack": self.slack.url, "mail": self.mail.port, "store": str(self.store.engine.url)}
        order = {**peers, "at": self.moment.isoformat(), "fatal": fatal, "after": after}
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        code = int(self.process.stdout.readline())
        assert self.slack.idle()
        return code

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


@pytest.fixture
def scene(tmp_path: Path, process: subprocess.Popen[str]) -> Iterator[Scene]:
    store = fresh(tmp_path / "opsbot.db")
    with slack.serve(pace=0, now=lambda: scene.moment.timestamp()) as chat, mail.serve() as post:
        scene = Scene(store=store, slack=chat, mail=post, process=process)
        yield scene
    store.close()


def test_every_numbered_crash_point_of_a_thread_and_a_letter(scene: Scene) -> None:
    """For every k: die at the k-th input or output, then live; what was told must not depend on k."""
    for k in count(1):
        batch = [
            message(f"root-{k}", "slack"),
            message(f"reply-{k}", "slack", key=f"root-{k}", reply_to=f"root-{k}"),
            message(f"letter-{k}", "email", Format.EMAIL),
        ]
        scene.queue(*batch)
        died = scene.send(fatal=k)
        assert died in (0, KILLED)
        assert scene.send() == 0
        _assert_thread(scene, k)
        assert 1 <= scene.mailed()[f"<letter-{k}@example.org>"] <= 1 + (died == KILLED)
        if died == 0:
            break
    # Claim, send and settle of three messages, the last empty claim: each before and after.
    assert k > 20
    _assert_all_told(scene)


def _assert_thread(scene: Scene, k: int) -> None:
    posts = [post for post in scene.slack.slack.posts if post.outbox_id in (f"root-{k}", f"reply-{k}")]
    assert [(post.outbox_id, post.thread_ts) for post in posts] == [(f"root-{k}", ""), (f"reply-{k}", posts[0].ts)]


def test_random_kills(scene: Scene) -> None:
    chance = random.Random(20261120)
    told: list[str] = []
    kills = 0
    lives = [_life(scene, told) for _ in range(5)]
    while kills < KILLS:
        # A short queue: the same message is then killed at again and again, and none grows old waiting.
        if len(scene.waiting()) < 6:
            _queue_pair(scene, told)
        kills += scene.send(after=chance.uniform(0.0, 1.2 * min(lives))) != 0
    while scene.waiting():
        assert scene.send() == 0
    assert scene.told() == {f"s-{name}": 1 for name in told}
    letters = scene.mailed()
    assert set(letters) == {f"<e-{name}@example.org>" for name in told}
    assert letters.total() - len(letters) <= kills
    _assert_all_told(scene)


def _queue_pair(scene: Scene, told: list[str]) -> None:
    name = f"m{len(told)}"
    told.append(name)
    scene.queue(message(f"s-{name}", "slack"), message(f"e-{name}", "email", Format.EMAIL))


def _life(scene: Scene, told: list[str]) -> float:
    """Seconds a sender lives when nobody kills it: kills are spread over that."""
    _queue_pair(scene, told)
    began = time.monotonic()
    assert scene.send() == 0
    return time.monotonic() - began


def _assert_all_told(scene: Scene) -> None:
    assert {kept.state for kept in scene.store.messages()} == {Delivery.SENT}
    database = scene.store.engine.url.database
    assert database
    with sqlite3.connect(database) as db:
        checked: Any = db.execute("PRAGMA integrity_check").fetchone()
    db.close()
    assert checked == ("ok",)
