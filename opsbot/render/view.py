"""The report as people will see it: every string cleaned and formatted once, nothing left to compute.

Renderers only place what stands here, so that one finding reads the same in a terminal, a mail and a Slack thread.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from opsbot.model.finding import Coverage, Evidence, Finding
from opsbot.model.period import from_epoch
from opsbot.model.report import (
    About,
    Block,
    Cell,
    Charts,
    ChartSpec,
    Column,
    Facts,
    FindingList,
    Prose,
    Report,
    Row,
    Score,
    Scorecard,
    Section,
    Strip,
    Strips,
    Table,
)
from opsbot.model.status import Status, Verdict
from opsbot.render.format import NO_DATA, begun, brief, clean, clip, count, moment, money, plural, quantity, span
from opsbot.render.headline import verdict
from opsbot.render.tokens import MARKS, Mark

NAME, SENTENCE, TEXT = 80, 300, 2000
_MOMENTS = ("_at", "ended", "since")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A finding as told: what, how far, since when, what it means, who, evidence, runbook; empty is unknown."""

    verdict: Verdict
    status: Status
    environment: str
    title: str
    resource: str
    now: str
    limit: str
    since: str
    lasting: str
    summary: str
    means: str
    owner: str
    runbook: str
    command: str
    evidence: tuple[tuple[str, str], ...]
    anchor: str
    chart: str
    values: tuple[float | None, ...]
    threshold: float | None

    @property
    def mark(self) -> Mark:
        return MARKS[self.verdict]

    @property
    def what(self) -> str:
        return f"{self.title}, {self.resource}"

    @property
    def sentence(self) -> str:
        """The summary where it opens a line: with a capital and a full stop."""
        return f"{_opened(self.summary).rstrip('.')}." if self.summary else ""

    @property
    def far(self) -> str:
        """`93.1 %, limit 80 %`, or what is known of it."""
        return ", ".join(part for part in (self.now, f"limit {self.limit}" if self.limit else "") if part)

    @property
    def begun(self) -> str:
        """`since 04:10, 3 h`, or nothing."""
        return f"since {self.since}, {self.lasting}" if self.since else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """Findings in full; `others` were left out for room."""

    lines: tuple[Line, ...]
    others: int


Part = Prose | Facts | Table | ChartSpec | Charts | Lines | Scorecard | Strips


