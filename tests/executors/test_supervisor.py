"""Children that hang, ignore, escape, crash and shout; and daemons that are killed under them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from opsbot.executors import child
from opsbot.executors.local import Ended, Supervisor
from opsbot.model.run import Run, RunState

NOW = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
# Holds the interpreter's lock in C code, and lets TERM bounce off.
STUCK = "import ctypes, signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); ctypes.PyDLL(None).sleep(60)"
# Two descendants: one in the run's group, one that left it for a session of its own.
FAMILY = """
import os, subprocess, sys, time
kin = [subprocess.Popen(["sleep", "60"]), subprocess.Popen(["sleep", "60"], start_new_session=True)]
with open(sys.argv[-3], "w") as file:
    file.write(" ".join(map(str, [os.getpid(), *(one.pid for one in kin)])))
"""


def run(id: str = "RUN", **changes: object) -> Run:
    told: dict[str, object] = {
        "job": "tested",
        "queued_at": NOW,
        "started_at": NOW,
        "at": NOW,
        "state": RunState.RUNNING,
    }
    return Run(id=id, owner="here:1", **told | changes)  # type: ignore[arg-type]


def python(code: str, *words: str) -> list[str]:
    return [sys.executable, "-c", code, *words]


def over(code: str, logs: Path, seconds: float = 20.0, *words: str, **options: object) -> Ended:
    supervisor = Supervisor(python(code, *words), logs, **options)  # type: ignore[arg-type]
    supervisor.start(run(), timedelta(seconds=seconds))
    (ended,) = supervisor.ended(30.0)
    return ended


def log(logs: Path) -> str:
    return (logs / "tested" / "RUN.1.log").read_text()


def until(true: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Whether it comes true; looked at often, because nothing wakes us for it."""
    end, tick = time.monotonic() + seconds, threading.Event()
    while time.monotonic() < end:
        if true():
            return True
        tick.wait(0.02)
    return False


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def written(path: Path) -> bool:
    return path.exists() and path.read_text() != ""


def pids(path: Path) -> list[int]:
    assert until(lambda: written(path), 60.0)
    return [int(word) for word in path.read_text().split()]


def test_what_a_run_printed_and_used_is_known(tmp_path: Path) -> None:
    ended = over("import sys; x = b'.' * 50_000_000; print(sys.argv[1:]); print('and this', file=sys.stderr)", tmp_path)
    assert (ended.state, ended.given_up, ended.interrupted) == (None, False, False)
    assert log(tmp_path) == "['RUN', '1']\nand this\n"
    assert ended.run.log == "tested/RUN.1.log"
    assert ended.attempt.exit_code == 0
    assert ended.attempt.cpu_seconds > 0
    assert 50_000_000 < ended.attempt.peak_rss < 100_000_000
    assert ended.attempt.ended_at is not None
    assert timedelta(0) < ended.attempt.ended_at - NOW < timedelta(seconds=20)


@pytest.mark.parametrize(
    ("code", "state", "reason"),
    [
        pytest.param("pass", None, "", id="it committed its own end"),
        pytest.param(f"exit({child.FENCED})", None, "", id="it is somebody else's"),
        pytest.param(
            f"import os; os.write(int(os.environ['{child.LINE}']), b'{{\"error\": \"no credentials\"}}\\n'); exit({child.FAILED})",
            RunState.FAILED, "no credentials", id="it failed and says why",
        ),
        pytest.param("exit(3)", RunState.FAILED, "ended with exit code 3 and without an answer; its log says more", id="crash"),
        pytest.param(
            f"import os; os.write(int(os.environ['{child.LINE}']), b'{{\"committed\": \"\"}}\\n'); os._exit(0)",
            RunState.FAILED, "ended with exit code 0 and without an answer; its log says more", id="ends well and says nothing",
        ),
        pytest.param("import os; os.abort()", RunState.FAILED, "killed by signal 6 (SIGABRT)", id="aborted"),
    ],
)  # fmt: skip
def test_how_it_ended_is_told_by_its_exit_code(tmp_path: Path, code: str, state: RunState | None, reason: str) -> None:
    ended = over(code, tmp_path)
    assert ended.state == state
    assert ended.run.reason == (reason or "it ended without an answer")


