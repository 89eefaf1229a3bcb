"""What a past means: when the limit is reached, with what odds, by when somebody must act, and how bad that is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from opsbot.checks.capacity.past import Past
from opsbot.checks.capacity.settings import CapacitySettings
from opsbot.checks.capacity.track import Track
from opsbot.evaluate.trend import Outlook, Pace, outlook
from opsbot.model.status import Status

ENDLESS = 1e300
"""Stands for no limit: only the pace is wanted then."""
SILENT = timedelta(days=3)
NEARLY = 0.9
"""A size beyond this share of its limit is told, whatever its past says: a jump has no pace."""
SURE, LIKELY = 0.8, 0.5
SOON = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One series with what is to be said of it. `why`: it could not be forecast, and this is the reason.

    `days` are the middle and the ends of the 80 % range; None is "not within half a year" or "no limit".
    """

    track: Track
    past: Past
    status: Status
    now: float | None = None
    outlook: Outlook | None = None
    days: tuple[date | None, date | None, date | None] = (None, None, None)
    act_by: date | None = None
    lead: int = 0
    why: str = ""

    @property
    def limit(self) -> float | None:
        return self.track.limit.value if self.track.limit else None

    @property
    def forecast(self) -> bool:
        return self.outlook is not None and not self.why

    @property
    def over(self) -> bool:
        return self.limit is not None and self.now is not None and self.now >= self.limit

    @property
    def share(self) -> float | None:
        """How much of its limit is used."""
        return None if self.limit is None or self.now is None else self.now / self.limit

    @property
    def more_usd(self) -> float:
        """What ninety days of its pace add to a month's bill, USD; 0 where it does not grow, or what is paid is the limit."""
        usd = self.track.source.usd
        if usd is None or self.limit is not None or self.outlook is None or self.outlook.pace is not Pace.RISING:
            return 0.0
        return max(self.outlook.growth * 90 * usd, 0.0)


def judge(track: Track, past: Past, settings: CapacitySettings, today: date) -> Judged | None:
    """None for what does not use the capacity at all: nothing to say, nothing to miss."""
    newest = past.newest
    if track.limit is None and not track.why and track.source.usd is None:
        return None
    if past.why:
        return Judged(track=track, past=past, status=Status.UNKNOWN, why=past.why)
    if newest is None:
        return _nothing(track, past, settings)
    now = float(past.values[np.isfinite(past.values)][-1])
    if today - newest > SILENT:
        return _silent(track, past, now, newest)
    if track.why:
        return Judged(track=track, past=past, status=Status.INFO, now=now, why=track.why)
    found = outlook(past.values, limit=track.limit.value if track.limit else ENDLESS)
    if found.pace is Pace.UNKNOWN:
        known = int(np.isfinite(past.values).sum())
        over = track.limit is not None and now >= track.limit.value
        why = f"{known} {'day' if known == 1 else 'days'} of history; needs 8"
        return Judged(track=track, past=past, status=Status.CRITICAL if over else Status.INFO, now=now, why=why)
    return _judged(track, past, settings, today, now, found)


def _nothing(track: Track, past: Past, settings: CapacitySettings) -> Judged | None:
    source = track.source
    if source.optional:
        wanted = source.needs and track.limit is not None
        return Judged(track=track, past=past, status=Status.INFO, why=f"no datum: {source.needs}") if wanted else None
    return Judged(track=track, past=past, status=Status.UNKNOWN, why=f"no datum in {settings.days} days")


def _silent(track: Track, past: Past, now: float, newest: date) -> Judged | None:
    why = f"no datum since {newest.isoformat()}"
    if track.source.optional:
        return Judged(track=track, past=past, status=Status.INFO, now=now, why=why) if track.limit else None
    return Judged(track=track, past=past, status=Status.UNKNOWN, now=now, why=why)


def _judged(track: Track, past: Past, settings: CapacitySettings, today: date, now: float, found: Outlook) -> Judged:
    if track.limit is None:
        return Judged(track=track, past=past, status=Status.OK, now=now, outlook=found)
    lead = settings.lead(track.source.name)
    p10, p50, p90 = (_day(past.last, day) for day in (found.p10, found.p50, found.p90))
    act_by = None if p50 is None else p50 - timedelta(days=lead)
    status = _status(track, now, found, lead, act_by, today + timedelta(days=settings.act_within_days))
    return Judged(
        track=track, past=past, status=status, now=now, outlook=found, days=(p10, p50, p90), act_by=act_by, lead=lead
    )  # fmt: skip


def _status(track: Track, now: float, found: Outlook, lead: int, act_by: date | None, soon: date) -> Status:
    limit = track.limit.value if track.limit else ENDLESS
    if now >= limit or within(found, lead) >= SURE:
        return Status.CRITICAL
    if found.p_breach_30d >= LIKELY or (act_by is not None and act_by <= soon):
        return Status.WARNING
    if track.source.level and now >= NEARLY * limit:
        return Status.WARNING
    return Status.INFO if found.p_breach_90d >= LIKELY else Status.OK


def within(found: Outlook, days: float) -> float:
    """Odds that the limit is reached within so many days: between what the outlook says at a few of them."""
    said = [(0.0, 0.0), (30.0, found.p_breach_30d), (90.0, found.p_breach_90d), (float(found.horizon), found.p_horizon)]
    said += [(day, odds) for day, odds in ((found.p10, 0.1), (found.p50, 0.5), (found.p90, 0.9)) if day is not None]
    said.sort()
    return float(np.interp(days, [day for day, _ in said], np.maximum.accumulate([odds for _, odds in said])))


def _day(last: date, days: float | None) -> date | None:
    return None if days is None else last + timedelta(days=round(days))


def urgency(one: Judged) -> tuple[int, int, int, float, str]:
    """Sorts by time left: what is over its limit; what needs somebody, by the day it gets there; the rest likewise."""
    p10, p50, _ = one.days
    far = date.max.toordinal()
    odds = one.outlook.p_breach_90d if one.outlook else 0.0
    needed = one.status in (Status.CRITICAL, Status.WARNING)
    return (
        0 if one.over else 1 if needed else 2,
        p50.toordinal() if p50 else far,
        p10.toordinal() if p10 else far,
        -max(odds, one.share or 0.0),
        one.track.key,
    )
