"""An Uptime port written in memory, and probes with a history that can be told in a line each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from opsbot.evaluate import histogram, slo
from opsbot.evaluate.slo import Objective
from opsbot.model.period import Period
from opsbot.model.probe import Http, ProbeState, Target
from opsbot.model.uptime import Bucket, Certified, Flip, Sample, Standing
from opsbot.probing import Probe

NOW = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
FIVE = 5 * MINUTE
PHASES = {"dns": 0.04, "connect": 0.1, "tls": 0.26, "first_byte": 0.55, "transfer": 0.05}


@dataclass
class Kept:
    """The port as tests need it: what is put in comes out, longer buckets are merged from shorter ones."""

    fine: dict[str, list[Bucket]] = field(default_factory=lambda: defaultdict(list))
    single: dict[str, list[Sample]] = field(default_factory=lambda: defaultdict(list))
    stands: dict[str, Standing] = field(default_factory=dict)
    shown: dict[str, Certified] = field(default_factory=dict)
    flips: list[Flip] = field(default_factory=list)
    _merged: dict[tuple[str, timedelta], tuple[Bucket, ...]] = field(default_factory=dict)

    def record(self, samples: Sequence[Sample], standings: Sequence[Standing], flips: Sequence[Flip]) -> None:
        for sample in samples:
            self.single[sample.probe].append(sample)
        self.stands |= {standing.probe: standing for standing in standings}
        self.flips += flips

    def account(self, buckets: Sequence[Bucket]) -> None:
        for bucket in buckets:
            self.fine[bucket.probe].append(bucket)

    def roll_up(self, now: datetime) -> None:
        return None

    def samples(self, probe: str, period: Period) -> tuple[Sample, ...]:
        return tuple(one for one in self.single[probe] if period.start <= one.at < period.end)

    def buckets(
        self, period: Period, length: timedelta, probes: Collection[str] | None = None
    ) -> Mapping[str, tuple[Bucket, ...]]:
        names = self.fine.keys() if probes is None else [name for name in probes if name in self.fine]
        found = {name: self._of(name, length) for name in list(names)}
        return {name: tuple(b for b in all if period.start <= b.start < period.end) for name, all in found.items()}

    def _of(self, name: str, length: timedelta) -> tuple[Bucket, ...]:
        if (name, length) not in self._merged:
            finer = [bucket for bucket in self.fine[name] if bucket.length <= length]
            self._merged[name, length] = slo.merged(finer, length)
        return self._merged[name, length]

    def standings(self) -> Mapping[str, Standing]:
        return self.stands

    def untold(self) -> tuple[Flip, ...]:
        return tuple(flip for flip in self.flips if not flip.told)

    def told(self, flips: Sequence[Flip]) -> None:
        self.flips = [replace(flip, told=flip.told or flip in flips) for flip in self.flips]

    def certify(self, shown: Sequence[Certified]) -> None:
        self.shown |= {one.probe: one for one in shown}

    def certificates(self) -> Mapping[str, Certified]:
        return self.shown


def probe(name: str = "api", **changes: object) -> Probe:
    made = Probe(
        name=name, check=name, every=60.0, environment="dhbw-prod", tenant="dhbw", tier="production", owner="platform",
        target=Target(name=name, spec=Http(url=f"https://{name}.example.org/health"), timeout=5.0),
        expect=("status == 200",), slo=Objective(target=0.999),
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Spell:
    """From `start` to `end` before now, `share` of the probes came to `state`."""

    start: timedelta
    end: timedelta
    state: str = "down"
    share: float = 1.0
    reason: str = "tcp.refused"


def history(
    kept: Kept, one: Probe, spells: Sequence[Spell] = (), *, days: float = 90, seconds: float = 0.18, was: float | None = None,
    now: datetime = NOW,
) -> None:  # fmt: skip
    """Five-minute buckets for today's and the last hours, days before that; single samples of the last day."""
    for start, length in _starts(now, days):
        usual = seconds if now - start <= DAY or was is None else was
        kept.account([_bucket(one, start, length, spells, usual, now)])
    samples = list(_samples(one, spells, seconds, now))
    kept.record(samples, [_standing(one, samples, spells, now)], ())


def _starts(now: datetime, days: float) -> Iterator[tuple[datetime, timedelta]]:
    day = now.replace(hour=0, minute=0) - DAY
    number = min(int(days), 95)
    for place in range(number, 0, -1):
        yield day - place * DAY, DAY
    start = max(day, now - days * DAY)
    while start < now:
        yield start, FIVE
        start += FIVE


