"""One judgement for each kind of waste: plain numbers in, a Saving out, or None where nothing is wasted. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

from opsbot.evaluate.savings.prices import HOURS, Prices
from opsbot.evaluate.savings.saving import Confidence, Left, Saving, Thrift
from opsbot.model.finding import Evidence

GB = 1e9
GIB = 2**30
NOT_LISTED = "no list price is known for {thing} in {region}"
# Below this in a week it is health checks and noise.
SOME_BYTES = 1e6
SOME_REQUESTS = 10
GP3_IOPS = 3000
GP2_IOPS_A_GB, GP2_MOST = 3, 16_000
# What is kept free above the most that was ever used, and the step of a function's size.
SPARE, STEP_MB, LEAST_MB = 1.25, 64, 128
# Names of machines that wait by trade.
WAITING = ("bastion", "jump", "vpn", "nat", "standby", "gateway")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """An EC2 instance over some days: CPU in percent, bytes sent. `days` is for how long it was seen running."""

    name: str
    region: str
    type: str
    platform: str = ""
    spot: bool = False
    forwards: bool = False
    days: float
    mean_cpu: float
    max_cpu: float
    sent_bytes: float | None


def idle_machine(one: Machine, thrift: Thrift, prices: Prices) -> Saving | Left | None:
    """Average CPU below the limit all week, and not short of a day of that week."""
    if one.days < thrift.days - 1:
        return Left(f"seen for less than {thrift.days} days")
    if one.mean_cpu >= thrift.cpu:
        return None
    doubts = tuple(_doubts(one, thrift))
    price = None if one.spot or _licensed(one.platform) else prices.of(one.region, f"{one.type}-hour")
    usd = None if price is None else price * HOURS
    why_not = "a spot instance has no list price" if one.spot else ""
    why_not = f"{one.platform} has no price in this list" if _licensed(one.platform) else why_not
    how = _product(price, "USD/h", HOURS, "h", 1) or why_not or NOT_LISTED.format(thing=one.type, region=one.region)
    said = f"{one.type} idles: CPU {one.mean_cpu:.1f} % on average over {thrift.days} days"
    return Saving(
        summary=f"{said}, {one.max_cpu:.0f} % at most" + (f"; but {' and '.join(doubts)}" if doubts else ""),
        how=f"{how}, if it is stopped; a size smaller saves half",
        confidence=Confidence.LOW if doubts else Confidence.MEDIUM,
        usd_month=usd,
        evidence=(("mean_cpu", round(one.mean_cpu, 2)), ("max_cpu", round(one.max_cpu, 2)), ("doubts", doubts)),
    )


def _doubts(one: Machine, thrift: Thrift) -> list[str]:
    said = []
    if one.max_cpu > thrift.burst:
        said.append(f"it works at times ({one.max_cpu:.0f} % CPU)")
    if one.sent_bytes is not None and one.sent_bytes > thrift.network_gb * GB:
        said.append(f"it sent {one.sent_bytes / GB:.0f} GB, as a proxy or NAT does")
    if one.forwards:
        said.append("it forwards other machines' traffic")
    if word := next((word for word in WAITING if word in one.name.lower()), ""):
        said.append(f'its name says "{word}": such machines wait')
    return said


def _licensed(platform: str) -> bool:
    """Windows, and distributions that are paid for by the hour, cost more than the list here says."""
    return platform not in ("", "Linux/UNIX")


def loose_volume(region: str, kind: str, size_gb: float, prices: Prices) -> Saving:
    """A volume that no instance has."""
    price = prices.of(region, f"ebs-{kind}-gb")
    more = "; its provisioned IOPS cost on top of that" if kind in ("io1", "io2") else ""
    return Saving(
        summary=f"{kind} volume of {size_gb:.0f} GB belongs to no instance",
        how=(_product(price, "USD/GB", size_gb, "GB") or NOT_LISTED.format(thing=kind, region=region)) + more,
        confidence=Confidence.HIGH,
        usd_month=None if price is None else price * size_gb,
        evidence=(("size_gb", size_gb), ("volume_type", kind)),
    )


def old_volume_type(region: str, size_gb: float, prices: Prices) -> Saving | None:
    """gp2 instead of gp3, which does the same for a fifth less; what it does more above 3,000 IOPS is counted."""
    old, new = prices.of(region, "ebs-gp2-gb"), prices.of(region, "ebs-gp3-gb")
    iops_price = prices.of(region, "ebs-gp3-iops")
    more = max(0, min(GP2_MOST, int(size_gb * GP2_IOPS_A_GB)) - GP3_IOPS)
    said = f"gp2 volume of {size_gb:.0f} GB: gp3 does the same for less"
    if old is None or new is None or (more and iops_price is None):
        how = NOT_LISTED.format(thing="gp2 and gp3", region=region)
        return Saving(summary=said, how=how, confidence=Confidence.HIGH, usd_month=None)
    usd = (old - new) * size_gb - more * (iops_price or 0.0)
    if usd <= 0:
        return None
    how = f"({old:g} - {new:g}) USD/GB x {size_gb:.0f} GB" + (f" - {iops_price:g} USD x {more} IOPS" if more else "")
    return Saving(
        summary=said,
        how=f"{how}; 125 MB/s are included, more throughput costs extra",
        confidence=Confidence.HIGH if size_gb < 334 else Confidence.MEDIUM,
        usd_month=usd,
        evidence=(("size_gb", size_gb), ("iops_kept", more + GP3_IOPS)),
    )


def by_the_hour(
    region: str, thing: str, said: str, sure: Confidence, prices: Prices, evidence: Evidence = ()
) -> Saving:
    """Something that is charged by the hour and that nobody uses."""
    price = prices.of(region, f"{thing}-hour")
    return Saving(
        summary=said,
        how=_product(price, "USD/h", HOURS, "h", 1) or NOT_LISTED.format(thing=thing, region=region),
        confidence=sure,
        usd_month=None if price is None else price * HOURS,
        evidence=evidence,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshots:
    """The old snapshots of one volume that is gone; `largest_gb` is what the largest of them holds in full.

    `whole`: that is what AWS told, not the volume's size. `shared`: newer ones of the volume stay.
    """

    volume: str
    region: str
    count: int
    newest_days: float
    largest_gb: float
    whole: bool
    shared: bool


def old_snapshots(one: Snapshots, prices: Prices) -> Saving:
    """Snapshots hold differences, so that all of them cost at least what the largest holds, and rarely their sum."""
    price = prices.of(one.region, "snapshot-gb")
    how = _product(price, "USD/GB", one.largest_gb, "GB") or NOT_LISTED.format(thing="snapshots", region=one.region)
    told = "what the largest holds" if one.whole else "the volume's size: AWS did not tell how much they hold"
    many = f"{one.count} snapshots" if one.count > 1 else "a snapshot"
    return Saving(
        summary=f"{many} of a volume that is gone, {'the newest ' if one.count > 1 else ''}{one.newest_days:.0f} days old",
        how=f"{how}: {told}" + ("; newer ones that stay may hold the same" if one.shared else ""),
        confidence=Confidence.LOW if one.shared or not one.whole else Confidence.MEDIUM,
        usd_month=None if price is None else price * one.largest_gb,
        evidence=(("snapshots", one.count), ("newest_days", round(one.newest_days)), ("gb", one.largest_gb)),
    )


def endless_logs(
    region: str, stored_bytes: float, age_days: float | None, thrift: Thrift, prices: Prices
) -> Saving | None:
    """A log group that keeps everything: what is older than a usual retention, if it came evenly."""
    if not stored_bytes:
        return None
    gb = stored_bytes / GIB
    said = f"log group keeps its {_size(stored_bytes)} for ever"
    price = prices.of(region, "logs-gb")
    if price is None or age_days is None:
        how = NOT_LISTED.format(thing="log storage", region=region) if price is None else "its age is not known"
        return Saving(summary=said, how=how, confidence=Confidence.MEDIUM, usd_month=None)
    old = max(0.0, 1 - thrift.logs_days / age_days) if age_days > 0 else 0.0
    return Saving(
        summary=said,
        how=f"{price:g} USD/GB x {gb:.1f} GB x {old * 100:.0f} % older than {thrift.logs_days} days, if it came evenly",
        confidence=Confidence.MEDIUM,
        usd_month=price * gb * old,
        evidence=(("stored_bytes", stored_bytes), ("age_days", round(age_days))),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A Lambda function over some days: the most memory a call used, in percent, and how long all calls took."""

    region: str
    architecture: str
    memory_mb: float
    used_percent: float
    seconds: float
    days: float