def test_a_command_that_does_not_exist_is_a_failure_in_words(tmp_path: Path) -> None:
    supervisor = Supervisor(["/no/such/program"], tmp_path)
    supervisor.start(run(), timedelta(seconds=5))
    (ended,) = supervisor.ended(10.0)
    assert ended.state is RunState.FAILED
    assert ended.run.reason == "/no/such/program: cannot be started: no such file or directory"


def test_f31_a_job_stuck_in_c_code_that_ignores_term_is_killed_at_its_deadline(tmp_path: Path) -> None:
    began = time.monotonic()
    ended = over(STUCK, tmp_path, 1.0, grace=timedelta(seconds=0.3))
    assert time.monotonic() - began < 6
    assert ended.state is RunState.TIMED_OUT
    assert ended.run.reason == "ended at its deadline of 1s"
    assert ended.attempt.exit_code == -signal.SIGKILL
    assert log(tmp_path) == "up\n"


def test_a_run_that_heeds_term_gets_its_grace(tmp_path: Path) -> None:
    code = "import signal, time; signal.signal(signal.SIGTERM, lambda *_: exit(print('tidied up')))\ntime.sleep(60)"
    assert over(code, tmp_path, 0.5).state is None
    assert log(tmp_path) == "tidied up\n"


@pytest.mark.parametrize("ending", ["by itself", "deadline", "cancel", "stop", "exit of the leader alone"])
def test_nothing_that_a_run_started_outlives_it(tmp_path: Path, ending: str) -> None:
    waits = "" if ending in ("by itself", "exit of the leader alone") else "time.sleep(60)"
    if ending == "exit of the leader alone":
        waits = "os._exit(1)"
    supervisor = Supervisor(python(FAMILY + waits, str(tmp_path / "pids")), tmp_path, grace=timedelta(seconds=0.3))
    supervisor.start(run(), timedelta(seconds=0.5 if ending == "deadline" else 30))
    family = pids(tmp_path / "pids")
    if ending == "cancel":
        assert supervisor.cancel("RUN", "enough")
    found = supervisor.stop(timedelta(seconds=0.3)) if ending == "stop" else supervisor.ended(20.0)
    assert [ended.run.id for ended in found] == ["RUN"]
    assert [pid for pid in family if alive(pid)] == []
    assert supervisor.running() == {}


def test_cancelled_and_interrupted_runs_are_told_apart(tmp_path: Path) -> None:
    supervisor = Supervisor(python("import time; time.sleep(60)"), tmp_path)
    for name in ("A", "B"):
        supervisor.start(run(name), timedelta(seconds=30))
    assert supervisor.running() == {"A": 1, "B": 1}
    assert supervisor.cancel("A", "cancelled by kim: wrong account")
    assert not supervisor.cancel("C", "never there")
    (a,) = supervisor.ended(20.0)
    (b,) = supervisor.stop(timedelta(seconds=1))
    assert (a.run.id, a.state, a.run.reason, a.interrupted) == (
        "A",
        RunState.CANCELLED,
        "cancelled by kim: wrong account",
        False,
    )
    assert (b.run.id, b.state, b.interrupted) == ("B", RunState.FAILED, True)


def test_a_warden_that_is_told_to_end_takes_its_run_along(tmp_path: Path) -> None:
    """As when a container's runtime sends TERM to every process in it."""
    supervisor = Supervisor(python(FAMILY + "time.sleep(60)", str(tmp_path / "pids")), tmp_path)
    supervisor.start(run(), timedelta(seconds=30))
    family = pids(tmp_path / "pids")
    os.kill(warden_of(family[0]), signal.SIGTERM)
    (ended,) = supervisor.ended(20.0)
    assert (ended.state, ended.interrupted) == (RunState.FAILED, False)
    assert ended.run.reason == "interrupted: the process it ran under was stopped"
    assert not any(map(alive, family))


