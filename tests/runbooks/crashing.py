"""Places to die at while something is changed: everything that is written down, and the call itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from opsbot.aws.inspecting import WRITES
from opsbot.replica.codec import Answer, Call
from opsbot.replica.server import Running

_CHANGES = {
    f"{service}:{''.join(part.title() for part in one.split('_'))}" for service, ones in WRITES.items() for one in ones
}


class Died(BaseException):
    """The end of a process; nobody catches it."""


@dataclass
class Places:
    """Dies at one place, and does nothing any more from then on: a dead process releases nothing and says nothing.

    `place` is `before NAME` or `after NAME`, `nth` at which of them, and `passed` all that were passed. One that is only
    `stopped` there, as by Ctrl-C, still puts its things in order."""

    place: str = ""
    nth: int = 1
    stopped: bool = False
    dead: bool = False
    passed: list[str] = field(default_factory=list)

    def __call__(self, name: str, act: Callable[..., Any], *given: Any, **named: Any) -> Any:
        self._pass(f"before {name}")
        answer = act(*given, **named)
        self._pass(f"after {name}")
        return answer

    def _pass(self, name: str) -> None:
        if self.dead:
            raise Died(name)
        self.passed.append(name)
        if name == self.place and self.passed.count(name) == self.nth:
            self.dead = not self.stopped
            raise Died(name)


class Watched:
    """Anything whose methods are such places."""

    def __init__(self, inner: object, places: Places) -> None:
        self._inner, self._places = inner, places

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)
        return lambda *given, **named: self._places(name, method, *given, **named)


def calls(cloud: Running) -> int:
    """How many changes AWS has taken."""
    return sum(number for name, number in cloud.stats()["calls"].items() if name in _CHANGES)


@contextmanager
def answers_lost(cloud: Running) -> Iterator[None]:
    """AWS takes every change, and the connection is closed before it has said so."""
    answer = cloud._server.respond

    def respond(call: Call) -> Answer:
        before = calls(cloud)
        answered = answer(call)
        if calls(cloud) > before:
            raise ConnectionResetError
        return answered

    cloud._server.respond = respond
    try:
        yield
    finally:
        cloud._server.respond = answer
