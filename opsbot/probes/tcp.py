"""TCP probes: a connection, and if asked bytes sent and bytes that must come back."""

from __future__ import annotations

import time
from functools import lru_cache
from typing import Any

from opsbot.model.probe import Answer, Reason, Tcp
from opsbot.probes import reach
from opsbot.probes.failure import EXPECT, Failure
from opsbot.probes.reach import Ways
from opsbot.probes.stream import Plain
from opsbot.probes.trace import Trace
from opsbot.probes.wait import Steps

_LARGEST = 65536
_SEARCHED = 4096


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
    return pattern(spec.pattern).search(received[:_SEARCHED]) is not None


@lru_cache(maxsize=1024)
def pattern(text: str) -> Any:
    """RE2's: linear in what a stranger sent, so that no answer holds up the other probes. One byte is one character."""
    import re2

    options = re2.Options()
    options.log_errors = False
    options.encoding = re2.Options.Encoding.LATIN1
    try:
        return re2.compile(text.encode("latin-1"), options)
    except (re2.error, UnicodeEncodeError) as error:
        raise Failure(Reason.SELF_TARGET, f"pattern {text!r}: {_words(error)}") from error


def _words(error: Exception) -> str:
    told = error.args[0] if isinstance(error.args[0], bytes) else str(error).encode()
    return told.decode("utf-8", "replace")


def _wanted(spec: Tcp) -> str:
    return repr(spec.pattern or spec.expect.decode("utf-8", "backslashreplace"))
