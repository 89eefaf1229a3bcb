"""The kind `metric`: one or more CloudWatch series, computed, and judged by rules over the window."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from opsbot.checks import asking, found
from opsbot.checks.asking import MetricSettings, limit_of, settings_of
from opsbot.checks.kind import Kind, Queries, Subject, Work
from opsbot.checks.metric_settings import read
from opsbot.checks.metric_words import Words, kept, over, quiet_because, too_much
from opsbot.evaluate import threshold
from opsbot.evaluate.baseline import compare
from opsbot.evaluate.missing import Flags
from opsbot.evaluate.threshold import KEEP, UNKNOWN, Breach, Verdicts
from opsbot.model.check import Check, Rule
from opsbot.model.finding import Evidence, Finding
from opsbot.model.period import epoch
from opsbot.model.status import Status
from opsbot.ports import Reading
from opsbot.samples import Grid, Values, aligned, moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The rows of one piece of work, one for each subject: `grid` is what rules judge, up to `judged` columns of it.

    `raw` is the value before it became a percentage, `limits` and `baseline` what it is a percentage of.
    """

    grid: Grid
    judged: int
    raw: Values
    inputs: Mapping[str, Values]
    limits: Values | None
    baseline: Values | None
    quiet: Flags | None

    @property
    def settled(self) -> Grid:
        return Grid(start=self.grid.start, step=self.grid.step, values=self.grid.values[:, : self.judged])


def evaluate(work: Work) -> Iterator[Finding]:
    """One finding for each subject; those whose series could not be read say why."""
    reading = work.reading
    if reading is None:
        return
    readable: list[int] = []
    for place, queries in enumerate(work.queries):
        why = _unread(reading, queries)
        if why:
            yield found.blind(work.check, work.subjects[place], work.when, why, evidence=_denied(why))
        else:
            readable.append(place)
    if readable:
        subjects = [work.subjects[place] for place in readable]
        queries_of = [work.queries[place] for place in readable]
        yield from _judged(work, subjects, measure(work, reading, subjects, queries_of))


def measure(work: Work, reading: Reading, subjects: Sequence[Subject], queries: Sequence[Queries]) -> Measured:
    """The series of all subjects side by side, computed as the check's settings say."""
    settings = settings_of(work.check)
    inputs = _inputs(settings, reading, queries)
    values = settings.expression.of(inputs) if settings.expression else next(iter(inputs.values()))
    raw = values * settings.scale if settings.scale != 1.0 else values
    limits = _limits(settings, subjects)
    final, columns, baseline = _percent(settings, work, reading, raw, limits)
    windowed = {name: series[:, series.shape[1] - columns :] for name, series in inputs.items()}
    quiet = _quiet(settings, windowed, baseline)
    if quiet is not None:
        final = Grid(start=final.start, step=final.step, values=np.where(quiet, np.nan, final.values))
    settled = final.until(min(work.when.now - settings.settle, work.when.window.end)).values.shape[1]
    return Measured(
        grid=final,
        judged=settled,
        raw=raw[:, raw.shape[1] - columns :],
        inputs=windowed,
        limits=limits,
        baseline=baseline,
        quiet=None if quiet is None else quiet[:, :settled],
    )


def _inputs(settings: MetricSettings, reading: Reading, queries: Sequence[Queries]) -> dict[str, Values]:
    series = {}
    for place, item in enumerate(settings.inputs):
        rows = [reading.rows[row[place]] for row in queries]
        values = reading.grid.values[rows]
        series[item.name] = values if item.fill is None else np.where(np.isnan(values), item.fill, values)
    return series


def _limits(settings: MetricSettings, subjects: Sequence[Subject]) -> Values | None:
    if not settings.limit:
        return None
    return np.array([limit_of(settings, subject.resource) or np.nan for subject in subjects], dtype=np.float64)


def _percent(
    settings: MetricSettings, work: Work, reading: Reading, raw: Values, limits: Values | None
) -> tuple[Grid, int, Values | None]:
    """The grid that is judged, how many columns it has, and the baseline if there is one."""
    grid = Grid(start=reading.grid.start, step=reading.grid.step, values=raw)
    if limits is not None:
        share = raw / limits[:, None] * 100.0
        grid = Grid(start=grid.start, step=grid.step, values=100.0 - share if settings.used else share)
    if not settings.weeks:
        return grid, raw.shape[1], None
    compared = compare(grid, settings.weeks, aligned(work.when.window, grid.step)[1])
    return compared.percent, compared.percent.values.shape[1], compared.baseline


