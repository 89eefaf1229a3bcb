"""A process that forks senders on demand: one drain each, killed at its k-th input or output or at a random instant.

Started once by the tests and asked over stdin, a JSON object a line; it has loaded everything already, so that a
kill costs milliseconds. Answers with one line: the exit code of the sender, negative for a signal, or its process id
if it stands still.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache
from itertools import count
from typing import Any

import psycopg  # noqa: F401
import slack_sdk  # noqa: F401  loaded before the fork, like all the rest

from opsbot import outbox
from opsbot.model.message import Delivery, Format, Message
from opsbot.ports import Channel
from opsbot.store.engine import connect
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

    def __getattr__(self, name: str) -> Any:
        return getattr(self._channel, name)

    def send(self, message: Message, thread: str, card: str = "") -> str:
        return str(self._points("send", self._channel.send, message, thread, card))

    def find(self, message: Message, thread: str = "") -> str | None:
        return self._points("find", self._channel.find, message, thread)  # type: ignore[no-any-return]


class Halting:
    """Lets the whole process stand still, as SIGSTOP does, right after the call of this name; once."""

    def __init__(self, inner: object, name: str) -> None:
        self._inner, self._name = inner, name

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        return self._halting(found) if name == self._name else found

    def _halting(self, act: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            answer = act(*given, **named)
            if answer and self._name:
                self._name = ""
                # To this very thread: sent to the process, it would let this one run on until another took notice.
                signal.raise_signal(signal.SIGSTOP)
            return answer

        return call


@cache
def store_at(url: str) -> SqlStore:
    """One for all children: what its queries were compiled to is inherited, its connections are not."""
    return SqlStore(connect(url))


def drain(order: dict[str, Any], begin: Callable[[], object]) -> None:
    points = Points(order["fatal"])
    clock = world.Clock(datetime.fromisoformat(order["at"]))
    reach: dict[str, Channel] = {
        "slack": WatchedChannel(world.slack(order["slack"]), points),
        "email": WatchedChannel(world.email(order["mail"]), points),
    }
    if order.get("pager"):
        reach["pager"] = WatchedChannel(world.pagerduty(order["pager"]), points)
        reach["hook"] = WatchedChannel(world.webhook(order["hook"]), points)
    store = WatchedStore(store_at(order["store"]), points)
    begin()
    until = clock.moment + timedelta(seconds=60)
    outbox.deliver(store, reach, now=clock.now, wait=clock.wait, until=until)  # type: ignore[arg-type]


def work(order: dict[str, Any], begin: Callable[[], object]) -> None:
    """What `opsbot _send` does, by a real clock that begins at the order's moment; it ends once nothing is due."""
    began, at = time.monotonic(), datetime.fromisoformat(order["at"])
    slow = order["timeout"]
    reach: dict[str, Any] = {
        "slack": world.slack(order["slack"], max_per_minute=0, timeout=slow),
        "email": world.email(order["mail"], timeout=slow),
    }
    store: Any = store_at(order["store"])
    if order["halt"]:
        store, reach = (
            Halting(store, order["halt"]),
            {name: Halting(each, order["halt"]) for name, each in reach.items()},
        )
    sender = outbox.Sender(
        store,
        reach,
        now=lambda: at + timedelta(seconds=time.monotonic() - began),
        lease=timedelta(seconds=order["lease"]),
        idle=timedelta(0),
        poll=timedelta(milliseconds=10),
    )
    # The first connection is made here: it is no part of a delivery.
    store.outages()
    begin()
    sender.run()


def fork(order: dict[str, Any]) -> int:
    """The sender holds the writing end of a pipe: it says there when it begins, and its end is seen whichever way it ends."""
    alive, held = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(alive)
        (drain if order["by_hand"] else work)(order, lambda: os.write(held, b"."))
        os._exit(0)
    os.close(held)
    os.read(alive, 1)
    if order["after"] is not None and not select.select([alive], [], [], order["after"])[0]:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, os.WUNTRACED)
    os.close(alive)
    return child if os.WIFSTOPPED(status) else os.waitstatus_to_exitcode(status)


def rehearse(order: dict[str, Any]) -> int:
    """One delivery in this very process, so that its children need not learn everything anew."""
    work(order, lambda: None)
    store_at(order["store"]).engine.dispose()
    gc.collect()
    gc.freeze()
    return 0


def resume(child: int) -> int:
    """Let one that stands still go on, to its end."""
    os.kill(child, signal.SIGCONT)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def main() -> None:
    for line in sys.stdin:
        order = json.loads(line)
        act = {"resume": lambda order: resume(order["child"]), "rehearse": rehearse}.get(order["act"], fork)
        print(act(order), flush=True)


if __name__ == "__main__":
    main()
