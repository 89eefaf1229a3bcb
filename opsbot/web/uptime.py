"""The uptime page: every probe with its 90 days and its latency, what is not up, and what was not in the last days.

Days that are over are read once and kept as colours, hours that are over as one number each, the last two days and the
standings at most every few seconds: so a page of 500 probes costs what one of 50 does.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from html import escape
from typing import Any, NamedTuple
from urllib.parse import quote

from markupsafe import Markup

from opsbot.evaluate import histogram, uptime
from opsbot.evaluate.standing import PROBER
from opsbot.model.maintenance import Maintenance, planned
from opsbot.model.period import Period
from opsbot.model.status import Status, Verdict
from opsbot.model.units import Unit
from opsbot.model.uptime import Bucket, Standing
from opsbot.probing import Probe
from opsbot.render.format import clean, clip, count, plural, quantity, span
from opsbot.store.flips import flips
from opsbot.web import bars, outages, words
from opsbot.web.bars import Note
from opsbot.web.inside import Inside
from opsbot.web.outages import Told
from opsbot.web.words import Word

# Status pages show what is less than 30 s old.
FRESH = timedelta(seconds=10)
# So many bytes of rows: the first have their strips, the last of very many only their figure.
ROOM = 57_000
_NAME, _WHY = 60, 90
# Yesterday and today.
_RECENT = 2
# How much a row shows.
_BARE, _WHY_TOO, _STRIP, _SPARK = range(4)
# Trouble that lasts is shown above the probes, so many at most: each has its row as well.
_ABOVE = 4
_WAITS = Word("quiet", "…", "Waiting")
_PLANNED = Word("quiet", "◌", "Maintenance")
_UP = Word("ok", "✓", "Up")
_ORDER = (Status.CRITICAL, Status.UNKNOWN, Status.WARNING, Status.INFO, Status.OK)


class Past(NamedTuple):
    """The days that are over: a status each, and how many probes were judged and good in all of them."""

    bars: tuple[Status | None, ...]
    judged: int
    good: int
    notes: tuple[Note, ...] = ()


class Planned(NamedTuple):
    """Planned work that is under way: what strangers may know of it is how many probes it excuses, and until when."""

    name: str
    reason: str
    owner: str
    until: datetime
    probes: int


class Line(NamedTuple):
    """One probe as it is shown. `share` is of 90 days; `hours` are latencies of the last whole ones (p95, seconds), and
    `limit` is the one it owes."""

    name: str
    word: Word
    status: Status
    bars: tuple[Status | None, ...]
    share: float | None
    why: str
    notes: tuple[Note, ...] = ()
    hours: tuple[float | None, ...] = ()
    limit: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """All probes at one moment. `own` are rows for those who signed in, `public` for everybody: names and colours only."""

    at: datetime
    word: Word
    headline: str
    lede: str
    lines: tuple[Line, ...]
    own: Markup
    public: Markup
    left_out: int
    planned: tuple[Planned, ...] = ()
    going_on: tuple[Told, ...] = ()
    over: tuple[Told, ...] = ()
    more: int = 0
    pace: str = ""

    @property
    def excused(self) -> bool:
        """Whether any day is drawn as one in which something was excused."""
        return any(Status.INFO in line.bars for line in self.lines)


class Boards:
    """Keeps what was read, for all visitors; safe to use from any thread."""

    def __init__(self, inside: Inside) -> None:
        self._inside = inside
        self._lock = threading.Lock()
        self._board: Board | None = None
        self._past: tuple[datetime, frozenset[str], dict[str, Past]] | None = None
        self._hours = _Hours(inside)

    def board(self) -> Board:
        """As it stands, at most a few seconds old. Raises StoreError."""
        with self._lock:
            now = self._inside.now()
            if self._board is None or not timedelta(0) <= now - self._board.at < FRESH:
                self._board = self._read(now)
            return self._board

    def line(self, name: str) -> Line | None:
        """One probe's, None if there is none of that name. Raises StoreError."""
        return next((line for line in self.board().lines if line.name == name), None)

    def _read(self, now: datetime) -> Board:
        probes = self._inside.probes()
        kept = self._inside.store.uptime()
        names = [probe.name for probe in probes]
        past = self._days(now, frozenset(names))
        hours = self._hours.until(now, frozenset(names))
        recent = kept.buckets(Period(start=uptime.midnight(now) - uptime.DAY, end=now), uptime.DAY, names)
        standings = kept.standings()
        lines = [
            _line(probe, standings.get(probe.name), past.get(probe.name), recent.get(probe.name, ()), now)._replace(
                hours=hours.get(probe.name, ()), limit=probe.slo.latency if probe.slo else None
            )
            for probe in probes
        ]
        ordered = sorted(lines, key=lambda line: (_ORDER.index(line.status), line.name))
        board = _board(now, ordered, tuple(_work(self._inside.maintenance(), probes, now)))
        return replace(board, **self._troubles(lines, standings, now), pace=_pace(probes))

    def _troubles(self, lines: Sequence[Line], standings: Mapping[str, Standing], now: datetime) -> dict[str, Any]:
        """What lasts still, by the standings, and what is over, by their changes."""
        bad = [line.name for line in lines if line.status in (Status.CRITICAL, Status.WARNING)]
        lasting = outages.going_on([outages.lasting(standings[name]) for name in bad if name in standings])
        found = flips(self._inside.store.engine, now - 2 * outages.DAYS)
        over = outages.over(found, {line.name for line in lines}, now)
        zone = self._inside.zone
        return {
            "going_on": tuple(outages.tell(one, zone, now) for one in lasting[:_ABOVE]),
            "over": tuple(outages.tell(one, zone, now) for one in over[: outages.LINES]),
            "more": max(0, len(over) - outages.LINES),
        }

    def _days(self, now: datetime, names: frozenset[str]) -> dict[str, Past]:
        """Read once a day: yesterday may still be added to, and is read with today."""
        end = uptime.midnight(now) - uptime.DAY
        if self._past is None or self._past[:2] != (end, names):
            first = end - (uptime.DAYS - 2) * uptime.DAY
            found = self._inside.store.uptime().buckets(Period(start=first, end=end), uptime.DAY, list(names))
            self._past = end, names, {name: _past(buckets, now) for name, buckets in found.items()}
        return self._past[2]


