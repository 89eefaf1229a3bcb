"""The daily health report's five parts, from findings alone: exceptions, no data, overview, recovered, coverage.

Every part is always there, in the same place; one with nothing to say says so in a line.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import timedelta

from opsbot.model.environment import Environment
from opsbot.model.finding import Coverage, Finding, Series
from opsbot.model.report import Block, ChartSpec, Facts, FindingList, Prose, Section
from opsbot.model.status import Status
from opsbot.render.format import NO_DATA, clean, clip, count, plural, quantity, span
from opsbot.render.grouping import grouped
from opsbot.render.overview import overview

CHARTS = 6
_RECOVERED = 20
_NEVER = "Nothing broke and recovered in this window."


def sections_by_environment(
    findings: Iterable[Finding], *, environments: Iterable[Environment | str] | None = None
) -> tuple[Section, ...]:
    """The parts of a health report over many environments.

    `environments` are those that were asked for: one that left no finding at all is told as not checked.
    """
    findings = tuple(findings)
    names = _names(findings, environments)
    unseen = tuple(sorted(names - {f.environment for f in findings}))
    by_status: dict[Status, list[Finding]] = {status: [] for status in Status}
    for finding in findings:
        by_status[finding.status].append(finding)
    return (
        _exceptions([*by_status[Status.CRITICAL], *by_status[Status.WARNING]]),
        _no_data(by_status[Status.UNKNOWN], unseen),
        overview(findings, names),
        _recovered(by_status[Status.INFO]),
        _coverage(findings, len(names), unseen),
    )


def _names(findings: Sequence[Finding], environments: Iterable[Environment | str] | None) -> set[str]:
    seen = {f.environment for f in findings}
    return seen | {e if isinstance(e, str) else e.name for e in environments or ()}


def _exceptions(troubles: list[Finding]) -> Section:
    lines = grouped(troubles)
    if not lines:
        return _silent("exceptions", "Needs attention", "Nothing is beyond its limit.")
    drawn = tuple(_chart(line, line.series) for line in lines if line.series is not None)[:CHARTS]
    places = len({line.environment for line in lines})
    return Section(
        id="exceptions",
        title="Needs attention",
        status=lines[0].status,
        blocks=(FindingList(findings=lines), *drawn),
        aside=f"worst first; {plural(len(troubles), 'finding')} in {plural(places, 'environment')}",
    )


def _no_data(blind: list[Finding], unseen: tuple[str, ...]) -> Section:
    lines = grouped(blind, more_than=1)
    if not lines and not unseen:
        return _silent("no_data", "No data", "Everything that was expected could be seen.")
    blocks: list[Block] = [FindingList(findings=lines)] if lines else []
    if unseen:
        listed = clip(", ".join(clean(name) for name in unseen), 400)
        blocks.append(Prose(text=f"No check applied to {plural(len(unseen), 'environment')}: {listed}."))
    return Section(
        id="no_data", title="No data", status=Status.UNKNOWN, blocks=tuple(blocks), aside="not counted as healthy"
    )


def _recovered(notes: list[Finding]) -> Section:
    back = [f for f in notes if ("recovered", True) in f.evidence]
    others = [f for f in notes if ("recovered", True) not in f.evidence]
    if not back and not others:
        return _silent("recovered", "Recovered", _NEVER)
    blocks: list[Block] = [_capped(grouped(back)) if back else Prose(text=_NEVER)]
    if others:
        blocks += [Prose(text="Not broken, but worth knowing:"), _capped(grouped(others))]
    aside = ", ".join(
        text for text, some in ((f"{count(len(back))} recovered", back), (plural(len(others), "note"), others)) if some
    )
    title = "Recovered, and notes" if others else "Recovered"
    return Section(id="recovered", title=title, status=Status.INFO, blocks=tuple(blocks), aside=aside)


def _capped(lines: tuple[Finding, ...]) -> FindingList:
    return FindingList(findings=lines[:_RECOVERED], others=max(0, len(lines) - _RECOVERED))


def _coverage(findings: tuple[Finding, ...], environments: int, unseen: tuple[str, ...]) -> Section:
    coverage = Coverage.of(findings)
    if not coverage.expected:
        text = "Nothing was expected and nothing was evaluated, so nothing is known."
        return Section(id="coverage", title="Coverage", status=Status.UNKNOWN, blocks=(Prose(text=text),))
    pairs = [
        ("Expected", f"{plural(coverage.expected, 'check')} of resources in {plural(environments, 'environment')}"),
        ("Evaluated", f"{count(coverage.evaluated)}, {quantity(coverage.share * 100, findings[0].unit.PERCENT)}"),
    ]
    if coverage.missing:
        pairs.append(("Missing", f"{count(len(coverage.missing))}: {_where_missing(coverage)}"))
    status = Status.UNKNOWN if coverage.missing or unseen else Status.OK
    return Section(id="coverage", title="Coverage", status=status, blocks=(Facts(pairs=tuple(pairs)),))


def _where_missing(coverage: Coverage) -> str:
    tally = Counter((clean(absent.environment), clean(absent.check)) for absent in coverage.missing)
    most = sorted(tally.items(), key=lambda item: (-item[1], item[0]))
    listed = ", ".join(f"{environment} {check} {count(number)}" for (environment, check), number in most[:8])
    return listed + (f" and {plural(len(most) - 8, 'more group')}" if len(most) > 8 else "")


def _silent(id: str, title: str, text: str) -> Section:
    return Section(id=id, title=title, status=Status.OK, blocks=(Prose(text=text),))


def _chart(finding: Finding, series: Series) -> ChartSpec:
    resource = clip(clean(finding.resource), 60)
    return ChartSpec(
        title=clip(
            f"{clean(finding.environment)}: {clean(finding.title)}, {resource}: {clean(finding.summary)}", 200
        ).rstrip(".")
        + ".",
        detail=_detail(finding),
        alt=_alt(finding, resource),
        series=series,
        unit=finding.unit,
        label=resource,
        limit=finding.limit,
        upward=not finding.rule.lstrip().startswith("<"),
        since=finding.since,
    )


def _detail(finding: Finding) -> str:
    """What is drawn: the statistic and how often it was measured."""
    known = dict(finding.evidence)
    metric, statistic = known.get("metric"), known.get("statistic")
    parts = [clean(_joined(part)) for part in (metric, statistic) if part]
    seconds = _step(finding)
    if seconds:
        parts.append(f"{'every' if parts else 'Every'} {span(timedelta(seconds=seconds))}")
    return clip(", ".join(parts) + ("." if parts else ""), 160)


def _joined(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _step(finding: Finding) -> int:
    return finding.series.times.step if finding.series else 0


def _alt(finding: Finding, resource: str) -> str:
    """The picture in words, for those who do not see it."""
    seen = [v for v in finding.series.values if v is not None and v == v] if finding.series else []
    if not seen:
        return f"{clean(finding.title)} of {resource}: {NO_DATA}."
    low, high = quantity(min(seen), finding.unit), quantity(max(seen), finding.unit)
    limit = f", limit {quantity(finding.limit, finding.unit)}" if finding.limit is not None else ""
    last = quantity(seen[-1], finding.unit)
    return f"{clean(finding.title)} of {resource}: between {low} and {high}, last {last}{limit}."
