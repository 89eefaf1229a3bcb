"""The kind `seasonal`: a CloudWatch series against its own past; what is unlike it is told, at most so often a month.

A rule judges the score, 0 to 1: `warning = "> 0.5"`. CloudWatch bills a metric asked, not its points: the history costs
what a day costs, and about 30 ms of computing for four weeks of hours.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from datetime import timedelta

import numpy as np

from opsbot.checks import asking, found, metric, metric_settings
from opsbot.checks.asking import MetricSettings
from opsbot.checks.kind import Kind, Subject, Work
from opsbot.checks.metric import Measured
from opsbot.checks.table import Table
from opsbot.checks.words import quantity, sentence, span
from opsbot.evaluate import seasonal
from opsbot.evaluate.seasonal import Anomaly, Direction, Sensitivity, Watched
from opsbot.model.check import Check, Missing, Rule
from opsbot.model.finding import Evidence, Finding, Series
from opsbot.model.period import epoch, from_epoch
from opsbot.model.status import Status
from opsbot.samples import Grid, aligned

HISTORY, SHORTEST = timedelta(weeks=4), timedelta(days=7)
LASTS = timedelta(hours=6)
PERIOD = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeasonalSettings(MetricSettings):
    """How a seasonal check looks: `history` is what it learns from, `lasts` how long an anomaly counts as present."""

    direction: Direction = Direction.BOTH
    min_effect: float = 0.2
    min_change: float = 0.0
    alerts_per_month: int = 4
    history: timedelta = HISTORY
    lasts: timedelta = LASTS


def read(table: Table) -> SeasonalSettings:
    base = metric_settings.read(table)
    for key in ("baseline", "judge"):
        if table.has(key):
            table.problem(key, "expected nothing: the kind seasonal finds the usual by itself and judges the window")
    return SeasonalSettings(
        **{one.name: getattr(base, one.name) for one in fields(base) if one.name != "period"},
        period=base.period if table.has("period") else PERIOD,
        direction=Direction(table.choice("direction", tuple(Direction), Direction.BOTH)),
        min_effect=table.number("min_effect", 0.2),
        min_change=table.number("min_change", 0.0),
        alerts_per_month=table.whole("alerts_per_month", 4),
        history=_history(table),
        lasts=table.duration("lasts", LASTS),
    )


def _history(table: Table) -> timedelta:
    history = table.duration("history", HISTORY)
    if history < SHORTEST:
        table.problem("history", f"expected 7d or more, got {table.raw['history']!r}: a week is the least season")
    return history


def settings_of(check: Check) -> SeasonalSettings:
    if not isinstance(check.settings, SeasonalSettings):
        raise TypeError(f"{check.name}: expected seasonal settings, got {type(check.settings).__name__}")
    return check.settings


def before(check: Check) -> timedelta:
    return settings_of(check).history


def evaluate(work: Work) -> Iterator[Finding]:
    """One finding for each subject; those whose series could not be read say why."""
    reading = work.reading
    if reading is None:
        return
    readable: list[int] = []
    for place, queries in enumerate(work.queries):
        unread = [query for query in queries if query not in reading.rows]
        if unread:
            why = reading.gaps.get(unread[0]) or "AWS gave no answer for its metric"
            yield found.blind(work.check, work.subjects[place], work.when, why, evidence=(("why", why),))
        else:
            readable.append(place)
    if readable:
        subjects = [work.subjects[place] for place in readable]
        measured = metric.measure(work, reading, subjects, [work.queries[place] for place in readable])
        yield from _judged(work, subjects, measured)


def _judged(work: Work, subjects: Sequence[Subject], measured: Measured) -> Iterator[Finding]:
    for row, subject in enumerate(subjects):
        values = measured.settled.values[row]
        if bool(np.isnan(values).all()):
            yield _silent(work, subject)
            continue
        told = _told(work, measured, row)
        latest = values[~np.isnan(values)][-1]
        yield (
            _unlike(work, subject, measured, row, told)
            if told
            else found.well(work.check, subject, work.when, float(latest))
        )


def _told(work: Work, measured: Measured, row: int) -> Anomaly | None:
    """The newest anomaly of the window that a rule speaks of."""
    settings, rules = settings_of(work.check), work.check.rules
    if not rules:
        return None
    how = Sensitivity(
        direction=settings.direction,
        min_effect=settings.min_effect,
        min_change=settings.min_change,
        alerts_per_month=settings.alerts_per_month,
        floor=min(rule.threshold for rule in rules),
    )
    settled = measured.settled
    anomalies, _ = seasonal.watch(Watched(), settled.times.tolist(), settled.values[row].tolist(), how)
    start = epoch(work.when.window.start)
    return next((one for one in reversed(anomalies) if one.time >= start and _rule(rules, one)), None)


def _rule(rules: Sequence[Rule], anomaly: Anomaly) -> Rule | None:
    return next((rule for rule in rules if rule.breached_by(anomaly.score)), None)


def _unlike(work: Work, subject: Subject, measured: Measured, row: int, anomaly: Anomaly) -> Finding:
    check, settings, now = work.check, settings_of(work.check), work.when.now
    rule = _rule(check.rules, anomaly) or check.rules[0]
    since = from_epoch(anomaly.time)
    over = now - since > settings.lasts
    said = found.Said(
        rule=rule,
        status=Status.INFO if over else rule.status,
        summary=_summary(check, anomaly) + (f"; {span(now - since)} ago" if over else ""),
        value=anomaly.value,
        since=since,
        evidence=_evidence(settings, anomaly),
        series=_drawn(work, measured, row),
    )
    # The rule is about the score; a limit in the unit of the metric there is none.
    return replace(found.broken(check, subject, work.when, said), limit=None)


def _summary(check: Check, anomaly: Anomaly) -> str:
    words = {
        "noun": settings_of(check).common.noun,
        "value": quantity(anomaly.value, check.unit),
        "baseline": quantity(anomaly.usual, check.unit),
    }
    return f"{sentence(settings_of(check).common.says or '{noun} {value}', words)}: {seasonal.sentence(anomaly)}"


def _evidence(settings: SeasonalSettings, anomaly: Anomaly) -> Evidence:
    return (
        ("metric", settings.metrics),
        ("statistic", settings.statistics),
        ("period_seconds", settings.step),
        ("score", round(anomaly.score, 3)),
        ("score_limit", round(anomaly.threshold, 3)),
        ("usual", anomaly.usual),
        ("alerts_per_month", settings.alerts_per_month),
    )


def _drawn(work: Work, measured: Measured, row: int) -> Series:
    """The window alone: four weeks of hours would hide the one that is told."""
    grid = measured.grid
    skipped = grid.values.shape[1] - aligned(work.when.window, grid.step)[1]
    window = Grid(start=grid.start + skipped * grid.step, step=grid.step, values=grid.values[:, skipped:])
    return window.series(row, max(0, measured.judged - skipped))


def _silent(work: Work, subject: Subject) -> Finding:
    check, settings = work.check, settings_of(work.check)
    if check.missing is Missing.UNKNOWN:
        why = f"no {settings.common.noun} data for {span(settings.history)} or more"
        return found.blind(check, subject, work.when, why, evidence=(("metric", settings.metrics),))
    return found.well(check, subject, work.when, None)


KIND = Kind(name="seasonal", settings=read, custom=asking.custom, before=before, plan=asking.plan, evaluate=evaluate)
