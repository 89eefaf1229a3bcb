"""Which error budgets burn, told when it begins and when it is over: what fails now and then, and never often enough in a row
to be down, is heard of within minutes and not with the morning's report.

What is down is told as that: its budget goes too, and nobody is called twice for one cause.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from opsbot.evaluate import slo
from opsbot.evaluate.slo import Burn, Objective
from opsbot.model.period import Period
from opsbot.model.probe import ProbeState
from opsbot.model.uptime import Bucket, Flip, Sample, Standing
from opsbot.ports import Uptime
from opsbot.probing import Probe

REMEMBERED = timedelta(days=7)
"""So far back a daemon that begins looks for what people were told: no budget of a month burns for longer."""
# A burn is milder, or over, once it was so for as many of its short windows: what comes and goes within is one burn.
CALM = 3
# At most so many budgets are looked at in one round, those that failed last; of more something is down anyway.
MOST = 500
_FIVE = timedelta(minutes=5)
_LONGEST = slo.SLOW.long


class Burns:
    """For one thread. `told` are flips of the last days, of which those about budgets count."""

    def __init__(self, uptime: Uptime, told: Iterable[Flip] = ()) -> None:
        self._uptime = uptime
        self._told: dict[str, Burn] = {}
        self._milder: dict[str, datetime] = {}
        self._spent: dict[str, datetime] = {}
        self._begun = False
        for flip in told:
            if flip.reason in slo.SAID:
                self._note(flip.probe, slo.burn_of(flip.reason))

    def take(self, samples: Iterable[Sample], objectives: Mapping[str, Objective]) -> None:
        """Which budgets were spent from just now; of all others nothing is read."""
        for sample in samples:
            objective = objectives.get(sample.probe)
            if objective is not None and _bad(sample, objective):
                self._spent[sample.probe] = sample.at

    def look(self, probes: Iterable[Probe], standings: Mapping[str, Standing], now: datetime) -> tuple[Flip, ...]:
        """What people must hear of since the last look. Raises StoreError."""
        found = {probe.name: probe for probe in probes if probe.slo is not None and probe.name in standings}
        self._told = {name: burn for name, burn in self._told.items() if name in found}
        names = self._suspects(found, standings, now)
        if not names:
            return ()
        period = Period(start=now - _LONGEST - _FIVE, end=now)
        buckets = self._uptime.buckets(period, _FIVE, names)
        flips = (self._judged(found[name], standings[name], buckets.get(name, ()), now) for name in names)
        return tuple(flip for flip in flips if flip is not None)

    def _suspects(self, found: Mapping[str, Probe], standings: Mapping[str, Standing], now: datetime) -> list[str]:
        """At the first look everybody, because nobody knows what an earlier daemon saw."""
        self._spent = {name: at for name, at in self._spent.items() if name in found and abs(now - at) <= _LONGEST}
        never = datetime.min.replace(tzinfo=now.tzinfo)
        names = {*self._spent, *self._told} if self._begun else set(found)
        self._begun = True
        asked = [name for name in names if standings[name].state is not ProbeState.DOWN]
        return sorted(asked, key=lambda name: (name in self._told, self._spent.get(name, never), name))[-MOST:]

    def _judged(self, probe: Probe, standing: Standing, buckets: tuple[Bucket, ...], now: datetime) -> Flip | None:
        told = self._told.get(probe.name)
        if probe.slo is None:
            return None
        burn = slo.burning(buckets, probe.slo, now)
        if burn is told:
            self._milder.pop(probe.name, None)
            return None
        if burn is not None and (told is None or burn.rate > told.rate):
            # What it changed to just now was told, and is why it burns.
            changed = any(timedelta(0) <= now - at < burn.short for at in standing.changes)
            return None if changed else self._flip(probe.name, standing, burn, now)
        if told is None or not slo.known(buckets, probe.slo, now, told):
            return None
        # A clock that was set back begins anew.
        since = self._milder[probe.name] = min(self._milder.get(probe.name, now), now)
        return self._flip(probe.name, standing, burn, now) if now - since >= CALM * told.short else None

    def _flip(self, name: str, standing: Standing, burn: Burn | None, now: datetime) -> Flip:
        self._note(name, burn)
        reason = burn.reason if burn else slo.OVER
        return Flip(
            probe=name, at=now, before=standing.state, after=standing.state, reason=reason, why=slo.SAID[reason]
        )

    def _note(self, name: str, burn: Burn | None) -> None:
        self._milder.pop(name, None)
        if burn is None:
            self._told.pop(name, None)
        else:
            self._told[name] = burn


def _bad(sample: Sample, objective: Objective) -> bool:
    slow = objective.latency is not None and sample.seconds is not None and sample.seconds > objective.latency
    return slow or sample.state is ProbeState.DOWN
