"""What changed in an account just before its bill did: asked of CloudTrail once an anomaly is told, the likeliest first."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta

from opsbot.checks.spending.beginnings import NEAR, Beginning, beginning, fit
from opsbot.checks.spending.life import Life
from opsbot.checks.spending.reading import Spending
from opsbot.checks.spending.words import short
from opsbot.evaluate.costdata.ports import Bills
from opsbot.evaluate.costdata.writes import Write, Writes
from opsbot.job import Context
from opsbot.model.environment import Environment
from opsbot.model.period import Period
from opsbot.model.trail import deploys
from opsbot.render.format import clean, clip, count, plural

BEFORE, AFTER = timedelta(days=1), timedelta(days=1)
"""Around the midnight on which the first day began: a day of the bill is one in UTC, so nobody knows the hour."""
KEPT = timedelta(days=90)
"""CloudTrail forgets then."""
MOST = 5
_REGION = re.compile(r"[a-z]{2}(?:-[a-z]+)+-\d", re.ASCII)
_CREATED = {
    "alb": "load balancer", "ebs-snapshot": "snapshot", "ebs-volume": "volume", "nat-gateway": "NAT gateway",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change, or several alike of which `at` is the first. `what` is in words or as CloudTrail names it, `who` did it.
    `likely`: it is of the service that costs more."""

    at: datetime
    what: str
    who: str = ""
    times: int = 1
    likely: bool = False

    @property
    def told(self) -> str:
        """`CreateNotebookInstance trial-gpu, by ana.keller`."""
        often = f", {count(self.times)} times" if self.times > 1 else ""
        return f"{clean(self.what)}{often}{f', by {clean(self.who)}' if self.who else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """What is known of the day before an anomaly and its first one: the likeliest first. `where` and `window` were asked;
    `note` says what was not read, and why."""

    where: str = ""
    window: Period | None = None
    changes: tuple[Change, ...] = ()
    others: int = 0
    note: str = ""


def before(ctx: Context, bills: Bills, one: Spending, life: Life) -> Before:
    """Raises nothing of AWS: what cannot be read is the note."""
    cause = life.anomaly.causes[0]
    if not one.accounts.known(cause.account):
        return Before(note=f"no environment is account {clip(clean(cause.account), 20)}, so nobody could be asked")
    place = one.accounts.environment(cause.account, cause.region)
    region = _region(cause.region, place)
    window = around(life.anomaly.start, ctx.now)
    if ctx.now - window.start > KEPT:
        return Before(note=f"CloudTrail keeps {KEPT.days} days, and this began on {short(life.anomaly.start)}")
    begun = beginning(cause)
    read = bills.writes(place, region, window, begun.names[0] if begun and begun.names else "")
    changes = ranked(read.writes, begun, life.anomaly.start)
    created = () if any(change.likely for change in changes) else tuple(_created(ctx, place, region, window, begun))
    shown = (*created, *changes)
    return Before(
        where=f"{clean(place.name)}, {clean(region)}",
        window=window,
        changes=shown[:MOST],
        others=max(len(shown) - MOST, 0),
        note=_note(read),
    )


def around(start: date, now: datetime) -> Period:
    """What may have begun an anomaly of that first day."""
    midnight = datetime.combine(start, time(), UTC)
    return Period(start=midnight - BEFORE, end=min(midnight + AFTER, now))


def ranked(writes: Iterable[Write], begun: Beginning | None, start: date) -> tuple[Change, ...]:
    """By how well they fit the cause, then by how near they are to the midnight on which its first day began. Those of one
    name by one person are one."""
    alike: dict[tuple[str, str], list[Write]] = defaultdict(list)
    for one in writes:
        alike[one.name, one.who].append(one)
    midnight = datetime.combine(start, time(), UTC)
    rank = sorted(
        alike.values(),
        key=lambda many: (-fit(many[0], begun), min(abs(one.at - midnight) for one in many), many[0].name),
    )
    return tuple(_change(many, begun) for many in rank)


def _change(many: Sequence[Write], begun: Beginning | None) -> Change:
    first = min(many, key=lambda one: one.at)
    about = clip(clean(first.about), 60) if len({one.about for one in many}) == 1 else ""
    lead = "deployment: " if deploys(first.name) else ""
    return Change(
        at=first.at,
        what=f"{lead}{clip(clean(first.name), 60)} {about}".rstrip(),
        who=clip(clean(first.who), 40),
        times=len(many),
        likely=fit(first, begun) >= NEAR,
    )


def _created(
    ctx: Context, place: Environment, region: str, window: Period, begun: Beginning | None
) -> Iterator[Change]:
    """What stands there since that time, where no event tells of it: it may have been made by a service of AWS."""
    if begun is None or begun.kind not in _CREATED:
        return
    here = replace(place, regions=(region,))
    for found in ctx.looking.cloud.inventory([here], frozenset({begun.kind}), frozenset(), ctx.now):
        for one in found.resources:
            at = one.fact("created") if one.kind == begun.kind else None
            if isinstance(at, int | float) and window.start.timestamp() <= at < window.end.timestamp():
                what = f"new {_CREATED[begun.kind]} {clip(clean(one.name), 60)}"
                yield Change(at=datetime.fromtimestamp(at, UTC), what=what, likely=True)


def _note(read: Writes) -> str:
    if read.why:
        allow = f"; allow {read.action}" if read.action else ""
        return clip(clean(f"CloudTrail could not be read: {read.why}{allow}"), 280)
    if read.cut:
        return f"there were more changes: those before {short(read.cut.date())} {read.cut:%H:%M} UTC were not read"
    return ""


def _region(told: str, place: Environment) -> str:
    """Where the events of a cost lie; what belongs to no region is kept in us-east-1."""
    if _REGION.fullmatch(told):
        return told
    return place.home_region if place.home_region.startswith(("cn-", "us-gov-")) else "us-east-1"


def introduced(one: Before) -> str:
    """The line above the changes: where was looked, and what came."""
    if one.window is None:
        return one.note
    first, last = short(one.window.start.date()), short((one.window.end - timedelta(seconds=1)).date())
    known = len(one.changes) + one.others
    found = f"{plural(known, 'kind')} of change" if known else "no change found" if not one.note else ""
    shown = f", the {count(len(one.changes))} likeliest" if one.others else ", likeliest first" if known > 1 else ""
    when = f"{one.where}, {first} to {last} UTC"
    return "; ".join(part for part in (f"{when}: {found}{shown}" if found else when, one.note) if part)
