"""One thread, one epoll, a heap of moments: resumes each probe when its socket is ready or its time is up.

Linux only (epoll). Sockets come before moments, so an answer that arrived in time counts even if the prober woke late.
"""

from __future__ import annotations

import heapq
import os
import select
import socket
from collections.abc import Callable
from time import monotonic

from opsbot.model.probe import Answer, ProbeResult
from opsbot.probes import stamps
from opsbot.probes.trace import Pulse, Trace
from opsbot.probes.wait import Fork, Steps

LONGEST_WAIT = 0.5
"""Seconds after which the loop looks up, so that a process that was stopped notices."""
_STALL = 0.25
_MOST_EVENTS = 1024
_COMPACT = 256
_NEVER = float("inf")


class Task:
    """One running probe, what it waits for, and who is told of its end: `None`, or the error it ended with."""

    __slots__ = ("due", "ended", "events", "fd", "sock", "steps", "trace", "until")

    def __init__(
        self, trace: Trace, steps: Steps[Answer], ended: Callable[[Trace, BaseException | None], None]
    ) -> None:
        self.trace = trace
        self.steps: Steps[Answer] | None = steps
        self.ended = ended
        self.sock: socket.SocketType | None = None
        self.fd = -1
        self.events = 0
        self.until = self.due = _NEVER


class Loop:
    """Runs tasks. `fork` starts what a task asked to be run side by side and resumes it through `resume`."""

    def __init__(self, fork: Callable[[Task, Fork], None]) -> None:
        self.pulse = Pulse()
        self.live: set[Task] = set()
        self._fork = fork
        self._epoll = select.epoll()
        self._tasks: dict[int, Task] = {}
        self._watched: dict[int, Callable[[], None]] = {}
        self._heap: list[tuple[float, int, Task]] = []
        self._count = 0
        self._dead = 0
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.watch(self._wake_read, self._woken)

    def watch(self, fd: int, ready: Callable[[], None]) -> None:
        self._watched[fd] = ready
        self._epoll.register(fd, select.EPOLLIN)

    def unwatch(self, fd: int) -> None:
        del self._watched[fd]
        self._epoll.unregister(fd)

    def wake(self) -> None:
        try:
            os.write(self._wake_write, b"\0")
        except BlockingIOError:
            return

    def _woken(self) -> None:
        os.read(self._wake_read, 4096)

    def run(self, task: Task) -> None:
        """Take a task in and let it go to its first wait."""
        self.live.add(task)
        self.resume(task, None)

    def turn(self, timeout: float) -> None:
        """Wait for something to happen, at most `timeout` seconds, and resume whom it concerns."""
        pulse = self.pulse
        began = monotonic()
        pulse.away = began - pulse.returned
        wait = min(timeout, LONGEST_WAIT)
        if self._heap:
            wait = min(wait, self._heap[0][0] - began)
        wait = max(wait, 0.0)
        events = self._epoll.poll(wait, _MOST_EVENTS)
        pulse.returned = returned = monotonic()
        pulse.offset = stamps.distance()
        overdue = returned - began - wait + pulse.away
        if overdue > _STALL and self.live:
            pulse.stalled += overdue
        self._serve(events)
        if self._heap and self._heap[0][0] <= returned:
            self._expire(returned)

    def _serve(self, events: list[tuple[int, int]]) -> None:
        tasks, resume = self._tasks, self.resume
        for fd, got in events:
            task = tasks.get(fd)
            if task is not None:
                resume(task, got)
            elif fd in self._watched:
                self._watched[fd]()

    def _expire(self, now: float) -> None:
        heap = self._heap
        while heap and heap[0][0] <= now:
            due, _, task = heapq.heappop(heap)
            if task.steps is None:
                self._dead -= 1
            elif due == task.due:
                task.due = _NEVER
                if task.until <= now:
                    self.resume(task, 0)
                else:
                    self._remind(task)

    def _remind(self, task: Task) -> None:
        self._count += 1
        task.due = task.until
        heapq.heappush(self._heap, (task.due, self._count, task))

    def resume(self, task: Task, got: int | tuple[ProbeResult, ...] | None) -> None:
        """Let a task go on with what it waited for, to its next wait or its end."""
        steps = task.steps
        if steps is None:
            return
        try:
            wanted = steps.send(got)
        except StopIteration:
            self.end(task, None)
        except Exception as error:  # noqa: BLE001  a probe that fails, even by a defect of ours, must not end the others
            self.end(task, error)
        else:
            if isinstance(wanted, Fork):
                self._wait(task, None, 0, _NEVER)
                self._fork(task, wanted)
            else:
                self._wait(task, *wanted)

    def _wait(self, task: Task, sock: socket.SocketType | None, events: int, until: float) -> None:
        if sock is not task.sock:
            self._forget(task)
            task.sock = sock
            if sock is not None:
                task.fd = fd = sock.fileno()
                self._tasks[fd] = task
                self._epoll.register(fd, events)
        elif events != task.events and sock is not None:
            self._epoll.modify(task.fd, events)
        task.events = events
        task.until = until
        if until < task.due:
            self._remind(task)

    def _forget(self, task: Task) -> None:
        """Stop watching the task's socket; closed ones the kernel has forgotten already."""
        if task.sock is None:
            return
        if task.sock.fileno() >= 0:
            self._epoll.unregister(task.fd)
        if self._tasks.get(task.fd) is task:
            del self._tasks[task.fd]

    def end(self, task: Task, error: BaseException | None) -> None:
        """The task is over, or is ended now; whoever waits for it is told."""
        steps, task.steps = task.steps, None
        self.live.discard(task)
        if steps is not None and error is not None:
            steps.close()
        if task.sock is not None:
            self._forget(task)
            task.sock = None
        if task.due < _NEVER:
            self._bury()
        task.ended(task.trace, error)

    def _bury(self) -> None:
        """A dead task's moment stays in the heap until there are many; then all go at once."""
        self._dead += 1
        if self._dead > _COMPACT and self._dead * 2 > len(self._heap):
            self._heap = [entry for entry in self._heap if entry[2].steps is not None]
            heapq.heapify(self._heap)
            self._dead = 0

    def close(self) -> None:
        self._epoll.close()
        os.close(self._wake_read)
        os.close(self._wake_write)
