"""One turn of a probe, from the first try to what is told: tries again, and does not believe a try of a prober that is
itself too slow or cut off."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable
from dataclasses import replace

from opsbot.evaluate import expect
from opsbot.model.probe import ProbeResult, ProbeState, Reason
from opsbot.prober.rota import Rota, Turn
from opsbot.prober.uplink import LIKE_NO_NETWORK, Uplink, own_machine
from opsbot.probes import Engine, Judge
from opsbot.probes.judge import judging
from opsbot.probing import Probe

Told = Callable[[ProbeResult, int], None]
"""Called with each turn's result and its slot."""

_SHARE = 0.25
# Tries that the prober itself spoilt are made again, so often.
_SPOILT = 2
_SOON = 0.2
# What a prober that is too slow may bring about; a refused connection or a wrong status it cannot.
_OF_TIME = ("timeout", "reset", "closed", "protocol", "latency", "handshake")


class Rounds:
    """All turns under way. For one thread; `tick` starts the tries whose pause is over."""

    def __init__(self, engine: Engine, rota: Rota, uplink: Uplink, told: Told) -> None:
        self.engine, self.rota, self.uplink, self.told = engine, rota, uplink, told
        self._later: list[tuple[float, int, _Round]] = []
        self._count = 0
        self._judges: dict[int, tuple[Probe, Judge, float]] = {}

    def start(self, turn: Turn, slot: int) -> None:
        """Begin a turn, unless the one before it still goes on: then this slot is lost, and counted as missing."""
        if not turn.busy:
            turn.busy = True
            _Round(self, turn, slot, *self._judged(turn.probe)).ask()

    def forget(self) -> None:
        """The probes have changed."""
        self._judges.clear()

    @property
    def next(self) -> float:
        return self._later[0][0] if self._later else float("inf")

    def tick(self, now: float) -> None:
        while self._later and self._later[0][0] <= now:
            heapq.heappop(self._later)[2].ask()

    def later(self, moment: float, one: _Round) -> None:
        self._count += 1
        heapq.heappush(self._later, (moment, self._count, one))

    def _judged(self, probe: Probe) -> tuple[Judge, float]:
        """The probe's judge, and the seconds within which its answer must come."""
        known = self._judges.get(id(probe))
        if known is None:
            known = self._judges[id(probe)] = (probe, judging(probe), limit(probe))
        return known[1], known[2]


class _Round:
    __slots__ = ("_began", "_ends", "_judge", "_limit", "_rounds", "_slot", "_spoilt", "_stalled", "_tries", "_turn")

    def __init__(self, rounds: Rounds, turn: Turn, slot: int, judge: Judge, limit: float) -> None:
        self._rounds, self._turn, self._slot = rounds, turn, slot
        self._judge, self._limit = judge, limit
        self._ends = turn.begins(slot + 1)
        self._tries, self._spoilt = turn.probe.retries, _SPOILT
        self._stalled = 0.0

    def ask(self) -> None:
        target = self._turn.probe.target
        if target is not None:
            self._stalled = self._rounds.engine.stalled
            self._rounds.engine.submit(target, self._heard, self._judge)

    def _heard(self, result: ProbeResult) -> None:
        if result.state is ProbeState.UP or self._turn.gone or result.reason is Reason.SELF_STOPPED:
            self._end(result)
        elif spoilt := self._spoiled(result):
            self._again(result, spoilt)
        elif self._tries > 0 and self._room(self._turn.probe.retry_after):
            self._tries -= 1
            self._rounds.later(time.monotonic() + self._turn.probe.retry_after, self)
        elif result.reason in LIKE_NO_NETWORK and not own_machine(result):
            self._ask_about_network(result)
        else:
            self._end(result)

    def _again(self, result: ProbeResult, spoilt: str) -> None:
        """A try that says more of the prober than of the target."""
        if self._spoilt > 0 and self._room(_SOON):
            self._spoilt -= 1
            self._rounds.later(time.monotonic() + _SOON, self)
        else:
            why = f"{spoilt}; {result.why}"
            self._end(replace(result, state=ProbeState.UNSURE, reason=Reason.SELF_STALLED, why=why))

    def _spoiled(self, result: ProbeResult) -> str:
        """How the prober itself may have brought this result about, "" if it cannot have."""
        if result.reason is Reason.SELF_STALLED:
            return "the prober stood still"
        if result.reason is None or not result.reason.value.endswith(_OF_TIME):
            return ""
        stalled = self._rounds.engine.stalled - self._stalled
        if stalled > self._limit * _SHARE:
            return f"the prober itself stood still for {stalled:.1f} s"
        if result.lag > self._limit * _SHARE:
            return f"the prober itself was {result.lag * 1000:.0f} ms late"
        return ""

    def _room(self, pause: float) -> bool:
        """Whether another try would be over before the next turn comes."""
        return time.monotonic() + pause + self._turn.probe.timeout < self._ends

    def _ask_about_network(self, result: ProbeResult) -> None:
        target = self._turn.probe.target
        if target is None:
            return
        self._rounds.uplink.ask(target, self._rounds.rota.targets, lambda broken: self._end(_blamed(result, broken)))

    def _end(self, result: ProbeResult) -> None:
        self._turn.busy = False
        if self._turn.probe.after and result.state is ProbeState.DOWN:
            self._rounds.rota.besides(self._turn.probe.after, time.monotonic())
        if not self._turn.gone:
            self._rounds.told(result, self._slot)


def _blamed(result: ProbeResult, broken: str) -> ProbeResult:
    if not broken:
        return result
    return replace(result, state=ProbeState.UNSURE, reason=Reason.SELF_NETWORK, why=f"{broken} ({result.why})")


def limit(probe: Probe) -> float:
    """Seconds within which the answer must come: the time-out, or an expectation of less."""
    lines = map(expect.parse, (*probe.expect, *probe.degraded))
    told = [float(one.value) for one in lines if one.subject == "latency" and one.operator in ("<", "<=")]
    return min([probe.timeout, *told])
