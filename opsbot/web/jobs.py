"""Every job: what it said last and how long ago, its last runs, and when it runs next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from opsbot import timetable as rules
from opsbot.model.run import Run, RunState
from opsbot.model.timetable import Clockwork, Timetable
from opsbot.render.format import brief, clean, clip, span
from opsbot.store.overview import Glance
from opsbot.web import words
from opsbot.web.strip import Strip, strip
from opsbot.web.words import Word

NEVER = Word("quiet", "·", "Not yet")
# A run that should have begun is late by more than a busy machine explains.
GRACE = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """`last` ended and was not skipped; None if there is none. `next` is None where it will not run by itself."""

    job: str
    schedule: str
    word: Word
    last: Run | None
    ago: str
    next: datetime | None
    strip: Strip
    paused: str
    overdue: datetime | None


def row(
    timetable: Timetable, clockwork: Clockwork | None, last: Run | None, recent: Sequence[Glance], now: datetime
) -> Row:
    """What is known of one job."""
    paused = pause(clockwork, timetable.zone, now)
    ended = (last.finished_at or last.at) if last else None
    return Row(
        job=timetable.job,
        schedule=in_words(timetable),
        word=words.of_run(last) if last else NEVER,
        last=last,
        ago=words.age(ended, now) if ended else "",
        next=rules.next_fire(timetable, begins(clockwork, now)),
        strip=strip(recent),
        paused=paused,
        overdue=None if paused else overdue(timetable, clockwork, now),
    )


def in_words(timetable: Timetable) -> str:
    """`at 07:00, Monday to Friday`; its zone is said where it is not the page's."""
    told = words.schedule(timetable.cron)
    return told if timetable.enabled else f"switched off ({told})"


def pause(clockwork: Clockwork | None, zone: str, now: datetime) -> str:
    """`until 20 Nov 07:00 by root: release freeze`; "" if it is not paused."""
    if clockwork is None or clockwork.paused_until is None or clockwork.paused_until <= now:
        return ""
    far = clockwork.paused_until - now > timedelta(days=3650)
    until = "until somebody resumes it" if far else f"until {brief(clockwork.paused_until, zone, now)}"
    who = f" by {clip(clean(clockwork.paused_by), 60)}" if clockwork.paused_by else ""
    why = f": {clip(clean(clockwork.pause_reason), 160)}" if clockwork.pause_reason else ""
    return f"{until}{who}{why}"


def begins(clockwork: Clockwork | None, now: datetime) -> datetime:
    """From when on it runs: now, or the end of its pause."""
    paused = clockwork.paused_until if clockwork else None
    return max(now, paused) if paused else now


def overdue(timetable: Timetable, clockwork: Clockwork | None, now: datetime) -> datetime | None:
    """A fire that passed and is no row of the ledger: nobody has planned this job since. None if all is well."""
    if clockwork is None or clockwork.cursor is None or clockwork.cron != timetable.cron or clockwork.cursor > now:
        return None
    missed = rules.next_fire(timetable, clockwork.cursor)
    return missed if missed is not None and now - missed > GRACE else None


def next_fires(timetable: Timetable, after: datetime, number: int) -> tuple[datetime, ...]:
    """The next moments at which it runs."""

    def walk() -> datetime | None:
        nonlocal after
        found = rules.next_fire(timetable, after)
        after = found or after
        return found

    return tuple(fire for fire in islice(iter(walk, None), number) if fire is not None)


def upcoming(rows: Sequence[Row], number: int) -> list[tuple[datetime, str]]:
    """The next runs of all jobs, soonest first."""
    return sorted((line.next, line.job) for line in rows if line.next is not None)[:number]


def failing(rows: Sequence[Row]) -> list[str]:
    """Jobs whose last run did not end well."""
    bad = (RunState.FAILED, RunState.TIMED_OUT, RunState.LOST)
    return [line.job for line in rows if line.last is not None and line.last.state in bad]


def never_run(rows: Sequence[Row]) -> bool:
    return all(line.last is None for line in rows)


def details(timetable: Timetable) -> Mapping[str, str]:
    """The rules of a job in words, in the order a reader asks for them."""
    told = {
        "Missed runs": _catch_up(timetable),
        "If one is still at work": _OVERLAP[timetable.overlap.value],
        "Ended after": span(timetable.timeout),
        "Tried again": _retries(timetable),
    }
    if timetable.jitter:
        told["Late on purpose by up to"] = span(timetable.jitter)
    if timetable.business_days:
        told["Only"] = "Monday to Friday"
    if timetable.holidays:
        told["Not on"] = f"public holidays ({len(timetable.holidays)} known, until {timetable.holidays[-1]:%Y})"
    if timetable.channels:
        told["Tells"] = words.listed([clean(name) for name in timetable.channels])
    return told


_OVERLAP = {
    "skip": "the new one is skipped",
    "queue": "the new one waits",
    "cancel": "the old one is ended",
    "allow": "both run",
}


def _catch_up(timetable: Timetable) -> str:
    within = f"not older than {span(timetable.catch_up_window)}"
    told = {
        "skip": "are skipped",
        "latest": f"the latest is made up for, {within}",
        "all": f"the last {timetable.catch_up_max} are made up for, {within}",
    }
    return told[timetable.catch_up.value]


def _retries(timetable: Timetable) -> str:
    if not timetable.retries:
        return "never"
    times = "once" if timetable.retries == 1 else f"{timetable.retries} times"
    return f"{times}, after {span(timetable.retry_after)}"


def zone_of(timetable: Timetable, page_zone: str) -> str:
    """The zone's name where it is another than the page's."""
    return "" if timetable.zone == page_zone else ZoneInfo(timetable.zone).key