def test_whoever_waits_for_an_end_hears_of_runs_started_meanwhile(tmp_path: Path) -> None:
    supervisor = Supervisor(python("pass"), tmp_path)
    starts = threading.Timer(0.2, lambda: supervisor.start(run(), timedelta(seconds=20)))
    starts.start()
    found: list[Ended] = []
    end = time.monotonic() + 20
    while not found and time.monotonic() < end:
        found = supervisor.ended(20.0)
    starts.join()
    assert [ended.run.id for ended in found] == ["RUN"]


DAEMON = """
import json, sys, time
from datetime import timedelta
from pathlib import Path
sys.path.insert(0, sys.argv[4])
from opsbot.executors.local import Supervisor
from tests.executors.test_supervisor import run
supervisor = Supervisor(json.loads(sys.argv[1]), Path(sys.argv[2]))
if float(sys.argv[3]):
    supervisor.renewed(timedelta(seconds=float(sys.argv[3])))
supervisor.start(run(), timedelta(seconds=60))
print("started", flush=True)
while True:
    supervisor.ended(60)
"""


@contextmanager
def daemon(command: list[str], logs: Path, lease: float = 0.0) -> Iterator[subprocess.Popen[str]]:
    """A process with a supervisor, as `opsbot serve` is one."""
    root = str(Path(__file__).parents[2])
    words = [sys.executable, "-c", DAEMON, json.dumps(command), str(logs), str(lease), root]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                process.kill()


def warden_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


@pytest.mark.parametrize("victims", ["daemon", "warden", "daemon in mid-start"])
def test_no_run_and_nothing_it_started_outlives_a_killed_daemon_or_warden(tmp_path: Path, victims: str) -> None:
    with daemon(python(FAMILY + "time.sleep(60)", str(tmp_path / "pids")), tmp_path) as process:
        if victims == "daemon in mid-start":
            assert process.stdout is not None
            process.stdout.readline()
            process.kill()
            began = until(lambda: written(tmp_path / "pids"), 1.0)
            assert not began or until(lambda: not any(map(alive, pids(tmp_path / "pids"))))
            return
        family = pids(tmp_path / "pids")
        assert all(map(alive, family))
        os.kill(process.pid if victims == "daemon" else warden_of(family[0]), signal.SIGKILL)
        # Of a killed warden the group's members die; who left the group and lost its warden too is beyond reach.
        doomed = family if victims == "daemon" else family[:2]
        assert until(lambda: not any(map(alive, doomed)))
        with suppress(ProcessLookupError):
            os.kill(family[2], signal.SIGKILL)


def test_a_run_dies_even_if_daemon_and_warden_are_killed_at_once(tmp_path: Path) -> None:
    with daemon(python(FAMILY + "time.sleep(60)", str(tmp_path / "pids")), tmp_path) as process:
        family = pids(tmp_path / "pids")
        warden = warden_of(family[0])
        os.kill(process.pid, signal.SIGSTOP)
        for pid in (process.pid, warden):
            os.kill(pid, signal.SIGKILL)
        assert until(lambda: not alive(family[0]))
        for pid in family[1:]:
            os.kill(pid, signal.SIGKILL)


def test_the_run_of_a_daemon_that_stands_still_ends_before_its_lease(tmp_path: Path) -> None:
    began = time.monotonic()
    with daemon(python(FAMILY + "time.sleep(60)", str(tmp_path / "pids")), tmp_path, lease=2.0) as process:
        family = pids(tmp_path / "pids")
        os.kill(process.pid, signal.SIGSTOP)
        assert until(lambda: not any(map(alive, family)))
        assert time.monotonic() - began >= 1.5


