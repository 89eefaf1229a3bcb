"""The report about costs, section by section: what changed, what is still open, budgets, movers, history, coverage."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from opsbot.checks.spending import history, telling
from opsbot.checks.spending.background import UNKNOWN, Background
from opsbot.checks.spending.budgets import Budgeted
from opsbot.checks.spending.changes import Before, introduced
from opsbot.checks.spending.course import course
from opsbot.checks.spending.findings import ACTUAL, FORECAST
from opsbot.checks.spending.headline import ended, explained, still_open
from opsbot.checks.spending.life import Life, usual
from opsbot.checks.spending.names import part, service
from opsbot.checks.spending.reading import Billed, Spending, loud
from opsbot.checks.spending.second import opinion, standing
from opsbot.checks.spending.words import dollars, exact, percent, short
from opsbot.model.finding import Finding
from opsbot.model.report import (
    Block,
    Cell,
    ChartSpec,
    Column,
    Facts,
    FindingList,
    Mark,
    Prose,
    Row,
    Section,
    Table,
)
from opsbot.model.status import Status, worst
from opsbot.render.format import brief, clean, clip, count, plural
from opsbot.render.grouping import grouped

TOLD, LISTED = 5, 20
_NO_BUDGET = "AWS keeps no cost budget for these payers; [[budgets]] in config.toml sets one."
_NO_PAYER = "No payer is configured: set payer = true on the environment whose account pays, and its bill is read every morning."
# As seen from so far on, a moment is told with its day.
_LONG_AGO = timedelta(days=8)
_LIMITS = (
    "Cost Explorer lags by up to a day. Amortized cost; credits, refunds, tax, fees and support are in totals and budgets "
    "and not judged for anomalies."
)
_COMMAND = "opsbot ack {key} --as expected (or planned, or real)"


def cost_sections(
    all: Billed, findings: Sequence[Finding], *, behind: Background = UNKNOWN, also: Sequence[Section] = ()
) -> tuple[Section, ...]:
    """`findings` are all of the run, those of `all` among them. `behind` is who changed what just before, and AWS's own
    opinion; `also` are further sections, shown before the coverage."""
    if not all.spending:
        return (*also, _coverage(all, behind))
    by_key = {finding.key: finding for finding in findings}
    new = loud(all)
    return (
        *(_anomaly(all, *pair, by_key[pair[1].key], behind) for pair in new[:TOLD]),
        *_others(new[TOLD:], by_key),
        *([] if new else [_nothing(all)]),
        _open(all, by_key),
        _done(all, by_key),
        _no_data(findings),
        _budgets(all, by_key),
        *history.sections(all),
        *also,
        _coverage(all, behind),
    )


def _anomaly(all: Billed, one: Spending, life: Life, finding: Finding, behind: Background) -> Section:
    anomaly = life.anomaly
    where = one.accounts.environment(anomaly.causes[0].account, anomaly.causes[0].region)
    blocks: list[Block] = [FindingList(findings=(finding,))]
    if one.bill is not None and finding.series is not None:
        blocks.append(_chart(one, life, finding))
    blocks.append(_where(one, life))
    if before := behind.before.get(life.key):
        blocks.append(_before(all, before))
    blocks.append(_next(one, life, opinion(life, behind.seconds.get(one.payer.name))))
    return Section(
        id=f"anomaly-{finding.resource}",
        title=f"{clean(where.name)}: {part(anomaly.causes[0])}, {life.stage}",
        status=finding.status,
        blocks=tuple(blocks),
        aside=f"{dollars(anomaly.daily, one.currency)} a day since {short(anomaly.start)}",
    )


def _chart(one: Spending, life: Life, finding: Finding) -> ChartSpec:
    anomaly, bill = life.anomaly, one.bill
    if bill is None or finding.series is None:
        raise ValueError("expected a bill with the anomaly's days")
    drawn = course(bill, anomaly)
    what = part(anomaly.causes[0])
    total = f"+{dollars(anomaly.impact, one.currency)} in {plural(telling.lasted(anomaly), 'day')}"
    return ChartSpec(
        title=f"{what} cost {dollars(anomaly.actual, one.currency)} from {short(anomaly.start)} on, "
        f"where {telling.expected(one, anomaly)} was expected.",
        detail=f"Amortized cost by day (UTC), {one.currency}. The band is what was usual on that weekday in the six weeks "
        "before. The last two days are still being billed; sums count what they will come to.",
        alt=f"Daily cost of {what}: usually {dollars(usual(anomaly), one.currency)}, {total}.",
        # The same object as the finding's, so that the finding links to its chart.
        series=finding.series,
        unit=finding.unit,
        label=what,
        since=finding.since,
        bars=True,
        band=drawn.band,
        marks=(Mark(at=finding.since, text=total),) if finding.since else (),
    )


def _where(one: Spending, life: Life) -> Table:
    """Share of the excess by what AWS calls it; the smallest set that explains it."""
    columns = (
        Column(title="Where"),
        Column(title="Excess", align="right"),
        Column(title="Share", align="right"),
        Column(title="Account", phone=False),
        Column(title="Region", phone=False),
    )
    rows = [
        Row(
            cells=(
                Cell(text=f"{service(cause.service)}, {clip(clean(cause.usage_type), 60)}"),
                Cell(text=exact(cause.impact, one.currency)),
                Cell(text=percent(cause.share)),
                Cell(text=clean(one.accounts.name(cause.account))),
                Cell(text=clean(cause.region)),
            )
        )
        for cause in life.anomaly.causes
    ]
    return Table(columns=columns, rows=tuple(rows))


def _before(all: Billed, before: Before) -> Facts:
    """CloudTrail of that place, the likeliest change first."""
    moments = ((brief(one.at, all.zone, one.at + _LONG_AGO), one.told) for one in before.changes)
    return Facts(pairs=(("Changed before", introduced(before)), *moments))


def _next(one: Spending, life: Life, second: str) -> Facts:
    pairs = [("Trend", telling.course_of(one, life))]
    if goes_on := telling.if_it_goes_on(one, life):
        pairs.append(("If it goes on", goes_on))
    pairs += [
        ("Look first", telling.advice(life.anomaly)),
        ("Close it", _COMMAND.format(key=life.key)),
        ("Confidence", telling.confidence(life.anomaly)),
    ]
    if second:
        pairs.append(("Second opinion", second))
    if life.verdict:
        pairs.insert(0, ("Said", telling.because(life)))
    return Facts(pairs=tuple(pairs))


def _others(pairs: Sequence[tuple[Spending, Life]], by_key: dict[str, Finding]) -> list[Section]:
    if not pairs:
        return []
    told = tuple(by_key[life.key] for _, life in pairs)
    block = FindingList(findings=told[:LISTED], others=max(0, len(told) - LISTED))
    title = f"{count(len(told))} more"
    return [Section(id="more", title=title, status=worst(f.status for f in told), blocks=(block,))]


def _nothing(all: Billed) -> Section:
    judged = sum(one.judged for one in all.spending)
    text = f"Nothing new stands out in {plural(judged, 'bill')}." if judged else "No bill could be judged this morning."
    return Section(id="anomalies", title="New", status=Status.OK, blocks=(Prose(text=text),))


def _open(all: Billed, by_key: dict[str, Finding]) -> Section:
    """One line each: people know already."""
    pairs = still_open(all)
    if not pairs:
        text = "No anomaly of an earlier morning is still open."
        return Section(id="open", title="Still open", status=Status.OK, blocks=(Prose(text=text),))
    lines = [_line(one, life) for one, life in pairs[:LISTED]]
    if len(pairs) > LISTED:
        lines.append(("and more", count(len(pairs) - LISTED)))
    return Section(
        id="open",
        title="Still open",
        status=worst(by_key[life.key].status for _, life in pairs),
        blocks=(Facts(pairs=tuple(lines)),),
        aside="told before, as it stood; close one with opsbot ack KEY --as expected",
    )


def _line(one: Spending, life: Life) -> tuple[str, str]:
    """Where, how it stands, and the word to close it by."""
    cause = life.anomaly.causes[0]
    where = clean(one.accounts.environment(cause.account, cause.region).name)
    said = f", {telling.because(life)}" if life.verdict else ""
    told = f"{telling.headline_of(one, life)}; {telling.sums(one, life.anomaly)}{said}"
    return where, f"{told} ({one.accounts.resource(life.anomaly)})"


def _done(all: Billed, by_key: dict[str, Finding]) -> Section:
    """What is over, and what people took responsibility for: told once."""
    over, said = ended(all), [pair for pair in explained(all) if pair[1].news]
    quiet = len(explained(all)) - len(said)
    blocks: list[Block] = []
    if over or said:
        told = tuple(by_key[life.key] for _, life in [*over, *said])
        blocks.append(FindingList(findings=told[:LISTED], others=max(0, len(told) - LISTED)))
    if quiet:
        blocks.append(Prose(text=f"{plural(quiet, 'anomaly', 'anomalies')} as it was expected within the last month."))
    if drops := [drop for one in all.spending for drop in one.drops]:
        names = ", ".join(dict.fromkeys(part(drop.causes[0]) for drop in drops))
        blocks.append(Prose(text=f"Cheaper than usual, told to nobody: {clip(names, 200)}."))
    status = Status.INFO if blocks else Status.OK
    return Section(
        id="over",
        title="Over and explained",
        status=status,
        blocks=tuple(blocks) or (Prose(text="Nothing ended or was explained since the last morning."),),
    )


def _no_data(findings: Sequence[Finding]) -> Section:
    blind = grouped([finding for finding in findings if finding.status is Status.UNKNOWN], more_than=1)
    if not blind:
        text = "Every bill and budget that was expected could be read."
        return Section(id="no_data", title="No data", status=Status.OK, blocks=(Prose(text=text),))
    return Section(
        id="no_data",
        title="No data",
        status=Status.UNKNOWN,
        blocks=(FindingList(findings=blind[:LISTED], others=max(0, len(blind) - LISTED)),),
        aside="not counted as healthy",
    )


def _budgets(all: Billed, by_key: dict[str, Finding]) -> Section:
    if not all.budgets:
        text = _NO_BUDGET if not all.unread_budgets else "AWS's budgets could not be read, and none is set of your own."
        return Section(id="budgets", title="Budgets", status=Status.OK, blocks=(Prose(text=text),))
    troubles = tuple(
        finding
        for finding in by_key.values()
        if finding.check in (ACTUAL, FORECAST) and finding.status in (Status.CRITICAL, Status.WARNING)
    )
    news = sorted((one for one in troubles if all.known.get(one.key) is not one.status), key=lambda f: -f.status.rank)
    ordered = sorted(all.budgets, key=lambda one: (-(one.foreseen or one.spent), one.name))
    columns = (
        Column(title="Budget"),
        Column(title="Limit", align="right"),
        Column(title="Spent", align="right"),
        Column(title="Even pace", align="right", phone=False),
        Column(title="Foreseen", align="right"),
        Column(title="Ends on", phone=False),
        Column(title="From", phone=False),
    )
    table = Table(columns=columns, rows=tuple(_budget(one) for one in ordered[:LISTED]))
    listed = (FindingList(findings=tuple(news[:LISTED]), others=max(0, len(news) - LISTED)),) if news else ()
    return Section(
        id="budgets",
        title="Budgets",
        status=worst(finding.status for finding in troubles),
        blocks=(*listed, table),
        aside="warning above 80 % spent, critical above 100 % foreseen, unless set otherwise",
    )


def _budget(one: Budgeted) -> Row:
    beyond = one.foreseen is not None and one.foreseen > one.critical
    near = one.spent > one.warning
    return Row(
        cells=(
            Cell(text=clip(clean(one.name), 40)),
            Cell(text=exact(one.limit, one.currency)),
            Cell(text=f"{exact(one.actual, one.currency)}, {one.spent:.0f} %", status=Status.WARNING if near else None),
            Cell(text="" if one.due is None else exact(one.due, one.currency)),
            Cell(
                text="not yet"
                if one.foreseen is None
                else f"{exact(one.forecast or 0.0, one.currency)}, {one.foreseen:.0f} %",
                status=Status.CRITICAL if beyond else None,
            ),
            Cell(text=short(one.exhausted) if one.exhausted else ""),
            Cell(text=one.source),
        ),
        note=f"limited to {clip(clean(one.about), 200)}" if one.about else "",
    )


def _coverage(all: Billed, behind: Background) -> Section:
    if not all.spending:
        return Section(id="coverage", title="Coverage", status=Status.OK, blocks=(Prose(text=_NO_PAYER),))
    pairs = [pair for one in all.spending for pair in _covered(one, standing(one, behind.seconds.get(one.payer.name)))]
    if all.strangers:
        names = clip(", ".join(map(clean, all.strangers)), 120)
        pairs.append(("Settings", f"no effect: [jobs.cost_anomalies.payers] names {names}, which is no payer"))
    pairs.append(("Limits", _LIMITS))
    status = Status.OK if min(one.judged for one in all.spending) else Status.UNKNOWN
    return Section(id="coverage", title="Coverage", status=status, blocks=(Facts(pairs=tuple(pairs)),))


def _covered(one: Spending, second: str) -> list[tuple[str, str]]:
    name, last = clean(one.payer.name), one.last
    if last is None or one.bill is None:
        return [(name, "no bill was ever read")]
    accounts = len({leaf.account for leaf in one.bill.leaves if leaf.account})
    estimated = f"; AWS marks the last {plural(one.estimated, 'day')} as estimated" if one.estimated else ""
    known = f"{plural(one.history, 'day')} of history, {plural(one.mornings, 'morning')} read"
    source = "a Data Export, at no charge" if one.payer.cost_export else _requests(one)
    told = [(name, f"{plural(accounts, 'account')}; data until {short(last)}{estimated}; {known}")]
    told.append((f"{name} asked", source))
    if second:
        told.append((f"{name} at AWS", second))
    told += [
        (f"{name} gap", clip(clean(f"{gap.why}{'; ' + gap.hint if gap.hint else ''}"), 280)) for gap in one.gaps[:2]
    ]
    return told


def _requests(one: Spending) -> str:
    (today, month), (usd, usd_month), most = one.requests, one.usd, one.limits
    return (
        f"{plural(today, 'request')} of Cost Explorer today (${usd:.2f}), {count(month)} this month (${usd_month:.2f}); "
        f"at most {count(most.per_day)} a day and {count(most.per_month)} a month"
    )
