"""A process that forks senders on demand: one drain each, killed at its k-th input or output or at a random instant.

Started once by the tests and asked over stdin, a JSON object a line; it has loaded everything already, so that a
kill costs milliseconds. Answers with one line: the exit code of the sender, negative for a signal.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import slack_sdk  # noqa: F401  loaded before the fork, like all the rest

from opsbot import outbox
from opsbot.model.message import Delivery, Format, Message
from opsbot.ports import Channel
from opsbot.store import open_store
from opsbot.store.sql import SqlStore
from tests.outbox import world

KILLED = 137


class Points:
    """Counts every input and output, before and after, and dies at the one it is told."""

    def __init__(self, fatal: int) -> None:
        self._fatal = fatal
        self._points = count(1)

    def __call__(self, name: str, act: Callable[..., Any], *given: Any, **named: Any) -> Any:
        self._pass(f"before {name}")
        answer = act(*given, **named)
        self._pass(f"after {name}")
        return answer

    def _pass(self, name: str) -> None:
        if next(self._points) == self._fatal:
            sys.stderr.write(f"died {name}\n")
            sys.stderr.flush()
            os._exit(KILLED)


class WatchedStore:
    """The store, with each of its transactions a point to die at."""

    def __init__(self, store: SqlStore, points: Points) -> None:
        self._store, self._points = store, points

    def claim(self, now: datetime, lease_seconds: float, **narrowed: Any) -> Message | None:
        return self._points("claim", self._store.claim, now, lease_seconds, **narrowed)  # type: ignore[no-any-return]

    def settle(self, message: Message, state: Delivery, **rest: Any) -> None:
        self._points(f"settle {state}", self._store.settle, message, state, **rest)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


class WatchedChannel:
    """A channel whose calls are points to die at."""

    def __init__(self, channel: Channel, points: Points) -> None:
        self._channel, self._points = channel, points

    @property
    def format(self) -> Format:
        return self._channel.format

    @property
    def to(self) -> str:
        return self._channel.to

    def send(self, message: Message, thread: str) -> str:
        return str(self._points("send", self._channel.send, message, thread))

    def find(self, message: Message) -> str | None:
        return self._points("find", self._channel.find, message)  # type: ignore[no-any-return]


def drain(order: dict[str, Any]) -> None:
    points = Points(order["fatal"])
    clock = world.Clock(datetime.fromisoformat(order["at"]))
    reach: dict[str, Channel] = {
        "slack": WatchedChannel(world.slack(order["slack"]), points),
        "email": WatchedChannel(world.email(order["mail"]), points),
    }
    store = WatchedStore(open_store(order["store"]), points)
    until = clock.moment + timedelta(seconds=60)
    outbox.deliver(store, reach, now=clock.now, wait=clock.wait, until=until)  # type: ignore[arg-type]


def fork(order: dict[str, Any]) -> int:
    """The sender holds the writing end of a pipe, so that its end is seen whichever way it ends."""
    alive, held = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(alive)
        drain(order)
        os._exit(0)
    os.close(held)
    if order["after"] is not None and not select.select([alive], [], [], order["after"])[0]:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    os.close(alive)
    return os.waitstatus_to_exitcode(status)


def main() -> None:
    for line in sys.stdin:
        print(fork(json.loads(line)), flush=True)


if __name__ == "__main__":
    main()
