"""The prober's engine: probes any number of targets on one thread, and no slow one delays another.

with Engine(now=clock) as engine:
    results = engine.probe_many(targets)          # once
...
engine.submit(target, done)                       # or for ever, with a schedule of the caller's
engine.turn(until_next_due)
"""

from __future__ import annotations

import resource
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import TracebackType

from opsbot.model.probe import Answer, ProbeResult, ProbeState, Reason, Target
from opsbot.probes import evidence, stamps
from opsbot.probes.attempt import attempt, host_of
from opsbot.probes.failure import Failure, own
from opsbot.probes.loop import LONGEST_WAIT, Loop, Task
from opsbot.probes.reach import Ways
from opsbot.probes.resolvconf import Machine
from opsbot.probes.resolve import Resolver
from opsbot.probes.trace import Pulse, Trace
from opsbot.probes.trust import Contexts
from opsbot.probes.verdicts import LASTS, Verdicts
from opsbot.probes.wait import Fork, Steps

Judge = Callable[[ProbeResult, Answer], ProbeResult]
"""Somebody's expectations: gives the result back, or a worse (or better) one made of it with `dataclasses.replace`."""
Done = Callable[[ProbeResult], None]

_STALLED_SHARE = 0.25
_RESERVED_FILES = 64


class Engine:
    """Probes targets. For one thread, except `wake`.

    `now` gives the wall clock's time for `ProbeResult.at`. At most `limit` probes run at once (and no more than the
    process may open files), at most `per_host` of them to one host; the others wait their turn, which is not counted
    against their time-out. An unchanged certificate chain is verified anew every `verdicts` seconds; 0: by each probe.
    """

    def __init__(
        self,
        *,
        now: Callable[[], datetime],
        limit: int = 500,
        per_host: int = 20,
        resolv_conf: Path = Path("/etc/resolv.conf"),
        hosts: Path = Path("/etc/hosts"),
        verdicts: float = LASTS,
    ) -> None:
        self._now = now
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self._limit = limit if files == resource.RLIM_INFINITY else min(limit, max(1, files - _RESERVED_FILES))
        self._per_host = per_host
        self._ways = Ways(Resolver(Machine(resolv_conf=resolv_conf, hosts=hosts)), Contexts(), Verdicts(verdicts))
        self._loop = Loop(self._fork)
        self._running = 0
        self._ended = 0
        self._waiting: deque[_Asked] = deque()
        self._held: dict[str, deque[_Asked]] = {}
        self._hosts: dict[str, int] = {}
        # While one socket is stamped the kernel keeps stamping, so that not even the first answer lacks its time.
        self._keeper = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        stamps.ask_for_stamps(self._keeper)

    def __enter__(self) -> Engine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def busy(self) -> int:
        """Probes under way or waiting their turn."""
        return self._running + len(self._waiting) + sum(map(len, self._held.values()))

    @property
    def stalled(self) -> float:
        """Seconds, since the start, for which the engine could not run although it should have."""
        return self._loop.pulse.stalled

    def submit(self, target: Target, done: Done, judge: Judge | None = None) -> None:
        """Probe a target; `done` is called with the result from `turn` (or `close`), exactly once."""
        self._waiting.append(_Asked(target, done, judge))

    def probe_many(self, targets: Iterable[Target], judge: Judge | None = None) -> tuple[ProbeResult, ...]:
        """Probe these and wait for all; the results in the targets' order."""
        results: dict[int, ProbeResult] = {}
        asked = list(targets)
        for place, target in enumerate(asked):
            self.submit(target, _keep(results, place), judge)
        while len(results) < len(asked):
            self.turn()
        return tuple(results[place] for place in range(len(asked)))

    def turn(self, timeout: float = LONGEST_WAIT) -> None:
        """One round: start what may start, wait for something to happen (at most `timeout` seconds), resume it."""
        ended = self._ended
        if self._waiting:
            self._admit()
        self._loop.turn(timeout if self._ended == ended else 0.0)

    def watch(self, fd: int, ready: Callable[[], None]) -> None:
        """Have `ready` called from `turn` whenever this file descriptor of the caller's can be read."""
        self._loop.watch(fd, ready)

    def unwatch(self, fd: int) -> None:
        self._loop.unwatch(fd)

    def wake(self) -> None:
        """Let a waiting `turn` return: for other threads and for signals."""
        self._loop.wake()

    def close(self) -> None:
        """Stop. What was under way or waiting ends as unsure (self.stopped)."""
        stopped = Failure(Reason.SELF_STOPPED, "the prober was stopped")
        for queue in (self._waiting, *self._held.values()):
            for asked in tuple(queue):
                trace = Trace(asked.target, self._loop.pulse, self._now())
                asked.done(trace.result(ProbeState.UNSURE, stopped.reason, stopped.why))
            queue.clear()
        while self._loop.live:
            self._loop.end(self._loop.live.pop(), stopped)
        self._keeper.close()
        self._loop.close()

    def _admit(self) -> None:
        waiting = self._waiting
        while waiting and self._running < self._limit:
            asked = waiting.popleft()
            if self._hosts.get(asked.host, 0) >= self._per_host:
                self._held.setdefault(asked.host, deque()).append(asked)
            else:
                self._start(asked)

    def _start(self, asked: _Asked) -> None:
        self._running += 1
        self._hosts[asked.host] = self._hosts.get(asked.host, 0) + 1
        trace = Trace(asked.target, self._loop.pulse, self._now())
        trace.queued = trace.started - asked.at

        def ended(trace: Trace, error: BaseException | None) -> None:
            self._leave(asked.host)
            asked.done(completed(trace, error, asked.judge))

        self._loop.run(_JudgedTask(trace, attempt(trace, self._ways), ended, asked.judge))

    def _leave(self, host: str) -> None:
        self._running -= 1
        self._ended += 1
        self._hosts[host] -= 1
        if not self._hosts[host]:
            del self._hosts[host]
        held = self._held.get(host)
        if held:
            self._waiting.appendleft(held.popleft())
            if not held:
                del self._held[host]

    def _fork(self, parent: Task, fork: Fork) -> None:
        """Probe each of the fork's traces; the last one to end lets the parent go on."""
        judge = parent.judge if isinstance(parent, _JudgedTask) else None
        results: dict[int, ProbeResult] = {}

        def ended(trace: Trace, error: BaseException | None) -> None:
            results[id(trace)] = completed(trace, error, judge)
            if len(results) == len(fork.traces):
                self._loop.resume(parent, tuple(results[id(each)] for each in fork.traces))

        for trace in fork.traces:
            self._loop.run(Task(trace, attempt(trace, self._ways), ended))


