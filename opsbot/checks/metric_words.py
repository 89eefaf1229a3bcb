"""What a metric's finding says, in one sentence that a person reads at three in the morning."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from opsbot.checks.asking import MetricSettings
from opsbot.checks.words import bound, quantity, sentence, span
from opsbot.evaluate.threshold import Breach
from opsbot.model.check import Check, Rule
from opsbot.model.status import Status
from opsbot.model.units import Unit

PLACES = ("noun", "value", "bound", "limit", "for", "window", "raw", "of", "baseline")


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """All that a sentence about a breach may use; `sums` are the inputs added up over the breach."""

    check: Check
    settings: MetricSettings
    rule: Rule
    breach: Breach
    began: datetime
    ended: datetime
    now: datetime
    window: timedelta
    raw: float | None
    of: float | None
    baseline: float | None
    sums: tuple[tuple[str, float], ...]


def too_much(words: Words, value: float | None) -> str:
    """`CPU 93 % for 3 h, limit 80 %`."""
    if value is None:
        return f"no {_noun(words)} data for {span(words.now - words.began)}, which counts as a breach"
    return sentence(words.settings.common.says or _template(words), _filled(words, value))


def over(words: Words, ended: datetime) -> str:
    """`CPU reached 97 % for 40 min, limit 80 %; within it again for 3 h`."""
    limit = bound(words.rule, words.check.unit)
    back = f"within it again for {span(words.now - ended)}"
    length = span(words.ended - words.began)
    if words.breach.worst is None:
        return f"no {_noun(words)} data for {length}; {back}"
    worst = quantity(words.breach.worst, words.check.unit, beside=words.rule.threshold)
    return f"{_noun(words)} reached {worst} for {length}, {limit}; {back}"


def quiet_because(settings: MetricSettings, since: datetime | None, now: datetime, *, open_ended: bool) -> str:
    """Why there is nothing to judge."""
    noun = settings.common.noun
    if settings.weeks and since is None:
        return f"{noun} not judged: fewer than two of the last {settings.weeks} weeks have data to compare with"
    if since is None:
        return f"{noun} not judged: too few points"
    return f"no {noun} data for {span(now - since)}{' or more' if open_ended else ''}"


def kept(settings: MetricSettings, status: Status) -> str:
    return f"no new {settings.common.noun} data; still {status} as last seen"


def _noun(words: Words) -> str:
    return words.settings.common.noun


def _template(words: Words) -> str:
    if words.settings.window:
        return "{noun} {value} in the last {window}, {bound}"
    if words.settings.weeks:
        return "{noun} {value} of the usual {baseline}{for}, {bound}"
    if words.of is not None:
        return "{noun} {raw} of {of} ({value}){for}, {bound}"
    return "{noun} {value}{for}, {bound}"


def _filled(words: Words, value: float) -> dict[str, str]:
    unit, rule = words.check.unit, words.rule
    filled = {
        "noun": _noun(words),
        "value": quantity(value, unit, beside=rule.threshold),
        "bound": bound(rule, unit),
        "limit": quantity(rule.threshold, unit),
        "for": _for(words),
        "window": span(words.window),
        "raw": _plain(words.raw, words),
        "of": _plain(words.of, words),
        "baseline": _plain(words.baseline, words),
    }
    return filled | {name: quantity(total, Unit.COUNT) for name, total in words.sums}


def _for(words: Words) -> str:
    """Not said of a single point: it would only tell the period and the settle delay."""
    if words.ended - words.began <= words.settings.period:
        return ""
    length = span(words.now - words.began)
    return f" for {length} or more" if words.breach.open_ended else f" for {length}"


def _plain(value: float | None, words: Words) -> str:
    """A value before it became a percentage, in the unit of the fact it is a share of."""
    if value is None:
        return "an unknown number"
    limit = words.settings.limit
    unit = Unit.BYTES if limit.endswith("_bytes") else Unit.SECONDS if limit.endswith("_seconds") else Unit.COUNT
    if words.settings.used and value is words.raw and words.of is not None:
        value = words.of - value
    if unit is Unit.COUNT and abs(value) >= 10:
        value = round(value)
    return quantity(value, unit)
