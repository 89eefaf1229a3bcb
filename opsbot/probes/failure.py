"""How a probe says why it ended early, and what each thing the kernel says means for the target."""

from __future__ import annotations

import errno
import os
from typing import NamedTuple

from opsbot.model.probe import ProbeState, Reason

_OWN = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL, errno.EAGAIN, errno.EADDRINUSE}
_UNREACHABLE = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.EACCES, errno.EPERM}
_UNREACHABLE |= {errno.EAFNOSUPPORT, errno.EPROTO, errno.ENOPROTOOPT, errno.EINVAL}


class Failure(Exception):
    """A probe ends here: `reason` for machines, `why` for people."""

    def __init__(self, reason: Reason, why: str) -> None:
        super().__init__(why)
        self.reason = reason
        self.why = why

    @property
    def state(self) -> ProbeState:
        return ProbeState.UNSURE if self.reason.phase == "self" else ProbeState.DOWN


class Step(NamedTuple):
    """What is under way on a connection: the reasons if it ends too late or by a reset, and words for it."""

    timeout: Reason
    reset: Reason
    words: str


CONNECT = Step(Reason.TCP_TIMEOUT, Reason.TCP_RESET, "connecting")
EXPECT = Step(Reason.TCP_TIMEOUT, Reason.TCP_RESET, "waiting for the expected bytes")
HANDSHAKE = Step(Reason.TLS_TIMEOUT, Reason.TLS_RESET, "in the TLS handshake")
REQUEST = Step(Reason.HTTP_TIMEOUT, Reason.HTTP_RESET, "sending the request")
FIRST = Step(Reason.HTTP_TIMEOUT, Reason.HTTP_RESET, "waiting for the first byte of the answer")
HEAD = Step(Reason.HTTP_TIMEOUT, Reason.HTTP_RESET, "reading the headers of the answer")
BODY = Step(Reason.HTTP_TIMEOUT, Reason.HTTP_RESET, "reading the body of the answer")
PROXY = Step(Reason.PROXY_UNREACHABLE, Reason.PROXY_UNREACHABLE, "waiting for the proxy to connect")
UPGRADE = Step(Reason.WS_TIMEOUT, Reason.WS_RESET, "in the WebSocket handshake")
REPLY = Step(Reason.WS_TIMEOUT, Reason.WS_RESET, "waiting for the WebSocket reply")


def late(step: Step, trace_seconds: float) -> Failure:
    return Failure(step.timeout, f"timed out after {trace_seconds:.1f} s {step.words}")


def broken(step: Step, error: OSError) -> Failure:
    """An established connection that failed."""
    if error.errno in (errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED):
        return Failure(step.reset, f"the peer reset the connection {step.words}")
    if error.errno == errno.ETIMEDOUT:
        return Failure(step.timeout, f"the peer stopped answering {step.words}")
    return Failure(step.reset, f"the connection broke {step.words}: {_words(error.errno)}")


def unconnected(code: int, where: str) -> Failure:
    """A connection that was not established; `code` is the errno of connect."""
    if code == errno.ECONNREFUSED:
        return Failure(Reason.TCP_REFUSED, f"{where} refused the connection: nothing listens there")
    if code == errno.ETIMEDOUT:
        return Failure(Reason.TCP_TIMEOUT, f"{where} did not answer the connection request")
    if code in (errno.ECONNRESET, errno.ECONNABORTED):
        return Failure(Reason.TCP_RESET, f"{where} reset the connection while connecting")
    if code in _OWN:
        return own(code)
    if code in _UNREACHABLE:
        return Failure(Reason.TCP_UNREACHABLE, f"{where} cannot be reached: {_words(code)}")
    return Failure(Reason.TCP_UNREACHABLE, f"{where} cannot be connected to: {_words(code)}")


def own(code: int | None) -> Failure:
    """The machine of the prober lacks something; the target is not to blame."""
    return Failure(Reason.SELF_RESOURCES, f"the prober could not open a socket: {_words(code)}")


def _words(code: int | None) -> str:
    return os.strerror(code).lower() if code else "no reason given"