class _Asked:
    """A probe that somebody asked for and that has not begun."""

    __slots__ = ("at", "done", "host", "judge", "target")

    def __init__(self, target: Target, done: Done, judge: Judge | None) -> None:
        self.target = target
        self.done = done
        self.judge = judge
        self.host = host_of(target)
        self.at = time.monotonic()


class _JudgedTask(Task):
    __slots__ = ("judge",)

    def __init__(
        self,
        trace: Trace,
        steps: Steps[Answer],
        ended: Callable[[Trace, BaseException | None], None],
        judge: Judge | None,
    ) -> None:
        super().__init__(trace, steps, ended)
        self.judge = judge


def completed(trace: Trace, error: BaseException | None, judge: Judge | None) -> ProbeResult:
    """The result of a probe that ended, judged by the caller's expectations, with evidence if it is not up."""
    result = _result(trace, error)
    if trace.merged is not None:
        return result
    try:
        if judge is not None and result.state is not ProbeState.UNSURE:
            result = judge(result, trace.answer)
        if result.state is not ProbeState.UP or trace.target.keep_evidence:
            headers, excerpt = evidence.shown(trace.target, trace.answer)
            result = replace(result, headers=headers, excerpt=excerpt)
    except Exception as defect:  # noqa: BLE001  an expectation that raises must not end the other probes
        return _defect(trace, defect)
    return result


def _result(trace: Trace, error: BaseException | None) -> ProbeResult:
    if error is None:
        if trace.merged is not None:
            return replace(trace.merged, queued=trace.queued)
        return trace.result(ProbeState.UP)
    if not isinstance(error, Failure):
        return _defect(trace, error)
    stalled = trace.pulse.stalled - trace.stalled
    if error.reason.value.endswith(".timeout") and stalled > trace.target.timeout * _STALLED_SHARE:
        why = f"the prober itself stood still for {stalled:.1f} s; {error.why}"
        return trace.result(ProbeState.UNSURE, Reason.SELF_STALLED, why)
    return trace.result(error.state, error.reason, error.why)


def _defect(trace: Trace, error: BaseException) -> ProbeResult:
    why = f"the prober failed by a defect of its own: {type(error).__name__}: {error}"[:300]
    return trace.result(ProbeState.UNSURE, Reason.SELF_ERROR, why)


def _keep(results: dict[int, ProbeResult], place: int) -> Done:
    return lambda result: results.__setitem__(place, result)


def probe(target: Target, *, now: Callable[[], datetime], judge: Judge | None = None) -> ProbeResult:
    """Probe one target with an engine of its own. Never raises: whatever goes wrong is in the result."""
    try:
        with Engine(now=now) as engine:
            return engine.probe_many((target,), judge)[0]
    except OSError as error:
        failure = own(error.errno)
        return Trace(target, Pulse(), now()).result(failure.state, failure.reason, failure.why)
