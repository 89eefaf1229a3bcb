"""The report's last parts: how much was seen, where its figures come from, and what finding them out cost."""

from __future__ import annotations

from collections import Counter

from opsbot.checks.weekly.available import Source
from opsbot.checks.weekly.calendar import WEEKS
from opsbot.checks.weekly.week import Week, weekly_findings
from opsbot.model.finding import Coverage
from opsbot.model.report import Facts, Prose, Section
from opsbot.model.status import Status
from opsbot.model.units import Unit
from opsbot.render.format import clean, clip, count, moment, money, plural, quantity

_MISSING = 6


def coverage(week: Week) -> Section:
    """What was expected, what was judged, and where the rest is missing."""
    found = Coverage.of(tuple(weekly_findings(week)))
    if not found.expected:
        text = "Nothing was expected and nothing was evaluated, so nothing is known."
        return Section(id="coverage", title="Coverage", status=Status.UNKNOWN, blocks=(Prose(text=text),))
    pairs = [
        (
            "Judged",
            f"{count(found.evaluated)} of {plural(found.expected, 'measurement')}, {quantity(100 * found.share, Unit.PERCENT)}",
        ),
    ]
    if found.missing:
        pairs.append(("Missing", f"{_missing(found)}. Missing data is never counted as healthy."))
    pairs += [
        (clip(clean(place), 24), f"weeks not read: {clip(clean(why), 200)}")
        for place, why in sorted(week.measured.gaps.items())[:4]
    ]
    status = Status.UNKNOWN if found.missing or week.measured.gaps else Status.OK
    return Section(id="coverage", title="Coverage", status=status, blocks=(Facts(pairs=tuple(pairs)),))


def _missing(found: Coverage) -> str:
    tally = Counter((clean(one.environment), clean(one.check)) for one in found.missing)
    most = sorted(tally.items(), key=lambda item: (-item[1], item[0]))
    listed = ", ".join(f"{environment} {check} {count(number)}" for (environment, check), number in most[:_MISSING])
    return listed + (f" and {plural(len(most) - _MISSING, 'more group')}" if len(most) > _MISSING else "")


def method(week: Week) -> Section:
    """So that nobody has to take a figure on trust."""
    pairs = (
        (
            "Week",
            f"seven whole days until {moment(week.calendar.this.end, week.zone)}, against the seven before; trends are of {WEEKS} weeks",
        ),
        ("States", "as they stood when this was made, judged over the last 24 hours"),
        ("Availability", _sources(week)),
        (
            "Latency",
            "a week's p95 is the mean of its hours' p95, each hour counted by its requests; nobody keeps the exact one",
        ),
        ("Utilisation", _machines(week)),
        ("Changes", "flat: no larger than this figure usually moves from one week to the next"),
        ("Money", _money(week)),
        ("Not kept", "what security checks found in earlier weeks, and incidents before the first that is known"),
        ("This report", _cost(week)),
    )
    return Section(id="method", title="Method", status=Status.OK, blocks=(Facts(pairs=pairs),))


def _machines(week: Week) -> str:
    number = len(week.measured.of("busy"))
    return f"mean CPU of {plural(number, 'service, instance and database', 'services, instances and databases')}"


def _sources(week: Week) -> str:
    tally = Counter(one.source for one in week.available if one.source)
    told = [f"{plural(tally[source], 'environment')} from {source}" for source in Source if tally[source]]
    absent = len(week.environments) - sum(tally.values())
    told += [f"{count(absent)} not known"] if absent else []
    return ", ".join(told) or "not known of any environment"


def _money(week: Week) -> str:
    spent = week.spent
    if not spent.payers:
        return "no bill is known"
    bills = plural(spent.payers, "bill")
    return f"amortized cost of {bills} as the job cost_anomalies read them; weeks are of use alone, months also of fees and tax"


def _cost(week: Week) -> str:
    usage = week.usage
    calls = sum(number for _, number in usage.calls)
    return f"{plural(calls, 'call')} of AWS and {plural(usage.metrics, 'metric')}: {money(usage.usd)}; Cost Explorer was asked nothing"