class _Hours:
    """Each probe's latency by the hour: an hour that is over is read once."""

    def __init__(self, inside: Inside) -> None:
        self._inside = inside
        self._end: datetime | None = None
        self._names: frozenset[str] = frozenset()
        self._kept: dict[str, dict[datetime, float]] = {}

    def until(self, now: datetime, names: frozenset[str]) -> dict[str, tuple[float | None, ...]]:
        """The last whole hours, oldest first: p95 in seconds, None where nothing was answered. Raises StoreError."""
        end = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        first = end - bars.HOURS * uptime.HOUR
        if self._end != end or self._names != names:
            anew = self._end is None or self._names != names or not first <= self._end <= end
            start = first if anew or self._end is None else self._end
            found = self._inside.store.uptime().buckets(Period(start=start, end=end), uptime.HOUR, list(names))
            before = {} if anew else self._kept
            self._kept = {name: _slow(before.get(name, {}), found.get(name, ()), first) for name in names}
            self._end, self._names = end, names
        starts = [first + place * uptime.HOUR for place in range(bars.HOURS)]
        return {name: tuple(map(hours.get, starts)) for name, hours in self._kept.items()}


def _slow(before: Mapping[datetime, float], buckets: Sequence[Bucket], first: datetime) -> dict[datetime, float]:
    kept = {start: value for start, value in before.items() if start >= first}
    found = {bucket.start: histogram.quantile(bucket.counts, 0.95) for bucket in buckets}
    return kept | {start: value for start, value in found.items() if value is not None}


def _pace(probes: Sequence[Probe]) -> str:
    """`every 30 s to 5 min`: how often those are asked that have a pace."""
    paces = sorted({probe.every for probe in probes if probe.every and not probe.heartbeat})
    told = [span(timedelta(seconds=pace)) for pace in (paces[:1] + paces[-1:])]
    return f"every {' to '.join(dict.fromkeys(told))}" if told else ""


def _work(planned: Sequence[Maintenance], probes: Sequence[Probe], now: datetime) -> Iterator[Planned]:
    for one in planned:
        window = one.window_at(now)
        mine = sum(one.means_probe(probe.environment, probe.name) for probe in probes) if window else 0
        if window and mine:
            yield Planned(
                clip(clean(one.name), _NAME), clip(clean(one.reason), _WHY), clean(one.owner), window.end, mine
            )


def _past(buckets: Sequence[Bucket], now: datetime) -> Past:
    days = uptime.days(buckets, now)[:-_RECENT]
    total = uptime.tally(buckets)
    colours = tuple(day.tally.status if day.tally else None for day in days)
    return Past(colours, total.judged, total.up + total.degraded, bars.notes(days))


def _line(probe: Probe, standing: Standing | None, past: Past | None, recent: Sequence[Bucket], now: datetime) -> Line:
    found = uptime.tally(recent)
    before = past or Past((None,) * (uptime.DAYS - _RECENT), 0, 0)
    days = uptime.days(recent, now, _RECENT)
    newest = (day.tally.status if day.tally else None for day in days)
    judged, good = before.judged + found.judged, before.good + found.up + found.degraded
    status = uptime.status_of(probe, standing, now)
    return Line(
        probe.name,
        word_of(status, standing),
        status,
        (*before.bars, *newest),
        good / judged if judged else None,
        why(probe, standing, status, now),
        (*before.notes, *bars.notes(days, len(before.bars))),
    )


def word_of(status: Status, standing: Standing | None) -> Word:
    """How a standing is written: `✓ Up`, `● Down`, `◆ Degraded`, `? No data`, `… Waiting`."""
    if status is Status.OK:
        return _UP
    if status is Status.INFO:
        return _PLANNED if standing and planned(standing.blamed) else _WAITS
    mark = words.of_verdict(status.verdict)
    known = standing is not None and status is not Status.UNKNOWN
    return Word(mark.css, mark.glyph, str(standing.state).capitalize()) if known and standing else mark


