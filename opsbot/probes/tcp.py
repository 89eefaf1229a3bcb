"""TCP probes: a connection, and if asked bytes sent and bytes that must come back."""

from __future__ import annotations

import re
import time
from functools import lru_cache

from opsbot.model.probe import Answer, Reason, Tcp
from opsbot.probes import reach
from opsbot.probes.failure import EXPECT, Failure
from opsbot.probes.reach import Ways
from opsbot.probes.stream import Plain
from opsbot.probes.trace import Trace
from opsbot.probes.wait import Steps

_LARGEST = 65536
_SEARCHED = 4096
"""Bytes a pattern is tried on: backtracking over more of what a stranger sent could hold up every other probe."""


def probe(trace: Trace, spec: Tcp, ways: Ways) -> Steps[Answer]:
    """Raises Failure."""
    plain = yield from reach.plain(trace, ways, spec.host, spec.port)
    try:
        began = time.monotonic()
        if spec.send:
            yield from plain.flush(plain.post(spec.send, EXPECT), EXPECT)
        if spec.expect or spec.pattern:
            yield from _expect(trace, plain, spec, began)
    finally:
        plain.close()
    return trace.answer


def _expect(trace: Trace, plain: Plain, spec: Tcp, began: float) -> Steps[None]:
    received = b""
    chunk = yield from plain.first(EXPECT)
    first = plain.first_stamp
    if chunk:
        trace.first_byte = max(first - began, 0.0)
    while chunk:
        received += chunk
        trace.answer = Answer(b"", received)
        trace.body_size = len(received)
        if _met(spec, received):
            trace.ended, trace.transfer = plain.stamp, plain.stamp - first
            return
        if len(received) >= _LARGEST:
            raise Failure(Reason.TCP_EXPECT, f"{_wanted(spec)} is not in the first {_LARGEST} bytes")
        chunk = yield from plain.receive(EXPECT)
    if received:
        raise Failure(Reason.TCP_EXPECT, f"the peer hung up after {len(received)} bytes without {_wanted(spec)}")
    raise Failure(Reason.TCP_CLOSED, "the peer hung up without sending anything")


def _met(spec: Tcp, received: bytes) -> bool:
    if spec.expect:
        return spec.expect in received
    return _pattern(spec.pattern).search(received[:_SEARCHED]) is not None


@lru_cache(maxsize=1024)
def _pattern(text: str) -> re.Pattern[bytes]:
    try:
        return re.compile(text.encode())
    except re.error as error:
        raise Failure(Reason.SELF_TARGET, f"pattern {text!r}: {error}") from error


def _wanted(spec: Tcp) -> str:
    return repr(spec.pattern or spec.expect.decode("utf-8", "backslashreplace"))
