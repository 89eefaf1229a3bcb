"""Findings of the bills: each payer's reading, each account, each anomaly, each budget; what is well too is the coverage."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

from opsbot.checks.spending import telling
from opsbot.checks.spending.background import UNKNOWN, Background
from opsbot.checks.spending.budgets import Budgeted
from opsbot.checks.spending.course import course
from opsbot.checks.spending.life import Life, Stage
from opsbot.checks.spending.names import CHECK, part
from opsbot.checks.spending.reading import Billed, Grave, Spending
from opsbot.checks.spending.words import dated, dollars, exact, percent, short
from opsbot.evaluate.cost import Anomaly
from opsbot.evaluate.cost.bill import USAGE
from opsbot.evaluate.cost.watch import FIRST_WORD
from opsbot.model.environment import Environment
from opsbot.model.finding import Evidence, Finding, Pairs
from opsbot.model.status import Status
from opsbot.model.units import Unit
from opsbot.render.format import brief, clean, clip

AREA, BILL, RUNBOOK = "cost", "bill", "cost-spike"
ACTUAL, FORECAST = "budget-actual", "budget-forecast"
_ALL = "all accounts"


def findings(all: Billed, now: datetime, behind: Background = UNKNOWN) -> tuple[Finding, ...]:
    """Sorted by key. Anomalies that people took responsibility for are INFO, what is open is trouble until it is over.
    With what is known to be `behind` them."""
    found: list[Finding] = []
    for one in all.spending:
        found.append(_reading(one, now))
        found += [_with(behind, of_life(one, life, all.grave, now), all.zone) for life in one.lives]
        found += _quiet(one, now)
    for budget in all.budgets:
        where = _named(all, budget.environment)
        found += [_actual(budget, where, now), _forecast(budget, where, now)]
    found += [_unread(_named(all, name), why, now) for name, why in all.unread_budgets]
    # Two of one name would be one alert: the worse one speaks.
    worst: dict[str, Finding] = {}
    for finding in sorted(found, key=lambda finding: (finding.key, -finding.status.rank)):
        worst.setdefault(finding.key, finding)
    return tuple(worst.values())


def _named(all: Billed, name: str) -> Environment:
    """The environment of that name; one without anything for what belongs to none."""
    known = (one for spending in all.spending for one in spending.accounts.environments)
    return next((one for one in known if one.name == name), Environment(name=name, regions=("global",)))


def of_life(one: Spending, life: Life, grave: Grave, now: datetime) -> Finding:
    anomaly = life.anomaly
    where = one.accounts.environment(anomaly.causes[0].account, anomaly.causes[0].region)
    drawn = course(one.bill, anomaly) if one.bill else None
    plain = _plain(where, CHECK, one.accounts.resource(anomaly), now)
    return replace(
        plain,
        title=f"Cost of {part(anomaly.causes[0])}",
        status=status_of(one, life, grave),
        since=datetime.combine(anomaly.start, time(), UTC) if life.open else None,
        unit=Unit.USD if one.currency == "USD" else Unit.COUNT,
        value=round(anomaly.daily, 2),
        labels=tuple(sorted({**dict(plain.labels), "region": clean(anomaly.causes[0].region)}.items())),
        summary=telling.summary(one, life),
        means=telling.meaning(one, life),
        runbook=RUNBOOK if life.open else None,
        evidence=tuple(_evidence(one, life)),
        series=drawn.series if drawn else None,
    )


def _with(behind: Background, finding: Finding, zone: str) -> Finding:
    """With the change that most likely began it."""
    before = behind.before.get(finding.key)
    likely = next((one for one in before.changes if one.likely), None) if before else None
    if likely is None:
        return finding
    at = brief(likely.at, zone, likely.at + timedelta(days=8))
    return replace(
        finding,
        means=f"{finding.means} Just before: {likely.told}, {at}.".strip(),
        evidence=(*finding.evidence, ("changed_before", clip(likely.told, 200))),
    )


def status_of(one: Spending, life: Life, grave: Grave) -> Status:
    """CRITICAL where it goes on and is large for this payer."""
    if not life.open:
        return Status.INFO
    if not telling.running(one, life):
        return Status.WARNING
    share = 100.0 * life.anomaly.daily / daily_bill(one)
    grown = share >= grave.percent and life.anomaly.daily >= 2 * one.sensitivity.floor_usd
    return Status.CRITICAL if life.anomaly.daily >= grave.usd_a_day or grown else Status.WARNING


def daily_bill(one: Spending) -> float:
    """What a usual day costs, at least a cent."""
    if one.bill is None:
        return 0.01
    days = one.bill.cost[:, -30:].sum(axis=0)
    known = days[days == days]
    return max(float(known.mean()) if len(known) else 0.0, 0.01)


def _evidence(one: Spending, life: Life) -> Iterator[tuple[str, str | int | float | bool | tuple[Pairs, ...]]]:
    anomaly = life.anomaly
    yield "impact_usd", round(anomaly.impact, 2)
    yield "expected_usd", round(anomaly.expected, 2)
    yield "actual_usd", round(anomaly.actual, 2)
    yield "start_day", anomaly.start.isoformat()
    yield "root_causes", tuple(_causes(one, anomaly))
    yield "usd_a_day", round(anomaly.daily, 2)
    yield "last_day", anomaly.last.isoformat()
    yield "state", str(life.stage)
    yield "kind", str(anomaly.kind)
    yield "confidence", round(anomaly.confidence, 2)
    yield "currency", one.currency
    if goes_on := telling.if_it_goes_on(one, life):
        yield "if_it_goes_on", goes_on
    if life.verdict:
        yield "said", f"{life.verdict.meaning} by {clip(clean(life.verdict.who), 40)}, {life.verdict.at:%Y-%m-%d}"
    if life.stage is Stage.OVER:
        yield "recovered", True


def _causes(one: Spending, anomaly: Anomaly) -> Iterator[Pairs]:
    for cause in anomaly.causes:
        yield (
            ("service", clean(cause.service)),
            ("account", clean(cause.account)),
            ("environment", one.accounts.name(cause.account)),
            ("region", clean(cause.region)),
            ("usage_type", clean(cause.usage_type)),
            ("share", round(cause.share, 4)),
            ("impact_usd", round(cause.impact, 2)),
        )


def _reading(one: Spending, now: datetime) -> Finding:
    plain = replace(_plain(one.payer, BILL, _ALL, now), title="Bill")
    if one.bill is None or not one.read:
        return replace(plain, status=Status.UNKNOWN, summary=unread(one), means=_NOT_READ)
    if one.judged:
        return replace(plain, summary=f"read until {short(one.last or one.morning)}")
    if one.history < FIRST_WORD:
        return replace(plain, status=Status.UNKNOWN, summary=too_young(one), means=_YOUNG)
    return replace(plain, status=Status.UNKNOWN, summary=_BEHIND, means="It is judged with tomorrow's bill.")


_NOT_READ = "Nothing is known of what this payer's accounts cost since; anomalies and budgets were not judged."
_YOUNG = "Less is too little to tell a day's cost from chance. Budgets and the month's end are told all the same."
_BEHIND = "yesterday is hardly on the bill yet, so nothing was judged"


def unread(one: Spending) -> str:
    """Why a payer's bill is not today's."""
    told = next((gap for gap in one.gaps), None)
    if told is None:
        return "no bill was read until then" if one.bill is None else f"not read since {short(one.bill.morning)}"
    hint = f"; {told.hint}" if told.hint else ""
    allow = f"; allow {told.action}" if told.action else ""
    return clip(f"the bill could not be read: {clean(told.why)}{allow}{hint}", 280)


def too_young(one: Spending) -> str:
    """What a first run says: how much is known, and from when on anomalies are judged."""
    from_then = f"{FIRST_WORD} days are needed, which is from {dated(one.judges_from)} on"
    return f"{one.history} days of history: anomalies are not judged yet; {from_then}, or earlier as the past is read"


def _quiet(one: Spending, now: datetime) -> Iterator[Finding]:
    """Each account with a bill and without an anomaly: that is what silence stands on."""
    if not one.judged or one.bill is None:
        return
    loud = {life.anomaly.account for life in one.lives}
    accounts = {leaf.account for leaf in one.bill.leaves if leaf.record_type in USAGE}
    for account in sorted(accounts - loud):
        where = one.accounts.environment(account)
        own = "whole account" if one.accounts.known(account) else f"account {clean(account)}"
        yield replace(_plain(where, CHECK, own, now), title="Cost", summary="as its past explains")


def _plain(environment: Environment, check: str, resource: str, now: datetime) -> Finding:
    labels = {"tenant": environment.tenant, "tier": environment.tier, **dict(environment.labels)}
    return Finding(
        check=check,
        environment=environment.name,
        resource=resource,
        status=Status.OK,
        at=now,
        unit=Unit.USD,
        title="Cost",
        area=AREA,
        labels=tuple(sorted((name, value) for name, value in labels.items() if value)),
    )


def _of_budget(one: Budgeted, where: Environment, check: str, title: str, now: datetime) -> Finding:
    evidence: Evidence = (
        ("budget", one.limit), ("actual", round(one.actual, 2)), ("forecast", one.forecast and round(one.forecast, 2)),
        ("currency", one.currency), ("period", one.unit.lower()), ("source", one.source), ("about", one.about or "all"),
    )  # fmt: skip
    return replace(
        _plain(where, check, clip(clean(one.name), 80), now), title=title, unit=Unit.PERCENT, evidence=evidence
    )


def _actual(one: Budgeted, where: Environment, now: datetime) -> Finding:
    over = one.spent > one.warning
    whole, gone = exact(one.limit, one.currency), exact(one.actual, one.currency)
    return replace(
        _of_budget(one, where, ACTUAL, "Budget spent", now),
        status=Status.WARNING if over else Status.OK,
        value=round(one.spent, 1),
        limit=one.warning,
        rule=f"> {one.warning:g} %",
        summary=f"{gone} of {whole} is spent{_lasts(one)}",
        means=_even(one) if over else "",
        runbook=RUNBOOK if over else None,
    )


def _lasts(one: Budgeted) -> str:
    return f", all of it likely by {short(one.exhausted)}" if one.exhausted and one.spent <= 100 else ""


def _even(one: Budgeted) -> str:
    if one.due is None:
        return ""
    behind = one.due - one.actual
    away = f"{dollars(abs(behind), one.currency)} {'more' if behind > 0 else 'less'}"
    return f"At an even pace it would be {dollars(one.due, one.currency)} by now, {away}."


def _forecast(one: Budgeted, where: Environment, now: datetime) -> Finding:
    plain = _of_budget(one, where, FORECAST, "Budget forecast", now)
    if one.foreseen is None or one.forecast is None:
        return replace(plain, summary="no forecast yet in the first days of a period", limit=one.critical)
    over = one.foreseen > one.critical
    beyond = one.forecast - one.limit
    side = "over" if beyond > 0 else "under"
    told = f"{dollars(abs(beyond), one.currency)} {side} {exact(one.limit, one.currency)}"
    return replace(
        plain,
        status=Status.CRITICAL if over else Status.OK,
        value=round(one.foreseen, 1),
        limit=one.critical,
        rule=f"> {one.critical:g} %",
        summary=f"foreseen {exact(one.forecast, one.currency)} by its end, {told}{_chance(one)}",
        means=_even(one) if over else "",
        runbook=RUNBOOK if over else None,
    )


def _chance(one: Budgeted) -> str:
    if one.p_over is None or one.p_over < 0.01:
        return ""
    return f"; over with a probability of {percent(min(one.p_over, 0.99))}"


def _unread(where: Environment, why: str, now: datetime) -> Finding:
    plain = replace(_plain(where, ACTUAL, "AWS Budgets", now), title="Budgets", unit=Unit.PERCENT)
    return replace(plain, status=Status.UNKNOWN, summary=f"cannot be read: {clip(clean(why), 200)}")