def _quiet(settings: MetricSettings, inputs: Mapping[str, Values], baseline: Values | None) -> Flags | None:
    """Points with too little behind them to be judged: one error of two calls is no outage."""
    quiet: Flags | None = None
    for name, least in settings.floor:
        series = baseline if name == "baseline" else inputs[name]
        if series is not None:
            below = series < least
            quiet = below if quiet is None else quiet | below
    return quiet


def _judged(work: Work, subjects: Sequence[Subject], measured: Measured) -> Iterator[Finding]:
    check, settings = work.check, settings_of(work.check)
    judge = threshold.judge_window if settings.window else threshold.judge
    verdicts = judge(measured.settled, check.rules, check.missing, quiet=measured.quiet)
    latest = threshold.newest(measured.settled.values)
    recovered = _recovered(check, settings, measured, verdicts)
    for row, subject in enumerate(subjects):
        verdict = int(verdicts[row])
        if verdict >= 0:
            yield _breached(work, subject, measured, row, check.rules[verdict])
        elif verdict == UNKNOWN:
            yield _silent(work, subject, measured, row)
        elif row in recovered:
            yield _over(work, subject, measured, row, recovered[row])
        elif verdict == KEEP:
            yield _kept(work, subject, measured, row)
        else:
            yield found.well(check, subject, work.when, None if np.isnan(latest[row]) else float(latest[row]))


def _recovered(
    check: Check, settings: MetricSettings, measured: Measured, verdicts: Verdicts
) -> Mapping[int, threshold.Episode]:
    if settings.window:
        return {}
    well = np.flatnonzero(verdicts == threshold.OK)
    return threshold.episodes(measured.settled, check.rules, check.missing, well, quiet=measured.quiet)


def _breached(work: Work, subject: Subject, measured: Measured, row: int, rule: Rule) -> Finding:
    check, settings = work.check, settings_of(work.check)
    values = measured.settled.values[row]
    breach = (threshold.trace_window if settings.window else threshold.trace)(
        values, rule, check.missing, settings.period
    )
    value = _told(settings, measured, row, breach)
    words = _words(work, subject, measured, row, rule, breach)
    return found.broken(
        check,
        subject,
        work.when,
        found.Said(
            rule=rule,
            status=rule.status,
            summary=too_much(words, value),
            value=value,
            since=moment(measured.grid, breach.began),
            hold=rule.hold,
            evidence=_evidence(settings, measured, row, rule, breach),
            series=measured.grid.series(row, measured.judged),
        ),
    )


def _told(settings: MetricSettings, measured: Measured, row: int, breach: Breach) -> float | None:
    """Events of a window are counted together; everything else is the point that was judged."""
    if not settings.window:
        return breach.value
    if settings.statistics == "Sum" and settings.expression is None and measured.limits is None:
        return float(np.nansum(measured.settled.values[row]))
    return breach.worst


def _over(work: Work, subject: Subject, measured: Measured, row: int, episode: threshold.Episode) -> Finding:
    check, settings = work.check, settings_of(work.check)
    rule, breach = check.rules[episode.rule], episode.breach
    latest = threshold.newest(measured.settled.values[row : row + 1])[0]
    words = _words(work, subject, measured, row, rule, breach)
    ended = moment(measured.grid, breach.last + 1)
    evidence = (("recovered", True), ("was", str(rule.status)), ("ended", epoch(ended)))
    return found.broken(
        check,
        subject,
        work.when,
        found.Said(
            rule=rule,
            status=Status.INFO,
            summary=over(words, ended),
            value=None if np.isnan(latest) else float(latest),
            since=moment(measured.grid, breach.began),
            evidence=(*evidence, *_evidence(settings, measured, row, rule, breach)),
            series=measured.grid.series(row, measured.judged),
        ),
    )