def why(probe: Probe, standing: Standing | None, status: Status, now: datetime) -> str:
    """`down 58 min: tcp.refused`; nothing of one that is up."""
    if standing is None:
        return "not probed yet"
    if status is Status.OK:
        return ""
    if work := planned(standing.blamed):
        reason = f", {standing.state}: {clean(standing.reason)}" if standing.reason else ""
        return clip(f"maintenance {clean(work)}{reason}", _WHY)
    if standing.blamed == PROBER:
        return "the prober itself is in trouble"
    if standing.blamed:
        return f"waits for {clip(clean(standing.blamed), 40)}"
    if uptime.silent(probe, standing, now):
        return f"last probe {span(now - standing.seen)} ago"
    reason = f": {clean(standing.reason)}" if standing.reason else ""
    return clip(f"{standing.state} {span(now - standing.since)}{reason}", _WHY)


def _board(now: datetime, lines: Sequence[Line], planned: tuple[Planned, ...] = ()) -> Board:
    own, left = _rows(lines, _own)
    public, _ = _rows(lines, _public)
    word, headline, lede = _say(lines)
    return Board(
        at=now,
        word=word,
        headline=headline,
        lede=lede,
        lines=tuple(lines),
        own=own,
        public=public,
        left_out=left,
        planned=planned,
    )


def _rows(lines: Sequence[Line], row: Callable[[Line, int], str]) -> tuple[Markup, int]:
    """Worst first, as many with their reason, then with their strip, then with their line of latency as there is room
    for; how many have no strip."""
    told = [row(line, _BARE) for line in lines]
    room, drawn = ROOM - sum(len(text.encode()) for text in told), len(lines)
    for level in (_WHY_TOO, _STRIP, _SPARK):
        for place, line in enumerate(lines):
            whole = row(line, level)
            room -= len(whole.encode()) - len(told[place].encode())
            if room < 0:
                drawn = place if level == _STRIP else 0 if level < _STRIP else drawn
                break
            told[place] = whole
        if room < 0:
            break
    return Markup("".join(told)), len(lines) - drawn  # noqa: S704  every part of a row was escaped where it was made


def _own(line: Line, level: int) -> str:
    name = f'<a href="uptime/{quote(line.name, safe="")}">{shown(line.name)}</a>'
    sub = f"<span class=sub>{escape(line.why)}</span>" if line.why and level >= _WHY_TOO else ""
    return _row(line, f"{name}{sub}", level)


def _public(line: Line, level: int) -> str:
    return _row(line, shown(line.name), level)


def shown(name: str) -> str:
    """A name as a page may hold it."""
    return escape(clip(clean(name), _NAME))


def _row(line: Line, name: str, level: int) -> str:
    """With its strip comes the last latency as a number."""
    word = line.word
    state = f"<td class={word.css}>" if line.status is not Status.OK else "<td>"
    cell = bars.strip(line.bars, line.notes) if level >= _STRIP else "<td>"
    last = line.hours[-1] if line.hours and level >= _STRIP else None
    latency = "" if last is None else quantity(last, Unit.SECONDS)
    drawn = bars.spark(line.hours, line.limit) if level >= _SPARK and latency else ""
    return f"<tr>{state}{word.glyph} {word.word}<td>{name}{cell}<td>{bars.figure(line.share)}<td>{drawn}{latency}"


def _say(lines: Sequence[Line]) -> tuple[Word, str, str]:
    """Word, headline and what follows it: what is down first, then what nobody knows."""
    if not lines:
        return words.of_verdict(Verdict.NO_DATA), "No probe is configured", "Add a [[probes]] table to config.toml."
    for status, one, many in _SAYING:
        found = [line for line in lines if line.status is status]
        if found:
            said = f"{_names(found, len(lines))} {one if len(found) == 1 else many}"
            return _said(status), said, _others(lines, found)
    planned = [line for line in lines if line.word is _PLANNED]
    if planned:
        said = f"{_names(planned, len(lines))} {'is' if len(planned) == 1 else 'are'} in maintenance"
        return _PLANNED, said, _others(lines, planned)
    return (
        _UP,
        "Everything is up",
        f"{plural(len(lines), 'probe')}, none of them down or degraded.",
    )


_SAYING = (
    (Status.CRITICAL, "is down", "are down"),
    (Status.WARNING, "is degraded", "are degraded"),
    (Status.UNKNOWN, "says nothing", "say nothing"),
)


def _said(status: Status) -> Word:
    """What is so, not what to do: strangers read this page too."""
    mark = words.of_verdict(status.verdict)
    return Word(mark.css, mark.glyph, {Status.CRITICAL: "Down", Status.WARNING: "Degraded"}.get(status, mark.word))


def _names(found: Sequence[Line], of: int) -> str:
    if len(found) < 3:
        return words.listed([clip(clean(line.name), 40) for line in found])
    return f"{count(len(found))} of {plural(of, 'probe')}"


def _others(lines: Sequence[Line], found: Sequence[Line]) -> str:
    up = sum(line.status is Status.OK for line in lines)
    return f"{count(up)} of {plural(len(lines), 'probe')} up." if len(found) < len(lines) else ""
