"""The uptime pages: every probe with its 90 days on one, all that is known of a single one on another.

Days that are over are read once and kept as colours, the last two and the standings at most every few seconds: so a page
of 500 probes costs what one of 50 does.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape
from typing import NamedTuple
from urllib.parse import quote

from markupsafe import Markup

from opsbot.evaluate import uptime
from opsbot.evaluate.standing import PROBER
from opsbot.model.maintenance import Maintenance, planned
from opsbot.model.period import Period
from opsbot.model.status import Status, Verdict
from opsbot.model.units import Unit
from opsbot.model.uptime import Bucket, Standing
from opsbot.probing import Probe
from opsbot.render.format import clean, clip, count, plural, quantity, span
from opsbot.web import words
from opsbot.web.inside import Inside
from opsbot.web.words import Word

# Status pages show what is less than 30 s old.
FRESH = timedelta(seconds=10)
# So many bytes of rows: the first have their strips, the last of very many only their figure.
ROOM = 57_000
STEP, BAR, HIGH = 3, 2, 20
_NAME, _WHY = 60, 90
# Yesterday and today.
_RECENT = 2
# Class and middle of a bar in the 20 px of a strip; a run of equal days is one dashed stroke.
_STROKES: Mapping[Status, tuple[str, int]] = {
    Status.OK: ("", 14),
    Status.WARNING: ("d1", 12),
    Status.CRITICAL: ("d2", 10),
    Status.UNKNOWN: ("d3", 17),
    Status.INFO: ("d4", 16),
}
_WAITS = Word("quiet", "…", "Waiting")
_PLANNED = Word("quiet", "◌", "Maintenance")
_UP = Word("ok", "✓", "Up")
_WELL = (Status.OK, Status.INFO)
_ORDER = (Status.CRITICAL, Status.UNKNOWN, Status.WARNING, Status.INFO, Status.OK)


class Past(NamedTuple):
    """The days that are over: a status each, and how many probes were judged and good in all of them."""

    bars: tuple[Status | None, ...]
    judged: int
    good: int


class Planned(NamedTuple):
    """Planned work that is under way: what strangers may know of it is how many probes it excuses, and until when."""

    name: str
    reason: str
    owner: str
    until: datetime
    probes: int


class Line(NamedTuple):
    """One probe as it is shown. `share` is of 90 days."""

    name: str
    word: Word
    status: Status
    bars: tuple[Status | None, ...]
    share: float | None
    why: str


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
        recent = kept.buckets(Period(start=uptime.midnight(now) - uptime.DAY, end=now), uptime.DAY, names)
        standings = kept.standings()
        lines = [
            _line(probe, standings.get(probe.name), past.get(probe.name), recent.get(probe.name, ()), now)
            for probe in probes
        ]
        ordered = sorted(lines, key=lambda line: (_ORDER.index(line.status), line.name))
        return _board(now, ordered, tuple(_work(self._inside.maintenance(), probes, now)))

    def _days(self, now: datetime, names: frozenset[str]) -> dict[str, Past]:
        """Read once a day: yesterday may still be added to, and is read with today."""
        end = uptime.midnight(now) - uptime.DAY
        if self._past is None or self._past[:2] != (end, names):
            first = end - (uptime.DAYS - 2) * uptime.DAY
            found = self._inside.store.uptime().buckets(Period(start=first, end=end), uptime.DAY, list(names))
            self._past = end, names, {name: _past(buckets, now) for name, buckets in found.items()}
        return self._past[2]


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
    return Past(tuple(day.tally.status if day.tally else None for day in days), total.judged, total.up + total.degraded)


def _line(probe: Probe, standing: Standing | None, past: Past | None, recent: Sequence[Bucket], now: datetime) -> Line:
    found = uptime.tally(recent)
    before = past or Past((None,) * (uptime.DAYS - _RECENT), 0, 0)
    newest = (day.tally.status if day.tally else None for day in uptime.days(recent, now, _RECENT))
    judged, good = before.judged + found.judged, before.good + found.up + found.degraded
    status = uptime.status_of(probe, standing, now)
    return Line(
        probe.name,
        word_of(status, standing),
        status,
        (*before.bars, *newest),
        good / judged if judged else None,
        why(probe, standing, status, now),
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


def _rows(lines: Sequence[Line], row: Callable[[Line, bool], str]) -> tuple[Markup, int]:
    """As many strips as there is room for, worst first; how many were left out."""
    bare = [row(line, False) for line in lines]
    room, left, told = ROOM - sum(len(text.encode()) for text in bare), 0, []
    for line, text in zip(lines, bare, strict=True):
        whole = row(line, True)
        room -= len(whole.encode()) - len(text.encode())
        left += room < 0
        told.append(whole if room >= 0 else text)
    return Markup("\n".join(told)), left  # noqa: S704  every part of a row was escaped where it was made


def _own(line: Line, drawn: bool) -> str:
    name = f'<a href="uptime/{quote(line.name, safe="")}">{shown(line.name)}</a>'
    sub = f"<span class=sub>{escape(line.why)}</span>" if line.why else ""
    return _row(line, f"{name}{sub}", drawn)


def _public(line: Line, drawn: bool) -> str:
    return _row(line, shown(line.name), drawn)


def shown(name: str) -> str:
    """A name as a page may hold it."""
    return escape(clip(clean(name), _NAME))


def _row(line: Line, name: str, drawn: bool) -> str:
    word = line.word
    state = f"<td class={word.css} title={word.word.split()[0]}>" if line.status is not Status.OK else "<td>"
    cell = strip(line.bars) if drawn else "<td>"
    return f"<tr>{state}{word.glyph}<td>{name}{cell}<td>{figure(line.share)}"


def figure(share: float | None) -> str:
    """`99.98 %`, or a dash where nothing could be judged."""
    return "–" if share is None else quantity(share * 100, Unit.PERCENT)


def strip(bars: Sequence[Status | None]) -> str:
    """A table cell with one bar a day; all well since the probe was there is a class and nothing more."""
    there = next((place for place, bar in enumerate(bars) if bar is not None), len(bars))
    known = bars[there:]
    if all(bar is Status.OK for bar in known):
        return "<td class=g>" if not there else f'<td class="g g{len(known)}">' if known else "<td>"
    trouble = sum(bar not in _WELL for bar in known)
    excused = f", {count(number)} excused" if (number := sum(bar is Status.INFO for bar in known)) else ""
    return f'<td><svg role=img aria-label="{plural(trouble, "day")} not well{excused}">{paths(bars)}</svg>'


def paths(bars: Sequence[Status | None]) -> str:
    """SVG paths, a colour each: a run of equal days is one stroke, dashed by the style sheet."""
    runs: dict[Status, list[str]] = {}
    start = 0
    for place in range(1, len(bars) + 1):
        if place < len(bars) and bars[place] is bars[start]:
            continue
        status = bars[start]
        if status is not None:
            middle = _STROKES[status][1]
            runs.setdefault(status, []).append(f"M{start * STEP} {middle}h{(place - start) * STEP - (STEP - BAR)}")
        start = place
    return "".join(_path(_STROKES[status][0], "".join(drawn)) for status, drawn in runs.items())


def _path(css: str, drawn: str) -> str:
    return f'<path class={css} d="{drawn}"/>' if css else f'<path d="{drawn}"/>'


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
