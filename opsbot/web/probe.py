"""One probe's page: how it stands, 90 days, a week of latency, where the time goes, its certificate, what failed last."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from urllib.parse import quote

from markupsafe import Markup

from opsbot.evaluate import histogram, uptime
from opsbot.model.period import Period
from opsbot.model.probe import ProbeState
from opsbot.model.status import Verdict
from opsbot.model.units import Unit
from opsbot.model.uptime import Bucket, Certified, Sample, Standing
from opsbot.probing import Probe
from opsbot.render.format import NO_DATA, clean, clip, count, plural, quantity, span
from opsbot.web import bars, pages, words
from opsbot.web.inside import Inside
from opsbot.web.parts import part
from opsbot.web.uptime import Boards, Line
from opsbot.web.words import Word

WIDE, HIGH, LEFT, BELOW = 640, 150, 64, 18
WEEK = 7
FAILURES = 10
_LAST = timedelta(days=1)


class Tick(NamedTuple):
    """A line with its label, at this distance from the top or the left."""

    at: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """A week of latencies as two lines; `p50` and `p95` are SVG paths with a gap where nothing was answered."""

    p50: str
    p95: str
    rows: tuple[Tick, ...]
    days: tuple[Tick, ...]
    words: str


def page(boards: Boards, inside: Inside, path: Mapping[str, str], query: Mapping[str, str]) -> pages.Page:
    """Everything that is kept of one probe."""
    name = path["name"]
    probe = next((one for one in inside.probes() if one.name == name), None)
    line = boards.line(name) if probe else None
    if probe is None or line is None:
        return pages.apology("There is no probe by that name", 404)
    now, kept = inside.now(), inside.store.uptime()
    period = Period(start=now - _LAST, end=now)
    samples = kept.samples(name, period)
    certified = kept.certificates().get(name)
    values = {
        "line": line,
        "drawn": Markup(bars.paths(line.bars)),  # noqa: S704  numbers and class names alone
        "days": Markup(bars.targets(line.bars, line.notes, now)),  # noqa: S704  dates and shares alone
        "facts": facts(probe, line),
        "shown": shown(kept.standings().get(name)),
        "trend": part("latency", lambda: trend(kept.buckets(_week(now), uptime.HOUR, [name]).get(name, ()), now)),
        "phases": uptime.phases(samples, now),
        "certificate": certificate(certified, now) if certified else None,
        "failures": failures(samples),
        "in_words": bars.said(line.bars, line.notes, most=14),
        "figure": bars.figure(line.share),
        "badge": f"badge/{quote(name, safe='')}.svg",
        "second": lambda value: NO_DATA if value is None else quantity(value, Unit.SECONDS),
    }
    title = f"{line.word.word}: {clip(clean(name), 60)}"
    return pages.Page(template="probe.html.j2", title=title, here="/uptime", icon=_icon(line.word), values=values)


def shown(standing: Standing | None) -> Mapping[str, str]:
    """What the last answer that was not well had to say: the sentence, and what was kept of it, redacted already."""
    if standing is None or standing.state is ProbeState.UP:
        return {}
    told = {"Why": standing.why, **{clean(name).capitalize(): value for name, value in standing.evidence}}
    return {name: clip(clean(value), 500) for name, value in told.items() if value}


def _icon(word: Word) -> str:
    return word.css if word.css in ("ok", "attention", "action", "unknown") else "unknown"


def _week(now: datetime) -> Period:
    hour = now.replace(minute=0, second=0, microsecond=0)
    return Period(start=hour - timedelta(days=WEEK) + uptime.HOUR, end=now)


def facts(probe: Probe, line: Line) -> Mapping[str, str]:
    """What is probed, and by which rules."""
    told = {
        "Availability": "nothing judged yet"
        if line.share is None
        else f"{quantity(line.share * 100, Unit.PERCENT)} in 90 days",
        "Kind": probe.kind,
        "Every": span(timedelta(seconds=probe.every)) if probe.every else "when it reports",
        "Environment": probe.environment,
        "Expects": "; ".join(probe.expect),
        "Degraded unless": "; ".join(probe.degraded),
        "Down after": plural(probe.failures, "failure")
        + f", up after {plural(probe.recoveries, 'success', 'successes')}",
        "After": probe.after,
        "Service level": f"{quantity(probe.slo.target * 100, Unit.PERCENT)} over {span(probe.slo.window)}"
        if probe.slo
        else "",
        "Owner": probe.owner,
        "Runbook": probe.runbook,
    }
    return {name: clip(clean(value), 300) for name, value in told.items() if value}


def trend(buckets: Sequence[Bucket], now: datetime) -> Trend | None:
    """The last week by the hour; None where fewer than two hours were answered."""
    start = _week(now).start
    by_hour = {round((bucket.start - start) / uptime.HOUR): bucket for bucket in buckets if bucket.counts}
    number = WEEK * 24
    middle = [_quantile(by_hour.get(place), 0.5) for place in range(number)]
    slow = [_quantile(by_hour.get(place), 0.95) for place in range(number)]
    known = [value for value in slow if value is not None]
    if len(known) < 2:
        return None
    top, step = _top(max(known))
    rows = tuple(
        Tick(_y(n * step, top), quantity(n * step, Unit.SECONDS) if n else "0") for n in range(round(top / step) + 1)
    )
    words_ = (
        f"Latency by the hour for {WEEK} days: p95 between {quantity(min(known), Unit.SECONDS)} and "
        f"{quantity(max(known), Unit.SECONDS)}, last {quantity(known[-1], Unit.SECONDS)}."
    )
    return Trend(p50=_drawn(middle, top), p95=_drawn(slow, top), rows=rows, days=_days(start, number), words=words_)


def _quantile(bucket: Bucket | None, q: float) -> float | None:
    return histogram.quantile(bucket.counts, q) if bucket else None


def _top(largest: float) -> tuple[float, float]:
    """A round end of the axis and the step of its lines."""
    rough = largest / 3
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999)
    return step * math.ceil(largest / step - 1e-9), step


def _y(value: float, top: float) -> float:
    return round(6 + (HIGH - BELOW - 6) * (1 - value / top), 1)


def _x(place: float, number: int) -> float:
    return round(LEFT + (WIDE - LEFT - 4) * place / (number - 1), 1)


def _drawn(values: Sequence[float | None], top: float) -> str:
    """A line that stops where there is nothing; an hour alone is a dot."""
    told: list[str] = []
    for place, value in enumerate(values):
        if value is not None:
            begun = place > 0 and values[place - 1] is not None
            point = f"{_x(place, len(values))} {_y(value, top)}"
            told.append(f"L{point}" if begun else f"M{point}h.1")
    return "".join(told)


def _days(start: datetime, number: int) -> tuple[Tick, ...]:
    """Midnights of UTC, none too close to an edge for its label."""
    places = [place for place in range(number) if (start + place * uptime.HOUR).hour == 0 and 6 <= place <= number - 6]
    return tuple(Tick(_x(place, number), f"{start + place * uptime.HOUR:%a}") for place in places)


def certificate(shown: Certified, now: datetime) -> Mapping[str, object]:
    """Its facts, and the days it has left as a state."""
    status, _ = uptime.certificate_status(shown, now)
    left = shown.not_after - now
    word = words.of_verdict(status.verdict)
    said = f"expires in {span(left)}" if left > timedelta(0) else f"expired {span(-left)} ago"
    pairs = {
        "Subject": shown.subject,
        "Issuer": shown.issuer,
        "Ends": f"{shown.not_after:%d %b %Y %H:%M} UTC, {said}",
        "Path": " ← ".join(shown.path),
        "Verified": "yes" if shown.verified else "no",
        "SHA-256": shown.fingerprint,
    }
    return {
        "word": Word(word.css, word.glyph, said.capitalize()),
        "calm": status.verdict is Verdict.OK,
        "facts": {name: clip(clean(value), 400) for name, value in pairs.items() if value},
    }


def failures(samples: Sequence[Sample]) -> Mapping[str, object]:
    """The newest of the last day, and how many there were."""
    bad = [sample for sample in samples if sample.state in (ProbeState.DOWN, ProbeState.DEGRADED)]
    newest = sorted(bad, key=lambda sample: sample.at, reverse=True)[:FAILURES]
    return {
        "lines": [(sample.at, str(sample.state), clip(clean(sample.reason), 80), sample.seconds) for sample in newest],
        "number": count(len(bad)),
        "of": plural(len(samples), "probe"),
    }
