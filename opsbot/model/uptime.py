"""What probes said over time: single samples, buckets that can be merged, and where each probe stands now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from opsbot.model.probe import ProbeState

Counts = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One probe's outcome. `seconds` is the whole probe's time, None where it has no meaning; `reason` is a
    `opsbot.model.probe.Reason`, "" if up. `phases` are seconds by name, those reached only. `excused`: it is not the
    target's fault, because the probe it comes after was down, or planned work was under way."""

    probe: str
    at: datetime
    state: ProbeState
    seconds: float | None = None
    reason: str = ""
    phases: tuple[tuple[str, float], ...] = ()
    excused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """The samples of one probe in [start, start + length). `counts` is a latency histogram of those that were up or
    degraded (`opsbot.evaluate.histogram`); buckets of one probe merge into a longer one without loss.

    `missing` counts the probes that should have been made and were not: up + degraded + down + unsure + missing +
    excused is what the schedule asked for. `excused` fell into a maintenance window or under a parent that was down.
    """

    probe: str
    start: datetime
    length: timedelta
    up: int = 0
    degraded: int = 0
    down: int = 0
    unsure: int = 0
    missing: int = 0
    excused: int = 0
    seconds_sum: float = 0.0
    seconds_max: float = 0.0
    counts: Counts = ()

    @property
    def judged(self) -> int:
        """Samples that say something of the target."""
        return self.up + self.degraded + self.down

    @property
    def asked(self) -> int:
        return self.judged + self.unsure + self.missing + self.excused


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a probe stands after its thresholds: `state` since `since`; `streak` samples in a row say otherwise, as often
    as it takes it changes; `streak_since` is the first one's moment. `seen` is the last sample's moment, `why` its
    sentence. `blamed` names the probe whose fault this is ("after"), the prober itself, or a maintenance
    (`opsbot.model.maintenance.planned` says which). `changes` are the moments at
    which the state changed in the last hour. `told` is the state people were told last, None if they never were.
    `evidence` is what the last sample that was not up showed (status, address, excerpt ...), safe to print."""

    probe: str
    state: ProbeState
    since: datetime
    seen: datetime
    streak: int = 0
    streak_state: ProbeState | None = None
    reason: str = ""
    why: str = ""
    blamed: str = ""
    streak_since: datetime | None = None
    changes: tuple[datetime, ...] = ()
    told: ProbeState | None = None
    evidence: tuple[tuple[str, str], ...] = ()

    @property
    def flips(self) -> int:
        """How often it changed in the last hour."""
        return len(self.changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip:
    """A probe changed its standing. `told` once a run has taken it up; from the start if there is nothing to tell."""

    probe: str
    at: datetime
    before: ProbeState
    after: ProbeState
    reason: str = ""
    why: str = ""
    told: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Certified:
    """The certificate that a probe was last shown. `not_after` is when the first one of its path expires; `subject`,
    `issuer` and `fingerprint` are the leaf's; `path` the subjects from the leaf to the root."""

    probe: str
    at: datetime
    not_after: datetime
    subject: str = ""
    issuer: str = ""
    fingerprint: str = ""
    path: tuple[str, ...] = ()
    verified: bool = True
