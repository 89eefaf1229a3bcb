"""The real command, really killed: AWS has taken the change, and the answer is still on its way or never comes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine

from opsbot import app
from opsbot.audit import faults
from opsbot.home import find
from opsbot.model.runbook import RunState, StepState
from opsbot.replica.server import Running
from opsbot.store.sql import SqlStore
from tests.fault_proxy import fault_proxy
from tests.runbooks.crashing import calls
from tests.runbooks.stage import ROLL_BACK
from tests.runbooks.test_run_command import opsbot, place

__all__ = ["place"]

PATIENCE = 60.0


@pytest.fixture
def approved(place: Path, cloud: Running) -> SqlStore:
    """A home with a plan that somebody has approved; its rollout has worked as soon as it is looked at."""
    text = ROLL_BACK.replace("every: 15s", "every: 1s")
    (place / "runbooks" / "roll-back.md").write_text(text, encoding="utf-8")
    words = ("runbook", "run", "roll-back", "--env", "unilux-prod", "--resource", "quiz-api")
    assert opsbot(place, *words, url=cloud.url).code == 0
    assert opsbot(place, "runbook", "approve", "R-1", url=cloud.url, key="user-bo").code == 0
    return app.reach_on_paper(find(place, {}, place))[1]


def started(place: Path, url: str, *words: str) -> subprocess.Popen[str]:
    told = {
        "AWS_ENDPOINT_URL": url, "AWS_ACCESS_KEY_ID": "demo", "AWS_SECRET_ACCESS_KEY": "demo",
        "OPSBOT_DEMO_EXTERNAL_ID": "opsbot-demo", "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent", "PYTHONUNBUFFERED": "1",
    }  # fmt: skip
    return subprocess.Popen(
        [sys.executable, "-m", "opsbot", "--home", str(place), *words], env={**os.environ, **told},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def until(holds: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < end, "it did not come so far"
        time.sleep(0.005)


def test_killed_before_it_heard_the_answer(approved: SqlStore, place: Path, cloud: Running) -> None:
    before = calls(cloud)
    with fault_proxy(int(cloud.url.rpartition(":")[2])) as proxy:
        proxy.toxics.latency = 0.1
        with started(place, proxy.url, "runbook", "apply", "R-1") as process:
            until(lambda: calls(cloud) > before, process)
            process.kill()
    again = opsbot(place, "runbook", "apply", "R-1", url=cloud.url)
    assert (again.code, "R-1 is being carried out" in again.err, "ask again at" in again.err) == (3, True, True)
    with time_machine.travel(app.now() + timedelta(minutes=5)):
        found = opsbot(place, "runbook", "apply", "R-1", url=cloud.url)
    assert (found.code, calls(cloud)) == (0, before + 1), found.err
    assert "R-1 applied: it ended in the middle; all of it was done" in found.out
    assert [one.state for one in approved.journal().changes(1)] == [StepState.DONE]
    assert list(faults(approved.audit().rows(), approved.audit().head())) == []


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_while_it_waits_the_next_command_need_not_wait(
    approved: SqlStore, place: Path, cloud: Running, sent: signal.Signals, code: int
) -> None:
    never = ROLL_BACK.replace("running >= desired &&", "running > desired &&").replace("every: 15s", "every: 1s")
    (place / "runbooks" / "roll-back.md").write_text(never.replace("timeout: 2m", "timeout: 1h"), encoding="utf-8")
    words = ("runbook", "run", "roll-back", "--env", "unilux-prod", "--resource", "quiz-api")
    assert opsbot(place, *words, url=cloud.url).code == 0
    assert opsbot(place, "runbook", "approve", "R-2", url=cloud.url, key="user-bo").code == 0
    with started(place, cloud.url, "runbook", "apply", "R-2") as process:
        until(lambda: [one.state for one in approved.journal().changes(2)] == [StepState.DONE], process)
        process.send_signal(sent)
        told, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == code, told
    assert "stopped in the middle; this looks what came of it, and makes nothing twice:" in told
    run = approved.journal().run(2)
    assert run is not None
    assert run.state is RunState.APPLYING
    back = opsbot(place, "runbook", "rollback", "R-2", "--yes", url=cloud.url)
    assert back.code == 0, (back.out, back.err)
    assert back.out.splitlines()[-2] == "R-2 rolled back"
