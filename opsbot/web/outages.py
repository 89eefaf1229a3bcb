"""What was not up in the last days, in words: one line for what went and came back together."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from opsbot.model.probe import ProbeState
from opsbot.model.uptime import Flip, Standing
from opsbot.render.format import brief, clean, clip, plural, short_day, span, zone
from opsbot.web import words

DAYS = timedelta(days=14)
LINES = 12
# What begins within this of one another, and ends so too, is told as one.
_TOGETHER = timedelta(minutes=2)
_BAD = (ProbeState.DOWN, ProbeState.DEGRADED)
_NAMED, _NAME, _WHY = 3, 40, 160


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Probes that were not up from `start` to `end`, None while it lasts; `why` is for those who signed in."""

    names: tuple[str, ...]
    state: ProbeState
    start: datetime
    end: datetime | None
    why: str = ""


class Told(NamedTuple):
    """A stretch as it is shown: `12 Nov, 23 min`, `api was down`, `10:04 to 10:27`."""

    css: str
    glyph: str
    when: str
    title: str
    between: str
    why: str


@dataclass(slots=True)
class _Open:
    """Stretches that have begun, by probe."""

    begun: dict[str, Stretch] = field(default_factory=dict)

    def take(self, flip: Flip) -> Stretch | None:
        """The stretch that a change ends."""
        open_ = self.begun.get(flip.probe)
        if flip.after in _BAD:
            self.begun[flip.probe] = _worse(open_, flip) if open_ and flip.before in _BAD else _begun(flip)
        elif flip.after is ProbeState.UP:
            ended = self.begun.pop(flip.probe, None)
            return replace(ended, end=flip.at) if ended else None
        elif flip.before not in _BAD:
            # Trouble that was another's fault leaves without a word; what follows it begins anew.
            self.begun.pop(flip.probe, None)
        return None


def over(flips: Iterable[Flip], known: Collection[str], now: datetime) -> tuple[Stretch, ...]:
    """Those that ended in the last days, the newest first. `flips` are oldest first and may reach further back."""
    open_ = _Open()
    ended = (open_.take(flip) for flip in flips if flip.probe in known)
    recent = [one for one in ended if one and one.end and one.end >= now - DAYS]
    return tuple(sorted(_together(recent), key=lambda one: (one.start, one.names), reverse=True))


def _begun(flip: Flip) -> Stretch:
    return Stretch(names=(flip.probe,), state=flip.after, start=flip.at, end=None, why=_why(flip.reason, flip.why))


def _worse(open_: Stretch, flip: Flip) -> Stretch:
    """Degraded and then down is one stretch, called after the worse of the two."""
    if open_.state is ProbeState.DOWN or flip.after is ProbeState.DEGRADED:
        return open_
    return replace(open_, state=flip.after, why=_why(flip.reason, flip.why))


def _why(reason: str, sentence: str) -> str:
    return clip(": ".join(clean(part) for part in (reason, sentence) if part), _WHY)


def _together(found: Sequence[Stretch]) -> Iterator[Stretch]:
    groups: list[list[Stretch]] = []
    for one in sorted(found, key=lambda one: one.start):
        group = next((group for group in reversed(groups[-5:]) if _alike(group[0], one)), None)
        if group is None:
            groups.append([one])
        else:
            group.append(one)
    for group in groups:
        ends = [one.end for one in group if one.end]
        yield replace(
            group[0], names=tuple(name for one in group for name in one.names), end=max(ends) if ends else None
        )


def _alike(first: Stretch, other: Stretch) -> bool:
    near = other.start - first.start <= _TOGETHER and first.state is other.state
    if first.end is None or other.end is None:
        return near and first.end is other.end
    return near and abs(other.end - first.end) <= _TOGETHER


def lasting(standing: Standing) -> Stretch:
    """Of a probe that is not up now."""
    why = _why(standing.reason, standing.why)
    return Stretch(names=(standing.probe,), state=standing.state, start=standing.since, end=None, why=why)


def going_on(found: Sequence[Stretch]) -> tuple[Stretch, ...]:
    """Those that last still, worst first, then the longest; what began together is one."""
    return tuple(sorted(_together(found), key=lambda one: (one.state is not ProbeState.DOWN, one.start, one.names)))


def tell(one: Stretch, zone_name: str, now: datetime) -> Told:
    """In words; times are of the page's zone."""
    down, many = one.state is ProbeState.DOWN, len(one.names) > 1
    verb = ("are" if many else "is") if one.end is None else "were" if many else "was"
    lasted = span((one.end or now) - one.start)
    return Told(
        css="action" if down else "attention",
        glyph="●" if down else "◆",
        when=f"{_day(one, zone_name)}, {lasted}" if one.end else lasted,
        title=f"{_names(one.names)} {verb} {one.state}",
        between=_between(one, zone_name, now),
        why=one.why,
    )


def _names(names: Sequence[str]) -> str:
    shown = [clip(clean(name), _NAME) for name in names]
    if len(shown) <= _NAMED:
        return words.listed(shown)
    return f"{', '.join(shown[: _NAMED - 1])} and {plural(len(shown) - _NAMED + 1, 'other')}"


def _day(one: Stretch, zone_name: str) -> str:
    first, last = short_day(one.start, zone_name), short_day(one.end or one.start, zone_name)
    if first == last:
        return first
    day, _, month = first.partition(" ")
    return f"{day if month == last.partition(' ')[2] else first}–{last}"


def _between(one: Stretch, zone_name: str, now: datetime) -> str:
    if one.end is None:
        return f"since {brief(one.start, zone_name, now)}"
    start, end = one.start.astimezone(zone(zone_name)), one.end.astimezone(zone(zone_name))
    if start.date() == end.date():
        return f"{start:%H:%M} to {end:%H:%M}"
    return f"{short_day(one.start, zone_name)} {start:%H:%M} to {short_day(one.end, zone_name)} {end:%H:%M}"