def test_a_renewed_lease_keeps_a_run_going(tmp_path: Path) -> None:
    supervisor = Supervisor(python("import time; time.sleep(1.2)"), tmp_path)
    supervisor.renewed(timedelta(seconds=1))
    supervisor.start(run(), timedelta(seconds=30))
    found: list[Ended] = []
    while not found:
        supervisor.renewed(timedelta(seconds=1))
        found = supervisor.ended(0.2)
    assert found[0].state is None
    supervisor.start(run(), timedelta(seconds=30))
    (ended,) = supervisor.ended(20.0)
    assert ended.state is RunState.FAILED
    assert ended.run.reason == "ended because its lease could not be renewed"


def test_f27_a_run_killed_from_outside_may_have_run_out_of_memory(tmp_path: Path) -> None:
    ended = over("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", tmp_path)
    assert ended.state is RunState.FAILED
    assert ended.run.reason == "killed from outside, perhaps because memory ran out"


def test_f27_a_limit_on_memory_ends_the_run_and_not_its_daemon(tmp_path: Path) -> None:
    ended = over("x = bytearray(800_000_000)", tmp_path, memory=400_000_000)
    assert ended.state is RunState.FAILED
    assert ended.attempt.exit_code == 1
    assert "MemoryError" in log(tmp_path)
    assert ended.attempt.peak_rss < 150_000_000


def test_a_run_holds_nothing_of_its_daemon_but_its_output(tmp_path: Path) -> None:
    with (tmp_path / "held").open("w") as held:
        os.set_inheritable(held.fileno(), False)
        over(
            "import os; print(sorted(os.listdir('/proc/self/fd'), key=int)); print(os.getpgrp() == os.getpid())",
            tmp_path,
        )
    fds, leader = log(tmp_path).splitlines()
    # Standard streams, the line to the warden, and the folder that is being listed.
    assert len(json.loads(fds.replace("'", '"'))) == 5
    assert leader == "True"


def test_runs_leave_no_open_files_behind(tmp_path: Path) -> None:
    supervisor = Supervisor(python("pass"), tmp_path)
    counts = []
    for _ in range(3):
        for name in "ABC":
            supervisor.start(run(name), timedelta(seconds=20))
        while supervisor.running():
            supervisor.ended(20.0)
        counts.append(len(list(Path("/proc/self/fd").iterdir())))
    assert len(set(counts)) == 1


def test_a_log_that_cannot_be_written_costs_the_log_and_not_the_run(tmp_path: Path) -> None:
    (tmp_path / "tested").write_text("a file where the folder should be")
    assert over("print('hello')", tmp_path).state is None


def test_a_run_that_shouts_is_cut_in_the_middle(tmp_path: Path) -> None:
    code = "import sys\nfor n in range(60_000): print(f'line {n:06d}')\nprint('the end')"
    assert over(code, tmp_path, log_cap=100_000).state is None
    text = log(tmp_path)
    assert text.startswith("line 000000\n")
    assert text.endswith("line 059999\nthe end\n")
    assert len(text) < 100_100
    assert "bytes cut here" in text
    assert [path.name for path in (tmp_path / "tested").iterdir()] == ["RUN.1.log"]


def test_secrets_are_masked_by_their_looks_and_by_their_value(tmp_path: Path) -> None:
    said = f"import os; os.write(int(os.environ['{child.LINE}']), b'{{\"mask\": \"correct horse battery\"}}\\n')\n"
    code = said + (
        "print('token xoxb-1234567890-abcdef end'); print('password correct horse battery staple')\n"
        "os.write(1, b'half correct hor'); os.write(1, b'se battery\\n')"
    )
    over(code, tmp_path)
    assert log(tmp_path) == "token (hidden) end\npassword (hidden) staple\nhalf (hidden)\n"
