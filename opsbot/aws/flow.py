"""Work handed to the pool, results taken as they are ready; follow-ups are handed out by whoever takes the results.

Nothing that runs in the pool waits for another thing in the pool, so one pool serves any number of flows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import Generic, TypeVar

R = TypeVar("R")


class Flow(Generic[R]):
    """Iterating ends when everything started has been taken, including what was started meanwhile."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool
        self._ready: SimpleQueue[Future[R]] = SimpleQueue()
        self._open: set[Future[R]] = set()

    def start(self, work: Callable[[], R]) -> None:
        future = self._pool.submit(work)
        self._open.add(future)
        future.add_done_callback(self._ready.put)

    def __iter__(self) -> Iterator[R]:
        try:
            while self._open:
                future = self._ready.get()
                self._open.discard(future)
                yield future.result()
        finally:
            for future in self._open:
                future.cancel()