def _silent(work: Work, subject: Subject, measured: Measured, row: int) -> Finding:
    settings = settings_of(work.check)
    raw = measured.raw[row, : measured.judged]
    column = threshold.silent_since(raw)
    since = moment(measured.grid, column) if column < measured.judged else None
    open_ended = bool(np.isnan(raw).all())
    return found.blind(
        work.check,
        subject,
        work.when,
        quiet_because(settings, since, work.when.now, open_ended=open_ended),
        since=since,
        evidence=_source(settings),
        series=None if open_ended else measured.grid.series(row, measured.judged),
    )


def _kept(work: Work, subject: Subject, measured: Measured, row: int) -> Finding:
    """Nothing new came in: what was last known stands."""
    check, settings = work.check, settings_of(work.check)
    status = work.when.history.get(found.key(check, subject), Status.OK)
    rule = next((rule for rule in check.rules if rule.status is status), None)
    if rule is None:
        return found.well(check, subject, work.when, None)
    said = found.Said(
        rule=rule,
        status=status,
        summary=kept(settings, status),
        value=None,
        since=None,
        evidence=_source(settings),
        series=measured.grid.series(row, measured.judged),
    )
    return found.broken(check, subject, work.when, said)


def _words(work: Work, subject: Subject, measured: Measured, row: int, rule: Rule, breach: Breach) -> Words:
    settings = settings_of(work.check)
    column = _judged_column(measured, row, breach)
    return Words(
        check=work.check,
        settings=settings,
        rule=rule,
        breach=breach,
        began=moment(measured.grid, breach.began),
        ended=moment(measured.grid, breach.last + 1),
        now=work.when.now,
        window=work.when.window.length,
        raw=_at(measured.raw, row, column),
        of=None if measured.limits is None else float(measured.limits[row]),
        baseline=None if measured.baseline is None else _at(measured.baseline, row, column),
        sums=tuple((name, _sum(series[row], breach)) for name, series in measured.inputs.items()),
    )


def _judged_column(measured: Measured, row: int, breach: Breach) -> int:
    real = np.flatnonzero(~np.isnan(measured.grid.values[row, : breach.last + 1]))
    return int(real[-1]) if real.size else breach.last


def _at(values: Values, row: int, column: int) -> float | None:
    value = values[row, column] if 0 <= column < values.shape[1] else np.nan
    return None if np.isnan(value) else float(value)


def _sum(series: Values, breach: Breach) -> float:
    return float(np.nansum(series[breach.began : breach.last + 1]))


def _source(settings: MetricSettings) -> Evidence:
    return (
        ("metric", settings.metrics),
        ("statistic", settings.statistics),
        ("period_seconds", settings.step),
    )


def _evidence(settings: MetricSettings, measured: Measured, row: int, rule: Rule, breach: Breach) -> Evidence:
    """What a doubter needs to look for himself: the metric, the points that decided, and what they are a share of."""
    column = _judged_column(measured, row, breach)
    points = threshold.evaluated(measured.settled.values[row, : breach.last + 1], rule, settings.period)
    extra: list[tuple[str, str | int | float | bool | None]] = [("worst", breach.worst)]
    if settings.expression:
        extra.append(("expression", settings.expression.text))
        extra += [(name, _sum(series[row], breach)) for name, series in measured.inputs.items()]
    if measured.limits is not None:
        extra += [
            ("raw", _at(measured.raw, row, column)),
            ("of", float(measured.limits[row])),
            ("limit_fact", settings.limit),
        ]
    if measured.baseline is not None:
        extra += [("raw", _at(measured.raw, row, column)), ("baseline", _at(measured.baseline, row, column))]
    if breach.open_ended:
        extra.append(("older_than_window", True))
    return (*_source(settings), ("points", points), *extra)


def _unread(reading: Reading, queries: Queries) -> str:
    for query in queries:
        if query in reading.rows:
            continue
        return reading.gaps.get(query) or "AWS gave no answer for its metric"
    return ""


def _denied(why: str) -> Evidence:
    action = found.action_in(why)
    return (("why", why), ("action", action)) if action else (("why", why),)


KIND = Kind(
    name="metric", settings=read, custom=asking.custom, before=asking.before, plan=asking.plan, evaluate=evaluate
)
