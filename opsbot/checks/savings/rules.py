"""What is looked at for savings: which resources, which series of a week, and which judgement they come to.

All series are asked by the hour, so that a week of one is a seventh of a kilobyte and one metric on the bill.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np

from opsbot.evaluate.savings import Confidence, Left, Prices, Saving, Thrift, waste
from opsbot.model.check import Check, Selector
from opsbot.model.period import epoch
from opsbot.model.resource import Fact, Resource
from opsbot.model.units import Unit
from opsbot.ports import MetricQuery
from opsbot.samples import Values

STEP = 3600
DAY = 86_400.0
AREA = "cost"
Queries = tuple[MetricQuery, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A resource and its hours: `rows[i]` are those of the rule's i-th query, NaN where there was no datum."""

    resource: Resource
    rows: tuple[Values, ...]
    now: datetime
    thrift: Thrift
    prices: Prices

    def text(self, name: str) -> str:
        return str(self.resource.fact(name) or "")

    def number(self, name: str) -> float | None:
        fact = self.resource.fact(name)
        return float(fact) if isinstance(fact, int | float) else None

    @property
    def age_days(self) -> float | None:
        created = self.number("created")
        return None if created is None else (epoch(self.now) - created) / DAY

    @property
    def young(self) -> bool:
        """Too young to have been idle for as long as is looked back."""
        return self.age_days is not None and self.age_days < self.thrift.days


