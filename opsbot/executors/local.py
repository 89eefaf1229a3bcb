"""Runs as children of this process: each under a warden, with a deadline, a log, and no way to outlive its daemon.

No thread of its own: `ended` waits for the wardens' reports. It may be called from one thread while others start and cancel.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from opsbot.executors import child, runlog, warden
from opsbot.model.period import show_duration
from opsbot.model.run import Attempt, Run, RunState

GRACE = timedelta(seconds=10)
GIVING_UP = timedelta(minutes=2)
LOG_CAP = 10 * 1024 * 1024
# Of a lease that was not renewed so much may pass before the run is ended: what is left is for dying.
_LEASE_SHARE = 0.8
# A killed group is gone at once, unless the kernel itself waits for a disk.
_DYING = 10.0
_LONGEST_WHY = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How an attempt ended: what `Ledger.end` is to be told, whatever else is done.

    `state` None: the child committed the run's end itself, or the run is somebody else's by now. Otherwise nothing is
    committed and nobody was told, and `run` has that state and a `reason`: try it again, or `give_up`. `interrupted`:
    ended by `stop`, without a fault of its own. `given_up`: this was the child that tells; whether it could or not,
    the run is over.
    """

    run: Run
    attempt: Attempt
    state: RunState | None
    interrupted: bool = False
    given_up: bool = False


@dataclass(slots=True, kw_only=True)
class _Child:
    run: Run
    timeout: timedelta
    control: socket.socket
    began: float
    log: str
    process: subprocess.Popen[bytes] | None = None
    tells: bool = False
    cancelled: str | None = None
    interrupted: bool = False
    heard: bytes = b""
    report: dict[str, Any] = field(default_factory=dict)


