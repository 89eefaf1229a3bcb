"""The weekly report part by part, always the same ones in the same order; one with nothing to say says so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from opsbot.checks.security import security_section
from opsbot.checks.weekly import ahead, health, method, money, performance, woken
from opsbot.checks.weekly.advise import SHOWN, Advice
from opsbot.checks.weekly.kpi import Kpi, loudest
from opsbot.checks.weekly.week import Week
from opsbot.model.report import Block, Cell, Column, Facts, FindingList, Prose, Row, Score, Scorecard, Section, Table
from opsbot.model.status import Status
from opsbot.render.format import clean, clip, count

OF_SECURITY = 3


def weekly_sections(week: Week) -> tuple[Section, ...]:
    return (
        _decide(week),
        _scorecard(week),
        health.section(week),
        performance.section(week),
        money.section(week),
        _security(week),
        ahead.section(week),
        woken.section(week),
        _recommendations(week),
        method.coverage(week),
        method.method(week),
    )


def _security(week: Week) -> Section:
    """The worst that is not told above, and every topic in a line; who changed what is for the morning's report."""
    found = security_section(week.findings)
    return replace(found, blocks=tuple(_shorter(week, found.blocks)))


def _shorter(week: Week, blocks: Sequence[Block]) -> Iterator[Block]:
    for block in blocks:
        if isinstance(block, FindingList):
            yield from _not_yet_told(week, block)
        elif not isinstance(block, Facts):
            yield block


def _not_yet_told(week: Week, block: FindingList) -> Iterator[Block]:
    wrong = [one for one in block.findings if one.status is not Status.INFO]
    rest = [one for one in wrong if not any(decision.tells(one) for decision in week.decisions)]
    if rest:
        yield FindingList(
            findings=tuple(rest[:OF_SECURITY]), others=block.others + max(0, len(rest) - OF_SECURITY)
        )  # fmt: skip
    told = len(wrong) - len(rest)
    if told:
        yield Prose(text=f"{count(told)} more {'is' if told == 1 else 'are'} among the decisions of this week.")


def _decide(week: Week) -> Section:
    told = week.decisions
    if not told:
        text = "Nothing has to be decided this week."
        return Section(id="decisions", title="Decide this week", status=Status.OK, blocks=(Prose(text=text),))
    left = len(week.waiting) - len(told)
    return Section(
        id="decisions",
        title="Decide this week",
        status=loudest([one.finding.status for one in told]),
        blocks=(FindingList(findings=tuple(one.finding for one in told)),),
        aside="; ".join(["most urgent first", *([f"{count(left)} more below"] if left else [])]),
    )


def _scorecard(week: Week) -> Section:
    """What nobody set up is told as no data and makes no verdict; what was known before and is not any more does."""
    known = [kpi.status for kpi in week.kpis if kpi.weighs]
    scored = tuple(_score(kpi) for kpi in week.kpis)
    return Section(
        id="scorecard",
        title="Scorecard",
        status=loudest(known) if known else Status.UNKNOWN,
        blocks=(Scorecard(scores=scored),),
        aside=f"against {week.calendar.name_before}; trend is 12 weeks",
    )


def _score(kpi: Kpi) -> Score:
    now = kpi.course.now
    notes = "; ".join(filter(None, (kpi.note, _last_year(kpi))))
    return Score(
        name=kpi.name,
        value=kpi.value,
        target=kpi.target,
        status=kpi.status,
        note=kpi.why if now is None else notes,
        change=kpi.change,
        trend=kpi.course.weeks if sum(value is not None for value in kpi.course.weeks) > 1 else (),
    )


def _last_year(kpi: Kpi) -> str:
    """Only where it was another figure."""
    year = kpi.course.year
    return f"{kpi.said(year)} in the same week last year" if year is not None and kpi.said(year) != kpi.value else ""


_ADVICE = (
    Column(title="Do"),
    Column(title="Where", phone=False),
    Column(title="Effect", align="right"),
    Column(title="Effort", align="right"),
)


def _recommendations(week: Week) -> Section:
    found = week.advice
    if not found:
        text = "Nothing to save, nothing to quieten and nothing that cannot be seen was found."
        return Section(id="recommendations", title="Recommendations", status=Status.OK, blocks=(Prose(text=text),))
    left = len(found) - SHOWN
    more = (
        (Prose(text=f"and {count(left)} more of less effect: opsbot run cost_anomalies lists all savings."),)
        if left > 0
        else ()
    )
    return Section(
        id="recommendations",
        title="Recommendations",
        status=Status.INFO,
        blocks=(Table(columns=_ADVICE, rows=tuple(_advice(one) for one in found[:SHOWN])), *more),
        aside="by effect for effort; efforts are a first guess",
    )


def _advice(one: Advice) -> Row:
    texts = (clip(one.what, 90), clip(clean(one.where), 28), one.effect, one.effort)
    return Row(cells=tuple(Cell(text=text) for text in texts), note=one.note)
