"""The week as a whole: everything the report tells, found out once. Composition only; nothing is drawn or told here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from opsbot.checks import observe
from opsbot.checks.savings import savings
from opsbot.checks.weekly.advise import Advice, advice
from opsbot.checks.weekly.available import Available, available
from opsbot.checks.weekly.calendar import Calendar, calendar
from opsbot.checks.weekly.decide import Decision, chosen, decisions
from opsbot.checks.weekly.forecasts import Outlooks, outlooks
from opsbot.checks.weekly.kpi import Kpi
from opsbot.checks.weekly.measured import Measured, measure
from opsbot.checks.weekly.once import once
from opsbot.checks.weekly.places import Place, places
from opsbot.checks.weekly.scores import scores
from opsbot.checks.weekly.services import Service, services
from opsbot.checks.weekly.settings import WeeklySettings
from opsbot.checks.weekly.spent import Spent, spent
from opsbot.checks.weekly.told import Told, told
from opsbot.job import Context
from opsbot.model.environment import Environment
from opsbot.model.finding import Finding
from opsbot.model.period import last
from opsbot.model.run import Usage

_HOURS = 24
_DEAR = ("logs",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Week:
    """`findings` are those of the last day, of every check; `savings` what could be saved. `whole`: it is about every
    environment there is. `usage` is what finding all this out took."""

    now: datetime
    zone: str
    calendar: Calendar
    settings: WeeklySettings
    environments: tuple[Environment, ...]
    whole: bool
    findings: tuple[Finding, ...]
    savings: tuple[Finding, ...]
    measured: Measured
    places: tuple[Place, ...]
    services: tuple[Service, ...]
    spent: Spent
    outlooks: Outlooks
    told: Told
    kpis: tuple[Kpi, ...]
    available: tuple[Available, ...]
    waiting: tuple[Decision, ...]
    advice: tuple[Advice, ...]
    usage: Usage

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """Those that are told."""
        return chosen(self.waiting)


def week(ctx: Context, settings: WeeklySettings) -> Week:
    """What the last seven whole days were, in the environments of the run; with `tenant` set in those of that tenant.

    It asks CloudWatch for a few metrics of twelve weeks and what the morning's check asks, looks for savings, and reads
    the rest from what earlier runs kept. Raises PlanTooDear, StoreError.
    """
    mine = narrowed(ctx, settings.tenant)
    mine = once(mine, savings=_pays(mine))
    days = calendar(mine.now, mine.zone)
    measured = measure(mine, settings, days)
    findings = _observed(mine)
    known = available(mine, measured, days, settings.targets.availability)
    money = spent(mine, days)
    targets = settings.targets
    apis = services(measured, targets.api_seconds, targets.error_rate)
    found = places(mine.environments, findings, known, measured, apis, money, days, targets)
    ahead, heard, saved = outlooks(mine), told(mine, days), _savings(mine)
    waiting = decisions(mine.now, days, findings, ahead.near, money, found, apis, targets)
    return Week(
        now=mine.now, zone=mine.zone, calendar=days, settings=settings, environments=mine.environments,
        whole=_whole(mine), findings=findings, savings=saved, measured=measured, places=found,
        services=apis, spent=money, outlooks=ahead, told=heard,
        kpis=scores(settings, days, measured, known, money, heard, findings), available=tuple(known.values()),
        waiting=waiting, advice=advice(saved, heard.needless, findings, settings.page_usd),
        usage=mine.looking.cloud.usage(),
    )  # fmt: skip


def narrowed(ctx: Context, tenant: str) -> Context:
    """The run as it would be for one tenant alone: its environments, and of the probes only theirs."""
    environments = tuple(one for one in ctx.environments if not tenant or one.tenant == tenant)
    names = {one.name for one in environments}
    probes = tuple(probe for probe in ctx.looking.probes if probe.environment in names)
    everywhere = ctx.looking.everywhere or ctx.environments
    # What is counted in logs is priced by the byte, and the morning's run has paid for it already.
    cheap = {name: tuple(check for check in some if check.kind not in _DEAR) for name, some in ctx.checks.items()}
    return replace(
        ctx,
        environments=environments,
        checks={name: some for name, some in cheap.items() if name in names},
        looking=replace(ctx.looking, probes=probes, everywhere=everywhere),
    )


def _whole(ctx: Context) -> bool:
    return {one.name for one in ctx.environments} >= {one.name for one in ctx.looking.everywhere}


def _observed(ctx: Context) -> tuple[Finding, ...]:
    """Every check over the last day, as the morning's report has it."""
    return observe(replace(ctx, window=last(hours=_HOURS, now=ctx.now)))


def _savings(ctx: Context) -> tuple[Finding, ...]:
    """What could be saved in the environments in question; Cost Explorer is asked nothing for it. Where nobody pays, the
    role was not given what it takes to look."""
    if not ctx.environments or not _pays(ctx):
        return ()
    found = savings(ctx, per_day=0, per_month=0)
    return found if _whole(ctx) else tuple(one for one in found if _theirs(ctx, one))


def _pays(ctx: Context) -> bool:
    return any(one.payer for one in ctx.looking.everywhere)


def _theirs(ctx: Context, one: Finding) -> bool:
    """AWS's advice to a payer is about all its accounts."""
    account = str(dict(one.evidence).get("account", ""))
    mine = {place.account_id for place in ctx.environments}
    names = {place.name for place in ctx.environments}
    shared = {place.account_id for place in ctx.looking.everywhere if place.name not in names}
    return one.environment in names and (not account or (account in mine and account not in shared))


def weekly_findings(found: Week) -> tuple[Finding, ...]:
    """All findings of the run, for alerts, for JSON and for its coverage."""
    return (*found.findings, *found.savings)
