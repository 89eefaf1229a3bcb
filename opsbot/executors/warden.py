"""A small process between a daemon and one run, so that nothing a run started outlives the run, its deadline or its daemon.

It holds one end of a socket pair. The daemon's death closes the other end, and that ends the run: no signal has to
arrive, no thread of the run has to get its turn. As the reaper of everything the run leaves behind (also of what left
the process group) it can end all of it; were it killed itself, the kernel would kill the run. It writes the run's
log, masked and capped, and sends one JSON object when all is over.

Started by `local` as a script of its own, without site-packages: 10 MB and 20 ms.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import select
import selectors
import signal
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

from opsbot.executors import child
from opsbot.executors.child import clock
from opsbot.executors.runlog import Masked, RunLog

# What a daemon says, a line each: end the run and kill it after so many seconds; it is its for so many seconds more.
END, LEASE = b"E", b"L"
ORPHANED_GRACE = 2.0
_SWEEP_SECONDS = 5.0
_LONGEST_ERROR = 4000
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be run. Seconds and bytes; `memory` 0 is unlimited, `lease` 0 never ends by itself."""

    fd: int
    command: list[str]
    log: str
    cap: int
    timeout: float
    grace: float
    lease: float = 0.0
    memory: int = 0


@dataclass(slots=True, kw_only=True)
class _Ending:
    """Why the run is being ended, and when politeness is over."""

    why: str
    kill_at: float
    killed: bool = False


@dataclass(slots=True, kw_only=True)
class _Spent:
    cpu: float = 0.0
    rss: int = 0
    status: int | None = None


@dataclass(slots=True, kw_only=True)
class Warden:
    """One run, from its start until nothing of it is left."""

    order: Order
    control: socket.socket
    log: RunLog
    masked: Masked = field(default_factory=Masked)
    spent: _Spent = field(default_factory=_Spent)
    ending: _Ending | None = None
    error: str = ""
    committed: bool = True
    pid: int = 0
    out: int = -1
    words: int = -1
    deadline: float = 0.0
    lease_until: float = float("inf")
    heard: bytes = b""
    told: bytes = b""

    def watch(self) -> None:
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)
        wake = _wake_on_signals()
        self.deadline = clock() + self.order.timeout
        self._start()
        self._lease(self.order.lease)
        self._listen(wake)
        self._sweep(wake)
        self._last_words()
        self._report()

    def _start(self) -> None:
        self.out, out_end = os.pipe()
        self.words, words_end = os.pipe()
        os.set_blocking(self.out, False)
        os.set_blocking(self.words, False)
        warden = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            _become(self.order, self.deadline, warden, out_end, words_end)
        with suppress(OSError):
            # On both sides: whoever comes first, no signal to the group is lost.
            os.setpgid(self.pid, self.pid)
        os.close(out_end)
        os.close(words_end)
        self._say({"pid": self.pid})

    def _listen(self, wake: socket.socket) -> None:
        with selectors.DefaultSelector() as selector:
            for file, meet in (
                (self.control, self._obey),
                (self.out, self._print),
                (self.words, self._hear),
                (wake, lambda: self._wake(wake)),
            ):
                selector.register(file, selectors.EVENT_READ, meet)
            while self.spent.status is None:
                for key, _ in selector.select(max(self._next() - clock(), 0.0)):
                    # What was closed at the other end would be readable for ever.
                    if not key.data():
                        selector.unregister(key.fileobj)
                self._in_time()

    def _next(self) -> float:
        """When there is something to do even if nothing is heard."""
        polite = self.ending.kill_at if self.ending and not self.ending.killed else clock() + 3600.0
        return min(polite, self.lease_until, clock() + 3600.0 if self.ending else self.deadline)

    def _in_time(self) -> None:
        now = clock()
        if now >= self.lease_until:
            # Somebody else may begin this run any moment: it ends here and now.
            self._end("lease", 0.0)
            self.lease_until = float("inf")
        if now >= self.deadline and not self.ending:
            self._end("timeout", self.order.grace)
        if self.ending and not self.ending.killed and now >= self.ending.kill_at:
            self.ending.killed = True
            self._signal(signal.SIGKILL)

    def _end(self, why: str, grace: float) -> None:
        """The first reason stands; a later, more urgent one shortens the grace."""
        until = clock() + grace
        if self.ending is None:
            self.ending = _Ending(why=why, kill_at=until)
            self._signal(signal.SIGTERM)
            # One that is stopped hears nothing before this.
            self._signal(signal.SIGCONT)
        self.ending.kill_at = min(self.ending.kill_at, until)

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def _obey(self) -> bool:
        data = b""
        with suppress(OSError):
            data = self.control.recv(4096)
        if not data:
            self._end("orphaned", ORPHANED_GRACE)
            return False
        *orders, self.heard = (self.heard + data).split(b"\n")
        for order in orders:
            self._take(order[:1], float(order[1:]))
        return True

    def _take(self, word: bytes, seconds: float) -> None:
        if word == LEASE:
            self._lease(seconds)
        elif word == END:
            self._end("told", seconds)

    def _lease(self, seconds: float) -> None:
        self.lease_until = clock() + seconds if seconds else self.lease_until

    def _print(self) -> bool:
        data = _read(self.out)
        if data:
            # What no log may show was told before it was printed; so it is heard before this is written.
            self._hear()
            self.log.write(self.masked.feed(data))
        return data != b""

    def _hear(self) -> bool:
        data = _read(self.words)
        *told, self.told = (self.told + (data or b"")).split(b"\n")
        for line in told:
            self._note(line)
        return data != b""

    def _note(self, line: bytes) -> None:
        with suppress(ValueError):
            said = json.loads(line)
            if isinstance(said, dict):
                self.masked.hide(str(said.get("mask", "")))
                self.error = str(said.get("error", self.error))[:_LONGEST_ERROR]
                self.committed = bool(said.get("committed", self.committed))

    def _wake(self, wake: socket.socket) -> bool:
        if {signal.SIGTERM, signal.SIGINT} & set(wake.recv(4096)):
            self._end("told", self.order.grace)
        self._reap()
        return True

    def _reap(self) -> bool:
        """Take note of whatever ended; False once there is nobody left."""
        try:
            while dead := _dead():
                if dead == self.pid:
                    # Before it is reaped: as long as the leader is a zombie nobody else can have its number.
                    self._signal(signal.SIGKILL)
                pid, status, used = os.wait4(dead, os.WNOHANG)
                if not pid:
                    break
                self._count(pid, status, used)
        except ChildProcessError:
            return False
        return True

    def _count(self, pid: int, status: int, used: resource.struct_rusage) -> None:
        self.spent.cpu += used.ru_utime + used.ru_stime
        self.spent.rss = max(self.spent.rss, used.ru_maxrss * _RSS_UNIT)
        if pid == self.pid:
            self.spent.status = status

    def _sweep(self, wake: socket.socket) -> None:
        """End what the run left behind: it has become this process's own children, whatever session it is in."""
        until = clock() + _SWEEP_SECONDS
        while self._reap() and clock() < until:
            for pid in _children():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            # The next death wakes; the wait is short because one that was adopted meanwhile does not.
            select.select([wake], [], [], 0.05)
            with suppress(BlockingIOError):
                wake.recv(4096)

    def _last_words(self) -> None:
        while select.select([self.words], [], [], 0)[0] and self._hear():
            continue
        while data := _read(self.out):
            self.log.write(self.masked.feed(data))
        self.log.write(self.masked.end())
        self.log.close()

    def _report(self) -> None:
        code = os.waitstatus_to_exitcode(self.spent.status or 0)
        self._say(
            {
                "code": code,
                "why": self.ending.why if self.ending else "",
                "error": redacted(self.error, self.masked),
                "committed": self.committed,
                "cpu": self.spent.cpu,
                "rss": self.spent.rss,
                "log_error": self.log.error,
            }
        )

    def give_in(self, why: str) -> None:
        """The run cannot go on, for a reason of this process's own."""
        if self.pid:
            self._signal(signal.SIGKILL)
        self._say({"code": 127, "error": why})

    def _say(self, words: dict[str, Any]) -> None:
        with suppress(OSError):
            self.control.sendall(json.dumps(words).encode() + b"\n")


