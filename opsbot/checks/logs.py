"""The kind `logs`: lines of log groups, counted by Logs Insights and judged like a metric.

A query is billed by what it scans ($0.005 a GB), so all checks that count words in a group share one scan of it; by whom
or what the lines are is asked only of a breach, over its own hours.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import numpy as np

from opsbot.checks import asking, found, log_plan, log_text, metric
from opsbot.checks.kind import Kind, Queries, Subject, Work
from opsbot.checks.log_plan import Group, Known, Place, Scan
from opsbot.checks.log_settings import GROUP, read, settings_of
from opsbot.checks.log_text import Column
from opsbot.model.check import Check, Missing
from opsbot.model.environment import labels
from opsbot.model.finding import Finding, Pairs
from opsbot.model.period import Period, epoch, from_epoch
from opsbot.model.resource import Resource
from opsbot.ports import Ask, LogAnswer, LogQuery, Looking, MetricQuery, Reading
from opsbot.samples import Grid, Values

_LONGEST = 60
_Cell = tuple[Place, str, Column]


@dataclass(frozen=True, slots=True)
class Slot:
    """One resource that a check looks at, and the group its lines are in."""

    work: Work
    subject: Subject
    group: Group
    place: Place


@dataclass(slots=True)
class Counted:
    """What the scans brought: a series for each place, group and column, or why there is none."""

    series: dict[_Cell, Values] = field(default_factory=dict)
    gaps: dict[_Cell, str] = field(default_factory=dict)


def look(looking: Looking, works: Sequence[Work], known: Mapping[str, Known]) -> Iterator[Finding]:
    """Judges every log check at once. What cannot be read is an UNKNOWN finding that says why."""
    slots: list[Slot] = []
    wanted: log_plan.Wanted = {}
    for work in works:
        for subject in work.subjects:
            slot = _slot(work, subject, known.get(subject.environment.name))
            if isinstance(slot, Finding):
                yield slot
            else:
                slots.append(slot)
                column = settings_of(work.check).column
                wanted.setdefault(slot.place, {}).setdefault(slot.group.group, {})[column] = None
    if slots:
        counted = _counted(looking, list(log_plan.scans(wanted)))
        yield from _told(looking, [(slot, one) for slot in slots for one in _judged(slot, counted)])


def _slot(work: Work, subject: Subject, known: Known | None) -> Slot | Finding:
    name = _group_name(work.check, subject.resource)
    group = known.groups.get((subject.resource.region, name)) if known else None
    if group is not None and group.storage != "DELIVERY":
        return Slot(work, subject, group, log_plan.place_of(subject, settings_of(work.check), group, work.when))
    if group is not None:
        why = f"{name} is of the class DELIVERY, which Logs Insights does not read"
    elif gap := known.gaps.get(subject.resource.region) or known.gaps.get("") if known else "AWS gave no answer":
        why = f"log groups not listed: {gap}"
    elif work.check.missing in (Missing.UNKNOWN, Missing.BREACHING):
        why = f"it has no log group {name}"
    else:
        # A function that was never called has none, and nothing to say.
        return found.well(work.check, subject, work.when, None)
    return found.blind(work.check, subject, work.when, why, evidence=(("why", why),))


def _group_name(check: Check, resource: Resource) -> str:
    if resource.kind == log_plan.KIND:
        return log_plan.name_of(resource)
    return settings_of(check).log_group.replace(GROUP, resource.name.removesuffix(f"@{resource.region}"))


def _counted(looking: Looking, scans: Sequence[Scan]) -> Counted:
    counted = Counted()
    by_query = {scan.query: scan for scan in scans}
    if looking.logs is None:
        for scan in scans:
            _missed(counted, scan, dict.fromkeys((group.name for group in scan.query.groups), "logs are not read here"))
        return counted
    looking.progress("reading logs", 0, len(scans))
    for done, answer in enumerate(looking.logs.ask_logs(list(by_query)), 1):
        _taken(counted, by_query[answer.query], answer)
        looking.progress("reading logs", done, len(scans))
    return counted


def _missed(counted: Counted, scan: Scan, gaps: Mapping[str, str]) -> None:
    counted.gaps.update({(scan.place, name, column): why for name, why in gaps.items() for column in scan.columns})


def _taken(counted: Counted, scan: Scan, answer: LogAnswer) -> None:
    place = scan.place
    _missed(counted, scan, answer.gaps)
    for group in scan.query.groups:
        if group.name not in answer.gaps:
            for column in scan.columns:
                # No row says that no line was there; of a measure it says that there was nothing to measure.
                empty = 0.0 if column.words or column.value.startswith("count(") else np.nan
                counted.series[place, group.name, column] = np.full(place.count, empty)
    for row in answer.rows:
        _placed(counted, scan, row)


def _placed(counted: Counted, scan: Scan, row: Mapping[str, str]) -> None:
    """A row that does not fit is somebody else's mistake, and the rest still counts."""
    place, name = scan.place, row.get("@log", "").partition(":")[2]
    moment = next((value for key, value in row.items() if key.startswith("bin(")), "")
    try:
        at = int((datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp() - place.start) // place.step)
    except ValueError:
        return
    for number, column in enumerate(scan.columns):
        series = counted.series.get((place, name, column))
        value = _number(row.get(f"n{number}", ""))
        if series is not None and value is not None and 0 <= at < place.count:
            series[at] = value


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def _judged(slot: Slot, counted: Counted) -> Iterable[Finding]:
    """As a metric of that resource would be."""
    settings, place, name = settings_of(slot.work.check), slot.place, slot.group.group.name
    cell = (place, name, settings.column)
    query = MetricQuery("Logs", settings.inputs[0].metric, labels(LogGroupName=name), "Sum", place.step)
    series, gap = counted.series.get(cell), counted.gaps.get(cell, "AWS gave no answer for its logs")
    reading = Reading(
        ask=Ask(environment=place.environment, region=place.region, window=place.window, queries=(query,)),
        grid=Grid(
            start=place.start, step=place.step, values=np.empty((0, place.count)) if series is None else series[None]
        ),
        rows={} if series is None else {query: 0},
        gaps={query: gap} if series is None else {},
    )
    return metric.evaluate(replace(slot.work, subjects=[slot.subject], queries=[(query,)], reading=reading))


def _told(looking: Looking, judged: Sequence[tuple[Slot, Finding]]) -> Iterator[Finding]:
    """The findings; those of a breach with the group, and by whom or what its lines are."""
    asked: dict[LogQuery, list[tuple[Slot, Finding]]] = {}
    for slot, finding in judged:
        settings = settings_of(slot.work.check)
        if not finding.rule:
            yield finding
        elif settings.told_by and finding.since is not None and looking.logs is not None:
            asked.setdefault(_ranking(slot, finding), []).append((slot, finding))
        else:
            yield _with_group(slot, finding)
    if looking.logs is not None and asked:
        for answer in looking.logs.ask_logs(list(asked)):
            yield from (_ranked(slot, finding, answer) for slot, finding in asked[answer.query])


def _ranking(slot: Slot, finding: Finding) -> LogQuery:
    settings, place = settings_of(slot.work.check), slot.place
    ended = dict(finding.evidence).get("ended")
    end = from_epoch(ended) if isinstance(ended, int) else place.window.end
    start = max(finding.since or place.window.start, place.window.start)
    return LogQuery(
        environment=place.environment,
        region=place.region,
        window=Period(start=start, end=max(end, from_epoch(epoch(start) + place.step))),
        groups=(slot.group.group,),
        text=log_text.ranking(settings.column, settings.told_by, settings.parse),
        limit=log_text.SHOWN,
    )


def _ranked(slot: Slot, finding: Finding, answer: LogAnswer) -> Finding:
    by = settings_of(slot.work.check).told_by
    ranks = [(_clean(row.get(by, "")), _number(row.get("n", "")) or 0.0) for row in answer.rows[: log_text.SHOWN]]
    named = [(name, count) for name, count in ranks if name]
    if not named:
        return _with_group(slot, finding)
    told = ", ".join(f"{name} ({count:,.0f})" for name, count in named[:2])
    more = f" and {len(named) - 2} more" if len(named) > 2 else ""
    top: tuple[Pairs, ...] = tuple(((by, name), ("count", count)) for name, count in named)
    finding = replace(finding, summary=f"{finding.summary}; {by}: {told}{more}")
    return _with_group(slot, replace(finding, evidence=(*finding.evidence, ("top", top))))


def _with_group(slot: Slot, finding: Finding) -> Finding:
    return replace(finding, evidence=(*finding.evidence, ("log_group", slot.group.group.name)))


def _clean(text: str) -> str:
    """Somebody else's text, fit to stand in a sentence."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"


def plan(check: Check, subject: Subject) -> Queries | str:
    """Nothing of CloudWatch's metrics."""
    return ()


def evaluate(work: Work) -> Iterator[Finding]:
    """Nothing: `look` judges, because the scans of all checks are planned together."""
    yield from ()


KIND = Kind(
    name="logs", settings=read, custom=asking.custom, before=asking.before, plan=plan, evaluate=evaluate, look=look
)
