"""What is known of one probe while it runs; a result is made of it however the probe ends."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from time import monotonic
from typing import cast

from opsbot.model.probe import (
    Answer,
    Hop,
    Phases,
    ProbeResult,
    ProbeState,
    Reason,
    Record,
    Secured,
    Target,
)
from opsbot.probes import stamps
from opsbot.probes.draft import draft

_PhasesDraft, _HopDraft, _ResultDraft = draft(Phases), draft(Hop), draft(ProbeResult)


class Pulse:
    """How late the loop runs: when it last returned from waiting, and how long it had been away before that wait.

    `offset` is the distance of the wall clock to the monotonic one at that return."""

    __slots__ = ("away", "offset", "returned", "stalled")

    def __init__(self) -> None:
        self.returned = monotonic()
        self.away = 0.0
        self.stalled = 0.0
        self.offset = stamps.distance()


class Trace:
    """The notes of one probe. Times are monotonic seconds; the phase fields are of the hop under way."""

    dns: float | None = None
    connect: float | None = None
    proxy: float | None = None
    tls: float | None = None
    first_byte: float | None = None
    transfer: float | None = None
    ended: float | None = None
    address: str | None = None
    addresses: tuple[str, ...] = ()
    protocol: str | None = None
    secured: Secured | None = None
    status: int | None = None
    body_size: int | None = None
    truncated: bool = False
    rcode: str | None = None
    records: tuple[Record, ...] = ()
    hops: tuple[Hop, ...] = ()
    merged: ProbeResult | None = None
    kernel: bool | None = None
    rtt: float | None = None
    retransmits: int | None = None
    queued: float = 0.0
    lag: float = 0.0
    step: str = ""
    answer: Answer = Answer()

    def __init__(
        self, target: Target, pulse: Pulse, at: datetime, pinned: tuple[str, float | None] | None = None
    ) -> None:
        """`pinned` is the one address to probe, and the seconds it took to resolve it."""
        self.target = target
        self.pulse = pulse
        self.at = at
        self.pinned = pinned
        self.started = monotonic()
        self.until = self.started + target.timeout
        self.stalled = pulse.stalled

    def elapsed(self) -> float:
        return monotonic() - self.started

    def begin_again(self) -> None:
        """Let the probe begin now: what it took until here was for no target, and counts as waiting."""
        waited = self.elapsed()
        self.started += waited
        self.until += waited
        self.queued += waited

    def end_hop(self, url: str) -> None:
        """Close the books of one request; the next begins with empty phases."""
        hop = _HopDraft()
        hop.url = url
        hop.address = self.address
        hop.status = self.status
        hop.phases = self.phases()
        hop.step = self.step
        hop.__class__ = Hop
        self.hops = (*self.hops, hop)

    def begin_hop(self) -> None:
        self.dns = self.connect = self.proxy = self.tls = self.first_byte = self.transfer = None
        self.address = self.status = self.body_size = None
        self.truncated = False

    def phases(self) -> Phases:
        phases = _PhasesDraft()
        phases.dns = self.dns
        phases.connect = self.connect
        phases.proxy = self.proxy
        phases.tls = self.tls
        phases.first_byte = self.first_byte
        phases.transfer = self.transfer
        phases.__class__ = Phases
        return cast("Phases", phases)

    def result(self, state: ProbeState, reason: Reason | None = None, why: str = "") -> ProbeResult:
        """What is known, as the result; evidence comes later, if it is wanted."""
        result = _ResultDraft()
        result.target = self.target.name
        result.kind = self.target.spec.kind
        result.state = state
        result.at = self.at
        ended = self.ended if state is ProbeState.UP else None
        result.seconds = (monotonic() if ended is None else ended) - self.started
        result.reason = reason
        result.why = why
        result.phases = total(self.hops) if self.hops else self.phases()
        result.address = self.address
        result.addresses = self.addresses
        result.protocol = self.protocol
        result.secured = self.secured
        result.status = self.status
        result.headers = ()
        result.excerpt = ""
        result.body_size = self.body_size
        result.truncated = self.truncated
        result.rcode = self.rcode
        result.records = self.records
        result.hops = self.hops
        result.parts = ()
        result.kernel_stamps = self.kernel is True
        result.rtt = self.rtt
        result.retransmits = self.retransmits
        result.queued = self.queued
        result.lag = self.lag
        result.__class__ = ProbeResult
        return cast("ProbeResult", result)


def total(hops: tuple[Hop, ...]) -> Phases:
    """The phases of all hops added up."""
    if len(hops) == 1:
        return hops[0].phases
    each = [hop.phases for hop in hops]
    return Phases(
        dns=_sum(phases.dns for phases in each),
        connect=_sum(phases.connect for phases in each),
        proxy=_sum(phases.proxy for phases in each),
        tls=_sum(phases.tls for phases in each),
        first_byte=_sum(phases.first_byte for phases in each),
        transfer=_sum(phases.transfer for phases in each),
    )


def _sum(seconds: Iterable[float | None]) -> float | None:
    """None if no hop reached the phase."""
    reached = [each for each in seconds if each is not None]
    return sum(reached) if reached else None