def redacted(text: str, masked: Masked) -> str:
    return (masked.feed(text.encode() + b"\n")).decode().rstrip("\n")


def _become(order: Order, deadline: float, warden: int, out: int, words: int) -> NoReturn:
    """Turn into the run. Never returns: between fork and exec nothing but this may happen."""
    try:
        os.setpgid(0, 0)
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != warden:
            os._exit(127)
        _at_home(out, words)
        _limits(order.memory)
        environ = os.environ | {child.LINE: str(words), child.DEADLINE: str(deadline), "PYTHONUNBUFFERED": "1"}
        os.execvpe(order.command[0], order.command, environ)  # noqa: S606  no shell: the command is a list
    except (OSError, ValueError) as error:
        why = (getattr(error, "strerror", None) or str(error)).lower()
        os.write(words, json.dumps({"error": f"{order.command[0]}: cannot be started: {why}"}).encode() + b"\n")
    os._exit(127)


def _at_home(out: int, words: int) -> None:
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGHUP, signal.SIGPIPE, signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(out, 1)
    os.dup2(out, 2)
    os.set_inheritable(words, True)


def _limits(memory: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if memory:
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))


def _wake_on_signals() -> socket.socket:
    wake, end = socket.socketpair()
    wake.setblocking(False)
    end.setblocking(False)
    signal.set_wakeup_fd(end.detach(), warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    return wake


def _read(fd: int) -> bytes | None:
    """What is there; b"" at the end, None if nothing is there yet."""
    try:
        return os.read(fd, 64 * 1024)
    except BlockingIOError:
        return None


def _dead() -> int:
    """A child that has ended and was not reaped; 0 if there is none, -1 where only reaping can tell (macOS)."""
    if not hasattr(os, "waitid"):
        return -1
    found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    return found.si_pid if found else 0


def _children() -> list[int]:
    """This process's own children, as the kernel lists them; where there is no /proc the group has to do."""
    found, me = [], str(os.getpid())
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            # Behind the name, which may hold anything: state and parent.
            if stat.read_text(errors="replace").rpartition(")")[2].split()[1] == me:
                found.append(int(stat.parent.name))
    return found


def _prctl(option: int, value: int) -> None:
    # Linux alone has these words; elsewhere the process group has to do.
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def main() -> None:
    order = Order(**json.loads(sys.argv[1]))
    os.set_inheritable(order.fd, False)
    control = socket.socket(fileno=order.fd)
    warden = Warden(order=order, control=control, log=RunLog(Path(order.log), order.cap))
    try:
        warden.watch()
    except OSError as error:
        # Such as no more processes or open files: the run did not begin, or ends with this process.
        warden.give_in(f"it could not be watched: {(error.strerror or str(error)).lower()}")


if __name__ == "__main__":
    main()