Judge = Callable[[Seen], Saving | Left | None]
Gather = Callable[[Sequence[Resource], datetime, Thrift], Iterable[Resource]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """`asks` are the series of one resource; `gather` puts resources together that are one thing to people."""

    check: Check
    judge: Judge
    asks: Callable[[Resource], Queries] = lambda resource: ()
    gather: Gather = lambda resources, now, thrift: resources


def rule_check(name: str, title: str, means: str, kinds: tuple[str, ...] = ()) -> Check:
    """What the findings of a rule have in common, as every other finding has it from its check."""
    return Check(
        name=name, kind="saving", settings=None, unit=Unit.USD, rules=(), where=Selector(kinds=kinds), title=title,
        area=AREA, means=means,
    )  # fmt: skip


def _query(resource: Resource, namespace: str, name: str, statistic: str) -> MetricQuery:
    return MetricQuery(namespace, name, resource.dimensions, statistic, STEP)


def _total(row: Values) -> float:
    return float(np.nansum(row))


def _ask_machine(one: Resource) -> Queries:
    cpu = (_query(one, "AWS/EC2", "CPUUtilization", statistic) for statistic in ("Average", "Maximum"))
    return (*cpu, _query(one, "AWS/EC2", "NetworkOut", "Sum"))


def _machine(seen: Seen) -> Saving | Left | None:
    mean, most, sent = seen.rows
    if np.isnan(mean).all():
        return Left("no CPU metric came in a week")
    machine = waste.Machine(
        name=seen.resource.name,
        region=seen.resource.region,
        type=seen.text("instance_type"),
        platform=seen.text("platform"),
        spot=seen.text("lifecycle") == "spot",
        forwards=bool(seen.number("forwards")),
        days=float((~np.isnan(mean)).sum()) * STEP / DAY,
        mean_cpu=float(np.nanmean(mean)),
        max_cpu=float(np.nanmax(most)) if not np.isnan(most).all() else 100.0,
        sent_bytes=None if np.isnan(sent).all() else _total(sent),
    )
    return waste.idle_machine(machine, seen.thrift, seen.prices)


def _ask_volume(one: Resource) -> Queries:
    # A volume that an instance has sends this even when nothing is read or written.
    volume = (("VolumeId", str(one.fact("volume") or one.name)),)
    return (MetricQuery("AWS/EBS", "VolumeIdleTime", volume, "Sum", STEP),)


def _loose(seen: Seen) -> Saving | None:
    if seen.young or not np.isnan(seen.rows[0]).all():
        return None
    size = (seen.number("size_bytes") or 0.0) / waste.GIB
    return waste.loose_volume(seen.resource.region, seen.text("volume_type"), size, seen.prices)


def _gp2(seen: Seen) -> Saving | None:
    if seen.text("volume_type") != "gp2":
        return None
    return waste.old_volume_type(seen.resource.region, seen.number("size_gb") or 0.0, seen.prices)


def _address(seen: Seen) -> Saving | None:
    if seen.number("used"):
        return None
    said = "public address is reserved and belongs to nothing"
    return waste.by_the_hour(seen.resource.region, "address", said, Confidence.HIGH, seen.prices)


def _idle(thing: str, noun: str, least: float) -> Judge:
    """Charged by the hour, with less than `least` of what it is for in the whole week."""

    def judge(seen: Seen) -> Saving | None:
        used = _total(seen.rows[0])
        if seen.young or used >= least:
            return None
        said = f"{noun} in {seen.thrift.days} days"
        sure = Confidence.MEDIUM if seen.age_days is None else Confidence.HIGH
        return waste.by_the_hour(seen.resource.region, thing, said, sure, seen.prices, (("used", used),))

    return judge


def _nat(seen: Seen) -> Saving | Left | None:
    # A gateway sends its metrics always: without any it is not known whether it is used.
    if np.isnan(seen.rows[0]).all():
        return None if seen.young else Left("no metric came in a week")
    return _IDLE_NAT(seen)


_IDLE_NAT = _idle("nat", "NAT gateway that sent next to nothing", waste.SOME_BYTES)


def _by_volume(resources: Sequence[Resource], now: datetime, thrift: Thrift) -> Iterable[Resource]:
    """The old snapshots of a volume that is gone, as one thing with the volume's name; all others as they are."""
    gone: dict[tuple[str, str], list[Resource]] = defaultdict(list)
    for one in resources:
        if one.fact("kept_by") is None and one.fact("volume_there") == 0.0:
            gone[one.region, str(one.fact("volume"))].append(one)
        else:
            yield one
    for (_, volume), many in gone.items():
        yield _gathered(volume, many, epoch(now) - thrift.snapshot_days * DAY)


def _gathered(volume: str, many: Sequence[Resource], border: float) -> Resource:
    old = [one for one in many if float(one.fact("created") or border) < border]
    if not old:
        return replace(many[0], name=volume, facts=())
    told = [float(full) for one in old if (full := one.fact("full_gb")) is not None]
    sizes = [float(one.fact("size_gb") or 0.0) for one in old]
    whole = len(told) == len(old)
    facts: dict[str, Fact] = {
        "id": volume,
        "count": float(len(old)),
        "created": max(float(one.fact("created") or 0.0) for one in old),
        "gb": max(told) if whole else max(sizes),
        "whole": float(whole),
        "shared": float(len(old) < len(many)),
    }
    return replace(old[0], name=volume, facts=tuple(sorted(facts.items())))


def _snapshots(seen: Seen) -> Saving | None:
    count = seen.number("count")
    if not count or seen.age_days is None:
        return None
    snapshots = waste.Snapshots(
        volume=seen.resource.name,
        region=seen.resource.region,
        count=int(count),
        newest_days=seen.age_days,
        largest_gb=seen.number("gb") or 0.0,
        whole=bool(seen.number("whole")),
        shared=bool(seen.number("shared")),
    )
    return waste.old_snapshots(snapshots, seen.prices)


def _logs(seen: Seen) -> Saving | None:
    if seen.number("retention_days") is not None:
        return None
    stored = seen.number("stored_bytes") or 0.0
    return waste.endless_logs(seen.resource.region, stored, seen.age_days, seen.thrift, seen.prices)


def _ask_function(one: Resource) -> Queries:
    if not one.fact("insights"):
        return ()
    name = (("function_name", dict(one.dimensions).get("FunctionName", "")),)
    used = MetricQuery("LambdaInsights", "memory_utilization", name, "Maximum", STEP)
    return (used, _query(one, "AWS/Lambda", "Duration", "Sum"))


def _function(seen: Seen) -> Saving | Left | None:
    if not seen.rows:
        return Left("only Lambda Insights tells how much memory a call used, and it is not switched on")
    used, milliseconds = seen.rows
    if np.isnan(used).all():
        return Left("Lambda Insights told no use of memory in a week")
    function = waste.Function(
        region=seen.resource.region,
        architecture=seen.text("architecture") or "x86_64",
        memory_mb=seen.number("memory_mb") or 0.0,
        used_percent=float(np.nanmax(used)),
        seconds=_total(milliseconds) / 1000,
        days=float(seen.thrift.days),
    )
    return waste.large_function(function, seen.prices)


def _ask(namespace: str, name: str) -> Callable[[Resource], Queries]:
    return lambda one: (_query(one, namespace, name, "Sum"),)


RULES: tuple[Rule, ...] = (
    Rule(
        check=rule_check("saving-idle-ec2", "Idle EC2 instance", "It runs and does next to nothing.", ("ec2-instance",)),
        asks=_ask_machine,
        judge=_machine,
    ),
    Rule(
        check=rule_check("saving-loose-volume", "Unattached volume", "Paid for and used by nothing.", ("loose-volume",)),
        asks=_ask_volume,
        judge=_loose,
    ),
    Rule(
        check=rule_check("saving-gp2", "Volume of the old type", "gp3 is a fifth cheaper and changes in place.", ("ebs-volume",)),
        judge=_gp2,
    ),
    Rule(
        check=rule_check("saving-loose-address", "Unused address", "Paid for and used by nothing.", ("elastic-ip",)),
        judge=_address,
    ),
    Rule(
        check=rule_check("saving-idle-balancer", "Idle load balancer", "Nobody calls it.", ("alb",)),
        asks=_ask("AWS/ApplicationELB", "RequestCount"),
        judge=_idle("alb", f"load balancer with fewer than {waste.SOME_REQUESTS} requests", waste.SOME_REQUESTS),
    ),
    Rule(
        check=rule_check("saving-idle-nlb", "Idle network load balancer", "Nobody connects to it.", ("nlb",)),
        asks=_ask("AWS/NetworkELB", "NewFlowCount"),
        judge=_idle("nlb", f"load balancer with fewer than {waste.SOME_REQUESTS} new flows", waste.SOME_REQUESTS),
    ),
    Rule(
        check=rule_check("saving-idle-nat", "Idle NAT gateway", "Nothing leaves through it.", ("nat-gateway",)),
        asks=_ask("AWS/NATGateway", "BytesOutToDestination"),
        judge=_nat,
    ),
    Rule(
        check=rule_check("saving-old-snapshot", "Old snapshots", "Their volume is gone.", ("ebs-snapshot",)),
        gather=_by_volume,
        judge=_snapshots,
    ),
    Rule(
        check=rule_check("saving-log-retention", "Logs kept for ever", "They grow and are never deleted.", ("log-group",)),
        judge=_logs,
    ),
    Rule(
        check=rule_check("saving-lambda-memory", "Lambda memory", "Memory is paid for, used or not.", ("lambda-function",)),
        asks=_ask_function,
        judge=_function,
    ),
)  # fmt: skip
KINDS = frozenset(kind for rule in RULES for kind in rule.check.where.kinds)


def look_back(now: datetime, thrift: Thrift) -> tuple[datetime, datetime]:
    """Whole hours, the last one that is settled."""
    end = now - timedelta(hours=1)
    return end - timedelta(days=thrift.days), end
