"""What the daemon makes of results: where each probe stands, what people must hear, and an account of every turn.

Nothing is lost to a database that does not answer for a while: what is not written yet stays here and is written with
the next round. Nothing is told twice either, because standings are read back from where they were written.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from opsbot.evaluate.standing import PROBER, Rules, advance, excused
from opsbot.model import maintenance
from opsbot.model.maintenance import Maintenance
from opsbot.model.probe import ProbeState
from opsbot.model.uptime import Bucket, Certified, Flip, Sample, Standing
from opsbot.ports import Uptime
from opsbot.prober.wire import Found
from opsbot.probing import Probe

log = logging.getLogger(__name__)

WINDOW = timedelta(minutes=5)
HEARTBEAT_EVERY = 60.0
# About ten minutes of ten thousand probes. Beyond that only their number is kept.
MOST = 200_000
_BATCH = 5_000
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)
_AT_ONCE = Rules(failures=1, recoveries=1)


class Book:
    """For one thread. `write` raises StoreError and may be called again."""

    def __init__(self, uptime: Uptime) -> None:
        self._uptime = uptime
        self._probes: Mapping[str, Probe] = {}
        self._planned: tuple[Maintenance, ...] = ()
        self._rules: dict[str, Rules] = {}
        self._standings: dict[str, Standing] = {}
        self._seen: dict[str, datetime] = {}
        self._slots: dict[str, int] = {}
        self._samples: list[Sample] = []
        self._dirty: set[str] = set()
        self._flips: list[Flip] = []
        self._missing: Counter[tuple[str, datetime]] = Counter()
        self._shown: dict[str, Certified] = {}

    def open(self, probes: Iterable[Probe], planned: tuple[Maintenance, ...] = ()) -> None:
        """Take these probes over; others are forgotten. Trouble in `planned` work is excused. Raises StoreError."""
        self._planned = planned
        found = {probe.name: probe for probe in probes}
        changed = {name for name, probe in found.items() if _pace(self._probes.get(name)) != _pace(probe)}
        known = self._uptime.standings()
        self._standings = {
            name: self._standings.get(name) or standing
            for name, standing in {**known, **self._standings}.items()
            if name in found or name == PROBER
        }
        self._seen = {name: at for name, at in self._seen.items() if name in found}
        # Slots of another length have other numbers.
        self._slots = {name: slot for name, slot in self._slots.items() if name in found and name not in changed}
        self._probes = found
        self._rules = {name: _rules(probe) for name, probe in found.items()}

    def soon(self, now: datetime) -> tuple[str, ...]:
        """Probes that are to have a turn at once: never asked yet, or not for longer than they ever should be."""
        late = (name for name, probe in self._probes.items() if self._overdue(name, probe, now))
        return tuple(late)

    def take(self, found: Iterable[Found]) -> None:
        """Count results. Of a probe that is not known (any more) nothing is kept."""
        for one in found:
            if one.sample.probe in self._probes:
                self._take(one)

    def note_prober(self, at: datetime, reason: str, why: str) -> None:
        """How the prober itself is; `reason` "" for well. Its standing changes at once, and is told as one trouble."""
        state = ProbeState.UNSURE if reason else ProbeState.UP
        sample = Sample(probe=PROBER, at=at, state=state, reason=reason)
        before = self._standings.get(PROBER)
        if before is None or before.state is not state:
            self._advance(sample, _AT_ONCE, None, why)

    def note_burns(self, flips: Iterable[Flip]) -> None:
        """Error budgets that began to burn, or do no more (`opsbot.prober.burns`)."""
        for flip in flips:
            self._flips.append(flip)
            log.info("budget changed", extra={"probe": flip.probe, "reason": flip.reason})

    def miss(self, probe: str, at: datetime, count: int = 1) -> None:
        """So many turns of a probe did not come about."""
        self._missing[probe, _window(at)] += count

    def write(self) -> bool:
        """Everything that is new, in one transaction each thousands; whether people have something to hear."""
        self._bound()
        untold = any(not flip.told for flip in self._flips)
        while self._samples or self._dirty or self._flips:
            some = self._samples[:_BATCH]
            standings = [self._standing(name) for name in sorted(self._dirty) if name in self._standings]
            self._uptime.record(some, standings, self._flips)
            self._samples = self._samples[_BATCH:]
            self._dirty, self._flips = set(), []
        if self._missing:
            self._uptime.account([_missing(name, at, count) for (name, at), count in sorted(self._missing.items())])
            self._missing.clear()
        if self._shown:
            self._uptime.certify(tuple(self._shown.values()))
            self._shown = {}
        return untold

    def _take(self, one: Found) -> None:
        sample, probe = one.sample, self._probes[one.sample.probe]
        self._account(one, probe)
        if one.certified is not None:
            self._shown[sample.probe] = one.certified
        known = self._standings.get(sample.probe)
        if known is not None and _nothing_new(known, sample):
            self._seen[sample.probe] = sample.at
            self._samples.append(sample)
            return
        parent = self._work(probe, sample.at) or self._parent(probe)
        self._advance(sample, self._rules[sample.probe], parent, one.why, one.evidence)
        self._samples.append(replace(sample, excused=True) if excused(sample, parent) else sample)

    def _advance(
        self,
        sample: Sample,
        rules: Rules,
        parent: Standing | None,
        why: str,
        evidence: tuple[tuple[str, str], ...] = (),
    ) -> None:
        before = self._standings.get(sample.probe)
        after, flip = advance(before, sample, rules, parent, why)
        if evidence != after.evidence:
            after = replace(after, evidence=evidence)
        self._standings[sample.probe] = after
        self._seen.pop(sample.probe, None)
        self._dirty.add(sample.probe)
        if flip is not None:
            self._flips.append(flip)
            log.info(
                "probe changed",
                extra={"probe": flip.probe, "state": str(flip.after), "was": str(flip.before), "reason": flip.reason},
            )

    def _account(self, one: Found, probe: Probe) -> None:
        """Turns between the last one heard of and this one did not come about."""
        if one.slot is None:
            return
        name, at, every = probe.name, one.sample.at, _every(probe)
        last = self._slots.get(name)
        lost = self._gap(name, at, every) if last is None else one.slot - last - 1
        self._slots[name] = max(one.slot, last if last is not None else one.slot)
        step = timedelta(seconds=every)
        for back in range(1, min(lost, 1_000_000) + 1):
            self._missing[name, _window(at - back * step)] += 1

    def _gap(self, name: str, at: datetime, every: float) -> int:
        """Turns since a daemon before this one saw the probe last."""
        standing = self._standings.get(name)
        return 0 if standing is None else max(round((at - standing.seen).total_seconds() / every) - 1, 0)

    def _work(self, probe: Probe, at: datetime) -> Standing | None:
        """Planned work as if it were a parent that is down: whatever fails meanwhile is its doing."""
        found = maintenance.covering(self._planned, probe.environment, probe.name, at, probe=True)
        if found is None:
            return None
        return Standing(probe=f"{maintenance.PREFIX}{found.name}", state=ProbeState.DOWN, since=at, seen=at)

    def _parent(self, probe: Probe) -> Standing | None:
        if not probe.after or probe.after not in self._probes:
            return None
        # One that was never asked is in doubt, not well.
        unknown = Standing(probe=probe.after, state=ProbeState.UNSURE, since=_NEVER, seen=_NEVER)
        return self._standing(probe.after) if probe.after in self._standings else unknown

    def _standing(self, name: str) -> Standing:
        standing, seen = self._standings[name], self._seen.get(name)
        return standing if seen is None else replace(standing, seen=seen)

    def _overdue(self, name: str, probe: Probe, now: datetime) -> bool:
        if name in self._slots or probe.target is None:
            return False
        standing = self._standings.get(name)
        return standing is None or now - standing.seen > timedelta(seconds=probe.every)

    def _bound(self) -> None:
        """Of what could not be written for a long time the oldest becomes a number."""
        lost, self._samples = self._samples[:-MOST], self._samples[-MOST:]
        for sample in lost:
            self.miss(sample.probe, sample.at)

    @property
    def standings(self) -> Mapping[str, Standing]:
        return {name: self._standing(name) for name in self._standings}


def _nothing_new(known: Standing, sample: Sample) -> bool:
    return (
        sample.state is ProbeState.UP
        and known.state is ProbeState.UP
        and known.told is ProbeState.UP
        and not known.streak
        and not known.evidence
    )


def _rules(probe: Probe) -> Rules:
    # A heartbeat's verdict is a fact and not a measurement: once is enough.
    return _AT_ONCE if probe.target is None else Rules(failures=probe.failures, recoveries=probe.recoveries)


def _every(probe: Probe) -> float:
    return probe.every if probe.target is not None else HEARTBEAT_EVERY


def _pace(probe: Probe | None) -> float | None:
    return None if probe is None else _every(probe)


def _window(at: datetime) -> datetime:
    return at - (at - _NEVER) % WINDOW


def _missing(probe: str, at: datetime, count: int) -> Bucket:
    return Bucket(probe=probe, start=at, length=WINDOW, missing=count)


def gone(before: Collection[str], probes: Iterable[Probe]) -> tuple[str, ...]:
    """Names that are probed no more."""
    return tuple(sorted(set(before) - {probe.name for probe in probes} - {PROBER}))
