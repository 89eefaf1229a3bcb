"""What has to be decided this week, by whom and by when: at most five, the most urgent first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from opsbot.checks.spending import telling
from opsbot.checks.spending.names import part
from opsbot.checks.spending.words import dollars, percent, short
from opsbot.checks.weekly.calendar import Calendar
from opsbot.checks.weekly.forecasts import Filling
from opsbot.checks.weekly.places import Place
from opsbot.checks.weekly.services import Service
from opsbot.checks.weekly.settings import Targets
from opsbot.checks.weekly.spent import Spent
from opsbot.model.finding import Finding
from opsbot.model.status import Status
from opsbot.model.units import Unit
from opsbot.render.format import clean, clip, count, plural, quantity
from opsbot.render.grouping import grouped

MOST, OF_FINDINGS = 5, 3
AREA, NOBODY = "weekly", "no owner named"
# Tiers whose troubles come first; one without a tier counts as production.
_FIRST = ("production", "prod", "")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """`finding` is what is told of it: what, by whom; its last words are the day. `broken`: it is about what fails now, which
    the morning's report tells too."""

    by: date
    finding: Finding
    broken: bool = False

    def tells(self, one: Finding) -> bool:
        """Whether this is what has to be decided of that."""
        return self.broken and (one.environment, one.resource, one.title) == (
            self.finding.environment, self.finding.resource, self.finding.title,
        )  # fmt: skip


def decisions(
    now: datetime,
    calendar: Calendar,
    findings: Sequence[Finding],
    near: Sequence[Filling],
    spent: Spent,
    places: Sequence[Place],
    services: Sequence[Service],
    targets: Targets,
) -> tuple[Decision, ...]:
    """Everything that waits for somebody: the first five are told, the rest is counted."""
    today = calendar.end_day
    found = [
        *_of_capacity(now, today, near),
        *_of_money(now, today, spent),
        *_of_budgets(now, today, places, targets),
        *_of_services(now, today, services, targets),
        *_of_findings(today, findings, places),
    ]
    owners = _owners(findings, places)
    return tuple(sorted((_owned(one, owners) for one in found), key=_urgency))


def _urgency(one: Decision) -> tuple[date, int]:
    """Of equals the order in which they were found."""
    return one.by, -one.finding.status.rank


def _owners(findings: Sequence[Finding], places: Sequence[Place]) -> Mapping[str, str]:
    """Who is asked where nobody is named: the environment's own owner, or whoever has most of what is in it."""
    found = {}
    for place in places:
        labels = dict(place.environment.labels)
        tally = Counter(one.owner for one in findings if one.environment == place.name and one.owner)
        most = tally.most_common(1)[0][0] if tally else ""
        found[place.name] = labels.get("owner") or labels.get("team") or most
    return found


def _owned(one: Decision, owners: Mapping[str, str]) -> Decision:
    owner = one.finding.owner or owners.get(one.finding.environment) or NOBODY
    return replace(one, finding=replace(one.finding, owner=owner))


def friday(today: date) -> date:
    return today + timedelta(days=(4 - today.weekday()) % 7)


def _said(what: str, by: date) -> str:
    return f"{what.rstrip('.')}; decide by {_DAYS[by.weekday()]} {short(by)}"


def _of_findings(today: date, findings: Sequence[Finding], places: Sequence[Place]) -> Iterator[Decision]:
    """What is critical now: the worst of each environment before the second of any, production before the rest."""
    tiers = {one.name: one.environment.tier for one in places}
    seen: Counter[str] = Counter()
    ranked = []
    for place, one in enumerate(grouped([finding for finding in findings if finding.status is Status.CRITICAL], 1)):
        ranked.append((seen[one.environment], tiers.get(one.environment) not in _FIRST, place, one))
        seen[one.environment] += 1
    for _, _, _, one in sorted(ranked, key=lambda entry: entry[:3]):
        told = replace(one, check="decision", summary=_said(one.summary, today), series=None)
        yield Decision(by=today, finding=told, broken=True)


