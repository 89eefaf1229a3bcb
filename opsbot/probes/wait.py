"""What a probe yields to the loop: a wait for one socket or a moment, or several probes to be run side by side.

A probe is a generator. `got = yield sock, IN, until` resumes with the events that came, or with 0 when `until`
(monotonic seconds) has passed; a socket of None waits for the moment alone. Waking for nothing is allowed.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from opsbot.probes.trace import Trace

IN = select.EPOLLIN
OUT = select.EPOLLOUT

T = TypeVar("T")
Wait = tuple[socket.SocketType | None, int, float]


class Fork:
    """Probe all of `traces` at once; the probe is resumed with a tuple of their results when the last has ended."""

    __slots__ = ("traces",)

    def __init__(self, traces: tuple[Trace, ...]) -> None:
        self.traces = traces


Steps = Generator[Wait | Fork, Any, T]
"""Resumed with the events (int) of a Wait, or with the results (tuple of ProbeResult) of a Fork."""