def large_function(one: Function, prices: Prices) -> Saving | None:
    """More memory than the largest call needs and a quarter. Less memory is less CPU too: never sure."""
    need = one.memory_mb * one.used_percent / 100 * SPARE
    enough = max(LEAST_MB, math.ceil(need / STEP_MB) * STEP_MB)
    if enough > one.memory_mb * 0.75:
        return None
    price = prices.of(one.region, f"lambda-{one.architecture}-gb-second")
    month = one.seconds / one.days * HOURS / 24
    spare_gb = (one.memory_mb - enough) / 1024
    how = NOT_LISTED.format(thing="Lambda", region=one.region)
    if price is not None:
        how = f"{price:g} USD/GB-s x {spare_gb:.3g} GB x {month:,.0f} s a month, if calls take no longer"
    return Saving(
        summary=f"{one.memory_mb:.0f} MB for calls that used {one.used_percent:.0f} % at most: {enough} MB would do",
        how=how,
        confidence=Confidence.LOW,
        usd_month=None if price is None else price * spare_gb * month,
        evidence=(("memory_mb", one.memory_mb), ("enough_mb", enough), ("used_percent", round(one.used_percent, 1))),
    )


def _product(price: float | None, per: str, amount: float, unit: str, times: int | None = None) -> str:
    if price is None:
        return ""
    return f"{price:g} {per} x {amount:g} {unit}" + (f" x {times}" if times else "")


def _size(count: float) -> str:
    for unit, scale in (("TB", 2**40), ("GB", 2**30), ("MB", 2**20)):
        if count >= scale:
            return f"{count / scale:.3g} {unit}"
    return f"{count / 1024:.3g} kB"