class Supervisor:
    """Starts runs as children and says how they ended.

    `command` gets `RUN_ID ATTEMPT` appended, and `environ` is all of its environment (None: this process's own); both,
    and `memory`, may be set anew, for what is started from then on. Logs stand below `logs` as `JOB/RUN_ID.ATTEMPT.log`, each at
    most `log_cap` bytes. `grace` lies between TERM and KILL. `memory` (bytes of address space) 0 is unlimited.
    """

    def __init__(
        self,
        command: Sequence[str],
        logs: Path,
        log_cap: int = LOG_CAP,
        *,
        grace: timedelta = GRACE,
        memory: int = 0,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.command, self.environ = tuple(command), environ
        self.grace, self.memory = grace, memory
        self._logs, self._log_cap = logs, log_cap
        self._children: dict[str, _Child] = {}
        self._lease: float = 0.0
        self._lock = threading.Lock()
        self._wake, self._waker = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(self._waker, False)
        weakref.finalize(self, _close, self._wake, self._waker)

    def start(self, run: Run, timeout: timedelta) -> None:
        """Begin a run that was claimed. One that cannot be started comes back from `ended`; nothing is raised."""
        self._start(run, timeout, runlog.name(run.job, run.id, run.attempt), ())

    def give_up(self, run: Run, state: RunState, why: str, timeout: timedelta = GIVING_UP) -> None:
        """Tell people, in a child, that a run is over without an answer; not twice at once.

        The child commits `state` (such as TIMED_OUT or LOST) and `why` with a finding and messages, if the run is
        still RUNNING at this attempt. What the attempt used is taken from `run`, as `Ended` had it.
        """
        with self._lock:
            if run.id in self._children:
                return
        over = replace(run, state=state, reason=why)
        log = runlog.name(run.job, run.id, run.attempt).removesuffix(".log") + ".given-up.log"
        self._start(over, timeout, log, ("--given-up", str(state), "--why", why[:_LONGEST_WHY]))

    def running(self) -> Mapping[str, int]:
        """Run id -> attempt of everything that has not come back from `ended`, as `Ledger.beat` wants it."""
        with self._lock:
            return {run_id: one.run.attempt for run_id, one in self._children.items()}

    def renewed(self, lease: timedelta) -> None:
        """The ledger has just renewed the leases of all that run here, for so long.

        From the first call on a run is ended before its lease is, should this process stand still or the ledger be out
        of reach: whoever takes the run over never meets it at work.
        """
        self._lease = lease.total_seconds() * _LEASE_SHARE
        for one in self._all():
            _say(one, warden.LEASE, self._lease)

    def cancel(self, run_id: str, reason: str) -> bool:
        """End a run: TERM, grace, KILL. False if it does not run here."""
        with self._lock:
            one = self._children.get(run_id)
        if one is None:
            return False
        one.cancelled = reason
        _say(one, warden.END, self.grace.total_seconds())
        return True

    def ended(self, timeout: float = 0.0) -> list[Ended]:
        """What has ended since the last call; waits for the first one, at most so many seconds."""
        until = time.monotonic() + timeout
        while True:
            children = self._all()
            over = [one for one in children if one.process is None]
            left = 0.0 if over else until - time.monotonic()
            over += [one for one in _heard_from(children, self._wake, left) if _listen(one)]
            if over or time.monotonic() >= until:
                return [self._bury(one) for one in over]

    def stop(self, grace: timedelta) -> list[Ended]:
        """End everything that runs here, TERM first and KILL after `grace`; how it ended. Nothing of it is left."""
        for one in self._all():
            one.interrupted = one.cancelled is None
            _say(one, warden.END, grace.total_seconds())
        until, over = time.monotonic() + grace.total_seconds() + _DYING, []
        while self._all() and time.monotonic() < until:
            over += self.ended(until - time.monotonic())
        return over

    def _all(self) -> list[_Child]:
        with self._lock:
            return list(self._children.values())

    def _start(self, run: Run, timeout: timedelta, log: str, options: Sequence[str]) -> None:
        control, theirs = socket.socketpair()
        order = warden.Order(
            fd=theirs.fileno(),
            command=[*self.command, *options, run.id, str(run.attempt)],
            log=str(self._logs / log),
            cap=self._log_cap,
            timeout=timeout.total_seconds(),
            grace=self.grace.total_seconds(),
            lease=self._lease,
            memory=self.memory,
        )
        one = _Child(run=run, timeout=timeout, control=control, began=time.monotonic(), log=log, tells=bool(options))
        with theirs:
            try:
                one.process = _spawn(order, self.environ)
            except OSError as error:
                one.report = {"code": 127, "error": f"could not be started: {error.strerror or error}"}
        with self._lock:
            self._children[run.id] = one
        # Whoever waits in `ended` waits for this one too.
        with suppress(BlockingIOError):
            os.write(self._waker, b".")

    def _bury(self, one: _Child) -> Ended:
        one.control.close()
        if one.process is not None:
            one.process.wait()
        if "code" not in one.report and "pid" in one.report:
            _kill_group(one.report["pid"])
        with self._lock:
            self._children.pop(one.run.id, None)
        return _judge(one, time.monotonic() - one.began)


def _spawn(order: warden.Order, environ: Mapping[str, str] | None) -> subprocess.Popen[bytes]:
    # -S: without site-packages; -P: without the script's own folder, where a module is called like a library.
    script = [sys.executable, "-S", "-E", "-P", str(Path(warden.__file__)), json.dumps(asdict(order))]
    quiet = subprocess.DEVNULL
    return subprocess.Popen(
        script, stdin=quiet, stdout=quiet, stderr=quiet, env=environ, pass_fds=(order.fd,), start_new_session=True
    )


def _heard_from(children: Sequence[_Child], wake: int, seconds: float) -> list[_Child]:
    """Those whose warden has something to say, or is gone."""
    by_fd = {one.control.fileno(): one for one in children if one.process is not None}
    poll = select.poll()
    for fd in (*by_fd, wake):
        poll.register(fd, select.POLLIN)
    ready = [fd for fd, _ in poll.poll(max(seconds, 0.0) * 1000)]
    if wake in ready:
        os.read(wake, 4096)
    return [by_fd[fd] for fd in ready if fd in by_fd]


def _listen(one: _Child) -> bool:
    """Take in what the warden says; True when it has said all, or died."""
    data = b""
    with suppress(OSError):
        data = one.control.recv(64 * 1024)
    *told, one.heard = (one.heard + data).split(b"\n")
    for line in told:
        one.report |= json.loads(line)
    return "code" in one.report or not data


def _say(one: _Child, word: bytes, seconds: float) -> None:
    # A warden that is gone needs no orders; `ended` will meet its end.
    with suppress(OSError):
        one.control.sendall(word + f"{seconds:.3f}\n".encode())


def _judge(one: _Child, seconds: float) -> Ended:
    error = str(one.report.get("error") or "")
    state, reason = _verdict(one, one.report.get("code"), error, str(one.report.get("why") or ""))
    if one.tells:
        return Ended(run=one.run, attempt=_attempt(one.run), state=state and one.run.state, given_up=True)
    # A child that says it committed is believed; should the ledger know nothing of it, this is what stands there.
    run = replace(
        one.run,
        state=state or RunState.FAILED,
        reason=reason or "it ended without an answer",
        error=error,
        finished_at=(one.run.started_at or one.run.queued_at) + timedelta(seconds=seconds),
        exit_code=one.report.get("code"),
        cpu_seconds=round(float(one.report.get("cpu", 0.0)), 3),
        peak_rss=int(one.report.get("rss", 0)),
        log=one.log,
    )
    attempt = _attempt(run) if state else replace(_attempt(run), outcome="", error="")
    return Ended(run=run, attempt=attempt, state=state, interrupted=state is not None and one.interrupted)


def _attempt(run: Run) -> Attempt:
    return Attempt(
        n=run.attempt,
        owner=run.owner,
        started_at=run.started_at or run.queued_at,
        ended_at=run.finished_at,
        outcome=str(run.state),
        exit_code=run.exit_code,
        cpu_seconds=run.cpu_seconds,
        peak_rss=run.peak_rss,
        error=run.error or run.reason,
    )


def _verdict(one: _Child, code: int | None, error: str, why: str) -> tuple[RunState | None, str]:
    """What became of it, and the reason in words; None where its end is committed or not ours to say."""
    answered = code == child.FENCED or (code == child.COMMITTED and one.report.get("committed", True))
    if answered:
        return None, ""
    if one.cancelled is not None:
        return RunState.CANCELLED, one.cancelled
    if one.interrupted or why in ("told", "orphaned"):
        return RunState.FAILED, "interrupted: the process it ran under was stopped"
    if why == "timeout":
        return RunState.TIMED_OUT, f"ended at its deadline of {show_duration(one.timeout)}"
    if why == "lease":
        return RunState.FAILED, "ended because its lease could not be renewed"
    return RunState.FAILED, error or _crash(code)


def _crash(code: int | None) -> str:
    if code is None:
        return "the process that watched it was killed"
    if code == -signal.SIGKILL:
        return "killed from outside, perhaps because memory ran out"
    if code < 0:
        return f"killed by signal {-code} ({_signal_name(-code)})"
    return f"ended with exit code {code} and without an answer; its log says more"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"


def _kill_group(pid: int) -> None:
    # The kernel has killed the run with its warden; this is for what the run had started.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _close(*fds: int) -> None:
    for fd in fds:
        os.close(fd)