@dataclass(frozen=True, slots=True, kw_only=True)
class Chapter:
    """A section; `anchor` is safe in a link."""

    id: str
    anchor: str
    title: str
    aside: str
    status: Status
    parts: tuple[Part, ...]

    @property
    def lines(self) -> tuple[Line, ...]:
        return tuple(line for part in self.parts if isinstance(part, Lines) for line in part.lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """All there is to place. `footer` pairs say how the report can be trusted and made again."""

    title: str
    when: str
    scope: str
    evaluated: str
    took: str
    verdict: Verdict
    headline: str
    lede: str
    chapters: tuple[Chapter, ...]
    footer: tuple[tuple[str, str], ...]
    command: str
    url: str
    zone: str

    @property
    def mark(self) -> Mark:
        return MARKS[self.verdict]

    @property
    def lines(self) -> tuple[Line, ...]:
        return tuple(line for chapter in self.chapters for line in chapter.lines)


def page(report: Report, about: About) -> Page:
    """The view of a completed report."""
    coverage = about.coverage
    return Page(
        title=_said(report.title, NAME),
        when=moment(about.at, about.zone) + (f", late by {span(about.late)}" if about.late else ""),
        scope=_said(about.recorded[0], NAME) if about.recorded else plural(about.environments, "environment"),
        evaluated=_said(about.recorded[1], NAME) if about.recorded else _evaluated(coverage),
        took="" if about.recorded else _seconds(about.seconds),
        verdict=verdict(report),
        headline=_said(report.headline, 80) or _said(report.title, 80),
        lede=_said(report.lede, 600),
        chapters=tuple(_chapter(section, about) for section in report.sections),
        footer=tuple(_footer(report, about)),
        command=_said(about.command, 500),
        url=_link(about.url),
        zone=about.zone,
    )


def _evaluated(coverage: Coverage) -> str:
    return f"{count(coverage.evaluated)} of {plural(coverage.expected, 'check')} evaluated"


def _said(text: str, n: int) -> str:
    return clip(clean(text), n)


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"


def _link(url: str) -> str:
    """A web address of ours, or nothing: no other scheme ever becomes a link."""
    url = clean(url)
    safe = url.startswith(("https://", "http://")) and not any(c in url for c in " <>\"'|`\\")
    return url if safe else ""


def _chapter(section: Section, about: About) -> Chapter:
    charts = {id(block.series): chart_anchor(block) for block in section.blocks if isinstance(block, ChartSpec)}
    return Chapter(
        id=section.id,
        anchor=f"s-{_digest(section.id)}",
        title=_said(section.title, NAME),
        aside=_said(section.aside, 160),
        status=section.status,
        parts=tuple(_part(block, about, charts) for block in section.blocks),
    )


def _part(block: Block, about: About, charts: Mapping[int, str]) -> Part:
    match block:
        case Prose():
            return Prose(text=_said(block.text, TEXT))
        case Facts():
            return Facts(pairs=tuple((_said(name, NAME), _said(value, SENTENCE)) for name, value in block.pairs))
        case Table():
            return _table(block)
        case ChartSpec():
            return _chart(block)
        case Charts():
            return replace(block, specs=tuple(map(_chart, block.specs)))
        case FindingList():
            return Lines(lines=tuple(line(finding, about, charts) for finding in block.findings), others=block.others)
        case Scorecard():
            return Scorecard(scores=tuple(_score(score) for score in block.scores))
        case Strips():
            return _strips(block)


def _table(table: Table) -> Table:
    columns = tuple(Column(title=_said(c.title, NAME), align=_align(c.align), phone=c.phone) for c in table.columns)
    width = len(columns)
    rows = tuple(
        Row(cells=tuple(_padded(row, width)), note=_said(row.note, SENTENCE)) for row in table.rows
    )  # fmt: skip
    return Table(columns=columns, rows=rows)


def _padded(row: Row, width: int) -> Iterator[Cell]:
    """As many cells as there are columns, whatever the job wrote."""
    cells = row.cells[:width] + (Cell(text=""),) * (width - len(row.cells))
    for cell in cells:
        yield replace(cell, text=_said(cell.text, SENTENCE))


def _align(align: str) -> str:
    return align if align in ("left", "right", "center") else "left"


def _chart(spec: ChartSpec) -> ChartSpec:
    return replace(
        spec,
        title=_said(spec.title, SENTENCE),
        detail=_said(spec.detail, SENTENCE),
        alt=_said(spec.alt, SENTENCE),
        label=_said(spec.label, NAME),
        limit_text=_said(spec.limit_text, NAME),
        marks=tuple(replace(mark, text=_said(mark.text, NAME)) for mark in spec.marks),
    )


def chart_anchor(spec: ChartSpec) -> str:
    """The same before and after cleaning: it depends on what is drawn, not on what is said."""
    return f"c-{_digest(f'{spec.series.times}{spec.series.values}{spec.limit}')}"


def _score(score: Score) -> Score:
    return replace(
        score,
        name=_said(score.name, NAME),
        value=_said(score.value, NAME),
        target=_said(score.target, NAME),
        note=_said(score.note, SENTENCE),
        change=_said(score.change, NAME),
    )


def _strips(block: Strips) -> Strips:
    return replace(
        block, rows=tuple(map(_strip, block.rows)), first=_said(block.first, NAME), last=_said(block.last, NAME)
    )


def _strip(strip: Strip) -> Strip:
    return replace(
        strip, name=_said(strip.name, NAME), figure=_said(strip.figure, NAME), words=_said(strip.words, SENTENCE)
    )


def line(finding: Finding, about: About, charts: Mapping[int, str]) -> Line:
    """One finding, ready to be placed. `charts` are anchors of charts by the identity of the series they draw."""
    environment, runbook = _said(finding.environment, NAME), _said(finding.runbook or "", NAME)
    blind = finding.status is Status.UNKNOWN
    since, lasting = begun(finding.since, about.zone, about.at, by_day=finding.by_day) if finding.since else ("", "")
    return Line(
        verdict=finding.status.verdict,
        status=finding.status,
        environment=environment,
        title=_said(finding.title, NAME) or _said(finding.check, NAME),
        resource=_said(finding.resource, NAME),
        now=NO_DATA if blind else quantity(finding.value, finding.unit) if finding.value is not None else "",
        limit="" if finding.limit is None or blind else quantity(finding.limit, finding.unit),
        since=since,
        lasting=lasting,
        summary=_said(finding.summary, SENTENCE),
        means=_said(finding.means, SENTENCE),
        owner=_said(finding.owner, NAME),
        runbook=runbook,
        command=f"opsbot runbook show {shlex.quote(runbook)} --env {shlex.quote(environment)}" if runbook else "",
        evidence=tuple(_evidence(finding.evidence, about))
        + ((("rule", _said(finding.rule, NAME)),) if finding.rule else ()),
        anchor=f"f-{_digest(f'{finding.key}/{finding.status}')}",
        chart=charts.get(id(finding.series), ""),
        values=finding.series.values[: finding.series.judged] if finding.series else (),
        threshold=finding.limit,
    )


def _opened(sentence: str) -> str:
    """With a capital, unless it opens with a name or a figure (`p95`, `glue:GetJobRuns`)."""
    first = sentence.partition(" ")[0]
    plain = first.rstrip(":,;.").isalpha() and first.islower() and first.isascii()
    return sentence[:1].upper() + sentence[1:] if plain else sentence


def _digest(text: str) -> str:
    """A name for an anchor: nothing of the data itself gets into an attribute."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:10]


def _evidence(evidence: Evidence, about: About) -> Iterator[tuple[str, str]]:
    for name, value in evidence:
        several = value if isinstance(value, tuple) else (value,)
        shown = ", ".join(_plain(part, name, about) for part in several[:60])
        more = f" and {count(len(several) - 60)} more" if len(several) > 60 else ""
        yield _said(name.removesuffix("_seconds").replace("_", " "), NAME), clip(shown, TEXT) + more


def _plain(value: object, name: str, about: About) -> str:
    """One fact; lengths and moments are told as such where the name says that the number is one."""
    match value:
        case None:
            return NO_DATA
        case bool():
            return "yes" if value else "no"
        case int() | float() if name.endswith("_seconds") and 0 < value < 1e9:
            return span(timedelta(seconds=value))
        case int() | float() if name.endswith(_MOMENTS) and 1e9 < value < 1e10:
            return brief(from_epoch(value), about.zone, about.at)
        case float():
            return NO_DATA if value != value else f"{value:.6g}"
        case tuple():
            return _said("; ".join(f"{key} {_plain(part, key, about)}" for key, part in value), SENTENCE)
        case _:
            return _said(str(value), SENTENCE)


def _footer(report: Report, about: About) -> Iterator[tuple[str, str]]:
    """Everything it takes to trust this report and to make it again."""
    yield "Data", f"{moment(report.period.start, about.zone)} to {moment(report.period.end, about.zone)}"
    if about.recorded:
        yield "Run", f"on recorded data, opsbot {_said(about.version, NAME)}"
    else:
        yield from _source(about)
    yield "Reproduce", _said(about.command, 500)


def _source(about: About) -> Iterator[tuple[str, str]]:
    coverage, usage = about.coverage, about.usage
    missing = (
        f"; {plural(len(coverage.missing), 'check')} without data, never counted as healthy" if coverage.missing else ""
    )
    yield "Coverage", f"{_evaluated(coverage)}{missing}"
    calls = sum(number for _, number in usage.calls)
    throttled = f", {count(usage.throttled)} throttled" if usage.throttled else ""
    yield "AWS", f"{plural(calls, 'call')}, {plural(usage.metrics, 'metric')}, {money(usage.usd)}{throttled}"
    yield "Run", f"{_said(about.run_id, NAME)}, {_seconds(about.seconds)}, opsbot {_said(about.version, NAME)}"
