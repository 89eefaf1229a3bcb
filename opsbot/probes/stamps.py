"""When bytes arrived, from the kernel: a prober that wakes late still knows when the answer came.

The kernel stamps packets with the wall clock; stamps are moved to the monotonic clock by the distance of the two, and
not believed if that distance changed meanwhile (somebody set the clock). Linux only; elsewhere the prober's own clock
is used and the result says so.
"""

from __future__ import annotations

import socket
import struct
import sys
import time
from collections.abc import Sequence

SO_TIMESTAMPNS = 35
ANCILLARY = 64
"""Bytes to ask recvmsg for."""
STEADY = 0.001
"""Seconds by which the distance of the clocks may change before stamps are not believed any more."""
_BRACKET = 50e-6
_READINGS = 8
_SOL_SOCKET = socket.SOL_SOCKET
_unpack_timespec = struct.Struct("qq").unpack_from

_SUPPORTED = sys.platform == "linux" and struct.calcsize("P") == 8


def ask_for_stamps(sock: socket.SocketType) -> bool:
    """Whether the kernel will stamp what `sock` receives."""
    if not _SUPPORTED:
        return False
    try:
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    except OSError:
        return False
    return True


def distance() -> float:
    """Wall clock minus monotonic clock, in seconds; read again if the process was interrupted in between, and the best
    of several readings if it was each time."""
    best = found = float("inf")
    for _ in range(_READINGS):
        before = time.monotonic()
        wall = time.clock_gettime(time.CLOCK_REALTIME)
        took = time.monotonic() - before
        if took < _BRACKET:
            return wall - before
        if took < best:
            best, found = took, wall - before
    return found


def arrival(ancillary: Sequence[tuple[int, int, bytes]], offset: float, now: float) -> float | None:
    """Monotonic time at which the last byte of a recvmsg reached the machine; None if the kernel's word is not good.

    `offset` is the `distance` of the clocks.
    """
    for level, kind, content in ancillary:
        if kind == SO_TIMESTAMPNS and level == _SOL_SOCKET:
            seconds, nanoseconds = _unpack_timespec(content)
            stamp: float = seconds - offset + nanoseconds * 1e-9
            if stamp <= now:
                return stamp
            return now if stamp <= now + STEADY else None
    return None


_TCP_INFO = getattr(socket, "TCP_INFO", 11)
_TCP_INFO_SIZE = 104
_ESTABLISHED = 1
_unpack_word = struct.Struct("I").unpack_from
_RTT, _TOTAL_RETRANSMITS = 68, 100


def connected(sock: socket.SocketType) -> tuple[bool, float | None]:
    """Whether a connection is established, and how long SYN to SYN-ACK took in seconds if the kernel says."""
    try:
        facts = sock.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _TCP_INFO_SIZE)
        return facts[0] == _ESTABLISHED, _unpack_word(facts, _RTT)[0] / 1e6 or None
    except (OSError, struct.error):
        return False, None


def tcp_facts(sock: socket.SocketType) -> tuple[float | None, int | None]:
    """Round-trip time in seconds and retransmitted segments; None where the kernel does not say."""
    try:
        facts = sock.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _TCP_INFO_SIZE)
        return _unpack_word(facts, _RTT)[0] / 1e6 or None, _unpack_word(facts, _TOTAL_RETRANSMITS)[0]
    except (OSError, struct.error):
        return None, None
