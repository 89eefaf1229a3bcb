"""`opsbot worker` as it is deployed: beside a broker and the store, told to end while a run is at work."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from opsbot.cli.worker import refused
from opsbot.daemon.orders import Orders
from opsbot.executors import celery
from opsbot.model.run import RunState
from tests.executors import brokers
from tests.executors.home import by_the_clock, home
from tests.executors.test_exec import WAITS
from tests.executors.test_supervisor import alive, pids

DAEMON = """
[daemon]
executor = "celery"
broker = "env:BROKER"
drain = "1s"
"""


@contextmanager
def started(words: list[str], **options: Any) -> Iterator[subprocess.Popen[str]]:
    """A process that does not outlive its test, however that ends."""
    with subprocess.Popen(words, **options) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_worker_that_is_told_to_end_hands_back_what_it_cannot_finish(tmp_path: Path) -> None:
    house = home(tmp_path, WAITS.format(marks=str(tmp_path)), more=DAEMON)
    with brokers.redis() as (broker, _):
        environ = {**house.environ, "BROKER": broker}
        words = [sys.executable, "-m", "opsbot", "--home", str(tmp_path), "worker"]
        with started(words, env=environ, stderr=subprocess.PIPE, text=True) as worker:
            run = house.due(by_the_clock() - timedelta(seconds=1))
            app = celery.application(broker, timedelta(minutes=10))
            assert celery.Offers(app, house.store, by_the_clock).dispatch({"tested"}) == 1
            at_work = pids(tmp_path / "pid")[0]
            assert house.now_in_ledger(run).state is RunState.RUNNING
            worker.send_signal(signal.SIGTERM)
            said = worker.communicate(timeout=60.0)[1]
            app.close()
    assert worker.returncode == 0, said
    assert not alive(at_work)
    found = house.now_in_ledger(run)
    assert (found.state, found.attempt) == (RunState.QUEUED, 1)
    assert "interrupted" in found.reason
    assert [attempt.outcome for attempt in house.store.ledger().attempts(run.id)] == ["retried"]
    assert "Traceback" not in said
    house.store.close()


@pytest.mark.parametrize(
    ("orders", "problems"),
    [
        pytest.param(Orders(executor="celery"), (), id="right"),
        pytest.param(
            Orders(), ('config.toml.daemon.executor: expected "celery" for a worker, got "local"',), id="no queue"
        ),
        pytest.param(Orders(problems=("config.toml: broken",)), ("config.toml: broken",), id="problems"),
    ],
)
def test_a_home_without_a_task_queue_needs_no_worker(orders: Orders, problems: tuple[str, ...]) -> None:
    assert refused(orders) == problems
