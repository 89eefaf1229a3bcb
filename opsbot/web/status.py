"""The status page: one sentence that says whether anybody must act, then what it rests on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from opsbot.model.message import Delivery
from opsbot.model.run import Run, RunState
from opsbot.model.status import Verdict
from opsbot.model.timetable import Clockwork, Timetable, Worker
from opsbot.model.vitals import Beat, Vitals
from opsbot.render.format import brief, clean, clip, plural
from opsbot.store.overview import Backlog, Glance, Overview
from opsbot.web import environments, jobs, words
from opsbot.web.environments import Estate
from opsbot.web.inside import Inside
from opsbot.web.parts import Broken, part, whole
from opsbot.web.strip import BARS
from opsbot.web.words import Word

T = TypeVar("T")
Recent = Mapping[str, Sequence[Glance]]
MOST_TROUBLES = 12
_WAITING = (Delivery.QUEUED, Delivery.SENDING, Delivery.HELD)
_LATE = timedelta(minutes=15)
# Retention takes findings away without a run.
_FRESH = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """What the outbox still has for one channel."""

    name: str
    word: Word
    waiting: int
    unknown: int
    dead: int
    oldest: datetime | None

    @property
    def busy(self) -> bool:
        return bool(self.waiting or self.unknown or self.dead)


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What is at work, and how much waits for its turn."""

    running: tuple[Run, ...]
    queued: tuple[Run, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The whole page; parts that could not be read are Broken."""

    now: datetime
    word: Word
    headline: str
    lede: str
    troubles: tuple[str, ...]
    estate: Estate | Broken
    jobs: tuple[jobs.Row, ...] | Broken
    work: Work | Broken
    channels: tuple[Channel, ...] | Broken
    vitals: Vitals | Broken
    workers: tuple[Worker, ...] | Broken


class Estates:
    """The environments as they stood after the runs that were known then: only the end of a run changes them, so
    thousands of findings are read once and not for each visitor. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: tuple[object, datetime, Estate] | None = None

    def estate(self, inside: Inside, overview: Overview, recent: Recent) -> Estate:
        """Raises StoreError."""
        now, rests_on = inside.now(), (dict(recent), inside.environments())
        with self._lock:
            kept = self._kept
            if kept and kept[0] == rests_on and timedelta(0) <= now - kept[1] < _FRESH:
                return kept[2]
            found = _estate(inside, overview, recent)
            self._kept = rests_on, now, found
            return found


def look(inside: Inside, estates: Estates) -> Status:
    """Ask the store and the daemon once."""
    now, overview = inside.now(), Overview(inside.store)
    timetables = whole(part("timetables", inside.timetables), ())
    vitals = part("vitals", inside.vitals)
    recent = part("runs", lambda: overview.recent([job.job for job in timetables], BARS))
    rows = _then("jobs", recent, lambda known: _jobs(inside, overview, timetables, known, now))
    estate = _then("environments", recent, lambda known: estates.estate(inside, overview, known))
    channels = part("outbox", lambda: _channels(overview.backlog(), now))
    troubles = (*_own(vitals, whole(rows, ()), inside.zone, now), *_undelivered(whole(channels, ())))
    word, headline, lede = say(vitals, estate, whole(rows, ()), troubles)
    return Status(
        now=now,
        word=word,
        headline=headline,
        lede=lede,
        troubles=troubles,
        estate=estate,
        jobs=rows,
        work=part("work", lambda: _work(overview)),
        channels=channels,
        vitals=vitals,
        workers=part("workers", lambda: inside.store.ledger().workers(now - timedelta(minutes=5))),
    )


def say(
    vitals: Vitals | Broken, estate: Estate | Broken, rows: Sequence[jobs.Row], troubles: Sequence[str]
) -> tuple[Word, str, str]:
    """Word, headline and what follows it: opsbot's own death first, then what needs a person, then blindness."""
    if isinstance(vitals, Broken) or not vitals.alive:
        lede = "Until that is mended nothing below is sure, and nothing new may be told."
        return words.of_verdict(Verdict.ACTION), "opsbot itself is not well", lede
    if isinstance(estate, Broken):
        return words.of_verdict(Verdict.NO_DATA), "The state cannot be read", estate.why
    found = estate.verdicts
    if Verdict.ACTION in found:
        return _about(Verdict.ACTION, estate)
    if Verdict.ATTENTION in found:
        return _about(Verdict.ATTENTION, estate)
    if failed := jobs.failing(rows):
        headline = f"{_names(failed)} did not end well"
        return words.of_verdict(Verdict.NO_DATA), headline, "What they look at is not known to be healthy."
    if Verdict.NO_DATA in found:
        return _about(Verdict.NO_DATA, estate)
    if jobs.never_run(rows):
        lede = "The first run fills this page." if rows else "No job has a schedule: see opsbot jobs."
        return words.of_verdict(Verdict.NO_DATA), "Nothing has run yet", lede
    if troubles:
        return words.of_verdict(Verdict.ATTENTION), "All environments are well; opsbot needs a look", ""
    return words.of_verdict(Verdict.OK), "Nobody needs to act", _fine(estate)


def _about(verdict: Verdict, estate: Estate) -> tuple[Word, str, str]:
    names = estate.verdicts[verdict]
    others = {other: found for other, found in estate.verdicts.items() if other is not verdict}
    lede = f"Of the others {environments.tally(others)}." if others else ""
    return words.of_verdict(verdict), f"{_names(names)} {environments.verb(verdict, len(names))}", lede


def _names(names: Sequence[str]) -> str:
    shown = [clip(clean(name), 40) for name in names[:2]]
    if len(names) > 2:
        return f"{shown[0]} and {len(names) - 1} others"
    return words.listed(shown)


def _fine(estate: Estate) -> str:
    number = len(estate.verdicts.get(Verdict.OK, ()))
    return (
        f"{plural(number, 'environment')}, every check within its limits."
        if number
        else "Every check is within its limits."
    )


def _then(name: str, known: Recent | Broken, read: Callable[[Recent], T]) -> T | Broken:
    """A part that rests on another one."""
    return known if isinstance(known, Broken) else part(name, lambda: read(known))


def _jobs(
    inside: Inside, overview: Overview, timetables: Sequence[Timetable], recent: Recent, now: datetime
) -> tuple[jobs.Row, ...]:
    clockworks: Mapping[str, Clockwork] = inside.store.ledger().clockworks()
    newest = [glances[0].id for glances in recent.values() if glances]
    last = {run.job: run for run in overview.those(newest).values()}
    return tuple(
        jobs.row(timetable, clockworks.get(timetable.job), last.get(timetable.job), recent[timetable.job], now)
        for timetable in timetables
    )


def _estate(inside: Inside, overview: Overview, recent: Recent) -> Estate:
    found = environments.places(overview.standing(), recent)
    told = found[: environments.TOLD]
    runs = environments.runs_behind(told, recent)
    said = overview.said(set(runs.values()), list(runs))
    return environments.estate(found, said, runs, inside.environments(), seen=any(map(_looked, recent.values())))


def _looked(glances: Sequence[Glance]) -> bool:
    return any(glance.state is RunState.SUCCEEDED for glance in glances)


def _work(overview: Overview) -> Work:
    found = overview.runs(states=(RunState.RUNNING, RunState.QUEUED), limit=40)
    return Work(
        running=tuple(run for run in found if run.state is RunState.RUNNING),
        queued=tuple(run for run in found if run.state is RunState.QUEUED),
    )


def _channels(backlog: Sequence[Backlog], now: datetime) -> tuple[Channel, ...]:
    return tuple(_channel(name, backlog, now) for name in sorted({line.channel for line in backlog}))


def _channel(name: str, backlog: Sequence[Backlog], now: datetime) -> Channel:
    numbers = {line.state: line.number for line in backlog if line.channel == name}
    oldest = min((line.oldest for line in backlog if line.channel == name and line.state in _WAITING), default=None)
    waiting = sum(numbers.get(state, 0) for state in _WAITING)
    unknown, dead = numbers.get(Delivery.UNKNOWN, 0), numbers.get(Delivery.DEAD, 0)
    late = oldest is not None and now - oldest > _LATE
    verdict = Verdict.ATTENTION if dead or unknown or late else Verdict.OK
    return Channel(
        name=clip(clean(name), 60), word=words.of_verdict(verdict), waiting=waiting, unknown=unknown, dead=dead,
        oldest=oldest,
    )  # fmt: skip


def _own(vitals: Vitals | Broken, rows: Sequence[jobs.Row], zone: str, now: datetime) -> list[str]:
    """What is wrong with opsbot: its loops, what it says itself, jobs that it forgot."""
    told: list[str] = []
    if isinstance(vitals, Broken):
        told.append(f"The daemon does not answer: {vitals.why}.")
    else:
        told += [stalled(beat) for beat in vitals.beats if beat.stalled]
        told += [clip(clean(trouble), 400) for trouble in vitals.troubles]
    told += [_ended_badly(line) for line in rows if jobs.failing([line])]
    told += [
        f"{line.job} should have run at {brief(line.overdue, zone, now)} and did not." for line in rows if line.overdue
    ]
    hidden = len(told) - MOST_TROUBLES
    return told if hidden <= 0 else [*told[:MOST_TROUBLES], f"{hidden} more; see the log."]


def _ended_badly(line: jobs.Row) -> str:
    why = clip(clean(line.last.reason or line.last.error), 160) if line.last else ""
    return f"{line.job}: {line.word.word.lower()} {line.ago}{f': {why}' if why else ''}."


def stalled(beat: Beat) -> str:
    """`The outbox loop stands still: it last moved 3 min ago.`"""
    why = f" ({clip(clean(beat.error), 200)})" if beat.error else ""
    return f"The {clean(beat.loop)} loop stands still: it last moved {words.relative(beat.age)}{why}."


def _undelivered(channels: Sequence[Channel]) -> list[str]:
    told = []
    for channel in channels:
        if channel.dead:
            told.append(f"{plural(channel.dead, 'message')} to {channel.name} could not be delivered.")
        if channel.unknown:
            told.append(f"Of {plural(channel.unknown, 'message')} to {channel.name} nobody knows whether it arrived.")
    return told