def _bucket(
    one: Probe, start: datetime, length: timedelta, spells: Sequence[Spell], seconds: float, now: datetime
) -> Bucket:
    asked = max(1, int(length.total_seconds() / (one.every or 300)))
    counts = dict.fromkeys(("up", "degraded", "down", "unsure", "missing", "excused"), 0)
    for spell in spells:
        overlap = min(now - spell.end, start + length) - max(now - spell.start, start)
        if overlap > timedelta(0):
            counts[spell.state] += max(1, round(asked * spell.share * overlap / length))
    counts["up"] = max(0, asked - sum(counts.values()))
    answered = counts["up"] + counts["degraded"]
    spread = (seconds * (0.8 + 0.05 * (n % 9)) for n in range(min(answered, 40)))
    return Bucket(
        probe=one.name, start=start, length=length, seconds_sum=answered * seconds, seconds_max=seconds * 1.3 if answered else 0.0,
        counts=histogram.of(spread), **counts,
    )  # fmt: skip


def _samples(one: Probe, spells: Sequence[Spell], seconds: float, now: datetime) -> Iterator[Sample]:
    at = now - DAY
    at -= timedelta(seconds=one.every)
    while one.every and at + timedelta(seconds=one.every) < now:
        at += timedelta(seconds=one.every)
        hit = [spell for spell in spells if now - spell.start <= at < now - spell.end and spell.share == 1.0]
        if hit and hit[0].state in ("missing", "excused"):
            continue
        state = ProbeState(hit[0].state) if hit else ProbeState.UP
        down = state is ProbeState.DOWN
        phases = {"dns": 0.001} if down else {name: seconds * part for name, part in PHASES.items()}
        yield Sample(
            probe=one.name, at=at, state=state, seconds=None if down else seconds, reason=hit[0].reason if hit else "",
            phases=tuple(phases.items()),
        )  # fmt: skip


def _standing(one: Probe, samples: Sequence[Sample], spells: Sequence[Spell], now: datetime) -> Standing:
    last = samples[-1] if samples else None
    state = last.state if last else ProbeState.UP
    spell = next((spell for spell in spells if spell.end == timedelta(0)), None)
    since = now - spell.start if spell and state is not ProbeState.UP else now - 20 * DAY
    why = "10.0.4.7:443 refused the connection" if state is ProbeState.DOWN else ""
    return Standing(probe=one.name, state=state, since=since, seen=last.at if last else now - MINUTE,
                    reason=last.reason if last else "", why=why)  # fmt: skip


def certified(one: Probe, days: float, now: datetime = NOW) -> Certified:
    return Certified(
        probe=one.name, at=now - MINUTE, not_after=now + timedelta(days=days), subject=f"CN={one.name}.example.org",
        issuer="CN=Example CA 3", fingerprint="9f" * 32, path=(f"CN={one.name}.example.org", "CN=Example CA 3"),
    )  # fmt: skip


def scene() -> tuple[Kept, tuple[Probe, ...]]:
    """A morning like many: one down, one degraded, one blamed, one nobody looks at, a certificate that ends, the rest well."""
    kept = Kept()
    api, shop, intern = probe("api", every=30.0), probe("shop"), probe("intern", after="vpn", slo=None)
    vpn, login = probe("vpn", slo=Objective(target=0.995)), probe("login", environment="edt-prod")
    lecture, mail, backup = probe("lecture-backend"), probe("mail", environment="edt-prod"), probe("backup", slo=None)
    history(
        kept,
        api,
        [Spell(58 * MINUTE, timedelta(0)), Spell(9 * DAY, 9 * DAY - HOUR), Spell(41 * DAY, 39 * DAY, share=0.01)],
    )
    history(kept, shop, [Spell(3 * HOUR, timedelta(0), "degraded", reason="assert.latency")], seconds=0.92, was=0.31)
    history(kept, vpn, [Spell(20 * DAY, 20 * DAY - 3 * HOUR)])
    history(kept, intern, [Spell(5 * HOUR, 4 * HOUR, "excused")], days=12)
    history(
        kept,
        login,
        [Spell(9 * HOUR, 8.5 * HOUR, reason="http.status"), Spell(30 * DAY, 28 * DAY, "missing")],
        seconds=0.44,
    )
    history(kept, lecture, seconds=0.07)
    history(kept, mail, seconds=0.12, days=40)
    history(kept, backup, [Spell(2 * HOUR, timedelta(0), "missing")])
    kept.certify([certified(api, 2.4), certified(shop, 71), certified(mail, 25), certified(login, 11)])
    return kept, (api, shop, vpn, intern, login, lecture, mail, backup)