def _of_capacity(now: datetime, today: date, near: Sequence[Filling]) -> Iterator[Decision]:
    for one in near:
        if one.status is Status.OK or one.said.p50 is None:
            continue
        by = max(today, one.act_by or today)
        ends = (
            ""
            if one.said.p10 is None or one.said.p90 is None
            else f", between {short(one.said.p10)} and {short(one.said.p90)}"
        )
        what = f"reaches its limit around {short(one.said.p50)}{ends}: {one.source.advice}"
        yield Decision(
            by=by,
            finding=_decision(
                now, one.environment, one.resource, one.status, one.source.title, _said(what, by),
                value=one.said.current, limit=one.said.limit, unit=one.source.unit, means=one.source.means,
                runbook=one.source.runbook,
            ),
        )  # fmt: skip


def _of_money(now: datetime, today: date, spent: Spent) -> Iterator[Decision]:
    by = friday(today)
    paced = spent.paced
    if paced is not None and paced.end is not None and paced.over:
        over = paced.end.p50 - paced.limit
        what = f"the month ends near {dollars(paced.end.p50)}, {dollars(over)} over its {dollars(paced.limit)}: save, or raise it"
        yield Decision(
            by=by,
            finding=_decision(now, "bills", clip(clean(paced.name), 60), Status.WARNING, "Budget", _said(what, by),
                              value=paced.end.p50, limit=paced.limit, unit=Unit.USD),
        )  # fmt: skip
    for one, life in spent.lives:
        if life.open:
            cause = life.anomaly.causes[0]
            where = one.accounts.environment(cause.account, cause.region).name
            goes_on = telling.if_it_goes_on(one, life)
            what = "; if it goes on, ".join(filter(None, (telling.amount_over(one, life), goes_on)))
            yield Decision(
                by=by,
                finding=_decision(
                    now, where, part(cause), Status.WARNING, "Cost anomaly", _said(what, by), runbook="cost-spike"
                ),
            )


def _of_budgets(now: datetime, today: date, places: Sequence[Place], targets: Targets) -> Iterator[Decision]:
    """An error budget that is spent: what is risky waits, or the target is not meant."""
    by = friday(today)
    for one in places:
        left = one.available.left
        if left is not None and left <= 0:
            spent = percent(1 - left)
            target = quantity(targets.availability, Unit.PERCENT)
            what = f"four weeks took {spent} of the error budget that {target} leaves: hold risky changes"
            yield Decision(
                by=by,
                finding=_decision(now, one.name, "availability", Status.WARNING, "Service level", _said(what, by),
                                  value=one.available.course.now, limit=targets.availability, unit=Unit.PERCENT),
            )  # fmt: skip


def _of_services(now: datetime, today: date, services: Sequence[Service], targets: Targets) -> Iterator[Decision]:
    """An API that was not late before, and is: what changed is known to somebody."""
    by = friday(today)
    for one in services:
        if one.late(targets.api_seconds) and one.over[0] > 2 * one.over[1]:
            limit = quantity(targets.api_seconds, Unit.SECONDS)
            hours = f"{plural(one.over[0], 'hour')} above {limit} this week, {count(one.over[1])} the week before"
            what = f"p95 spent {hours}: take back what made it slow, or make it faster"
            yield Decision(
                by=by,
                finding=_decision(now, one.environment, one.name, Status.WARNING, "Response time", _said(what, by),
                                  value=one.p95.now, limit=targets.api_seconds, unit=Unit.SECONDS, runbook="high-latency",
                                  owner=one.owner),
            )  # fmt: skip


def _decision(
    now: datetime,
    environment: str,
    resource: str,
    status: Status,
    title: str,
    summary: str,
    *,
    value: float | None = None,
    limit: float | None = None,
    unit: Unit = Unit.COUNT,
    means: str = "",
    runbook: str | None = None,
    owner: str = "",
) -> Finding:
    return Finding(
        check="decision", environment=environment, resource=resource, status=status, at=now, unit=unit, title=title,
        area=AREA, value=value, limit=limit, summary=summary, means=means, runbook=runbook, owner=owner,
    )  # fmt: skip


def chosen(all_of_them: Sequence[Decision]) -> tuple[Decision, ...]:
    """At most five, and of what is merely broken now at most three: the morning's report tells of that anyway."""
    broken = [one for one in all_of_them if one.broken]
    planned = [one for one in all_of_them if not one.broken]
    room = MOST - min(len(broken), OF_FINDINGS)
    taken = [*broken[: MOST - min(len(planned), room)], *planned[:room]]
    return tuple(sorted(taken, key=_urgency)[:MOST])
