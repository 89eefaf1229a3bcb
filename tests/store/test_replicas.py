"""Several processes on one store: each fire is one run, each run has one holder, each line of messages keeps its order."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from opsbot.errors import StoreError
from opsbot.model.message import Delivery
from opsbot.store import only_daemon, open_store
from tests import postgres
from tests.outbox.world import START, fresh, message
from tests.outbox.world import run as ended_run
from tests.store.claimer import FIRES, JOBS

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=["file", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgresql":
        return postgres.server().database()
    fresh(tmp_path / "opsbot.db").close()
    return f"sqlite:///{tmp_path}/opsbot.db"


@contextmanager
def process(*command: str) -> Iterator[subprocess.Popen[str]]:
    """A Python process of ours that ends with the block, however that ends."""
    said = [sys.executable, *command]
    with subprocess.Popen(said, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as started:
        try:
            yield started
        finally:
            started.kill()


def line(started: subprocess.Popen[str]) -> str:
    assert started.stdout is not None
    return started.stdout.readline().strip()


def test_no_two_workers_claim_one_run_and_no_two_runs_of_a_job_meet(url: str, tmp_path: Path) -> None:
    told = ("-m", "tests.store.claimer", url)
    with process(*told, "a", "queue", str(tmp_path)) as one, process(*told, "b", "queue", str(tmp_path)) as other:
        replicas = (one, other)
        assert [line(replica) for replica in replicas] == ["ready", "ready"]
        for replica in replicas:
            assert replica.stdin is not None
            replica.stdin.write("go\n")
            replica.stdin.flush()
        said = [json.loads(line(replica)) for replica in replicas]
    claimed = [id for replica in said for id in replica["claimed"]]
    assert sorted(claimed) == sorted(f"{job}-{n}" for job in JOBS for n in range(FIRES))
    assert sum(replica["planned"] for replica in said) == len(JOBS) * FIRES
    assert [replica["overlapped"] for replica in said] == [0, 0]
    store = open_store(url)
    ledger = store.ledger()
    assert {len(ledger.attempts(id)) for id in claimed} == {1}
    store.close()


def test_many_senders_keep_each_line_in_order(url: str) -> None:
    lines, length = 8, 6
    store = open_store(url)
    told = [
        message(f"{key}-{n}", f"channel-{key % 2}", key=f"key-{key}", reply_to="gone")
        for key in range(lines)
        for n in range(length)
    ]
    store.commit(ended_run(), (), told, ())
    under_way: dict[str, str] = {}
    left: dict[str, list[str]] = defaultdict(list)
    met: list[tuple[str, str]] = []

    def send(place: int) -> None:
        mine = open_store(url)
        while mine.messages_due(START):
            claimed = mine.claim(START, 60) if place % 2 else None
            found = [claimed] if claimed else mine.claim_of(f"channel-{place // 2}", START, 60, limit=3)
            for one in found:
                met.extend([(one.id, other)] if (other := under_way.get(one.key)) else [])
                under_way[one.key] = one.id
                left[one.key].append(one.id)
            for one in found:
                del under_way[one.key]
                mine.settle(one, Delivery.SENT, now=START)
        mine.close()

    senders = [threading.Thread(target=send, args=(place,)) for place in range(4)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    assert met == []
    assert left == {f"key-{key}": [f"{key}-{n}" for n in range(length)] for key in range(lines)}
    store.close()


def test_two_that_queue_into_one_line_wait_for_each_other(url: str) -> None:
    failed: list[StoreError] = []

    def tell(name: str) -> None:
        mine = open_store(url)
        for n in range(15):
            told = message(f"{name}-{n}", "slack", key="one", reply_to="gone")
            try:
                mine.commit(ended_run(f"{name}-{n}", job=name), (), (told,), ())
            except StoreError as error:
                failed.append(error)
        mine.close()

    tellers = [threading.Thread(target=tell, args=(name,)) for name in "abc"]
    for teller in tellers:
        teller.start()
    for teller in tellers:
        teller.join()
    store = open_store(url)
    assert (failed, len(store.messages())) == ([], 45)
    store.close()


HOLD = "import os, sys\nfrom opsbot.store import only_daemon\nwith only_daemon({url!r}, os.getpid()):\n    print('held', flush=True)\n    sys.stdin.read()\n"


def test_a_second_daemon_on_one_file_is_refused_and_told_who_has_it(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/var/opsbot.db"
    with process("-c", HOLD.format(url=url)) as first:
        assert line(first) == "held"
        with pytest.raises(StoreError) as refused, only_daemon(url, os.getpid()):
            pass
        assert refused.value.message.startswith(
            f"{tmp_path}/var/opsbot.db: another daemon serves it: process {first.pid} on"
        )
        assert "PostgreSQL" in refused.value.hint
        first.send_signal(signal.SIGKILL)
        first.wait()
        with only_daemon(url, os.getpid()):
            assert str(os.getpid()) in (tmp_path / "var" / "opsbot.db.lock").read_text()


def test_postgresql_takes_any_number_of_daemons() -> None:
    url = "postgresql+psycopg://nobody@127.0.0.1:1/none"
    with only_daemon(url, 1), only_daemon(url, 2):
        pass


def test_a_lock_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with (
        pytest.raises(StoreError, match=r"opsbot\.db\.lock: cannot be made"),
        only_daemon(f"sqlite:///{tmp_path}/file/opsbot.db", 1),
    ):
        pass
