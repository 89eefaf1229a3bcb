"""The shipped scenario: what is planted is beyond its limit at any time, everything else well inside its own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np
import pytest

from opsbot.replica import scenario
from opsbot.replica.draft import GLOBAL_REGION
from opsbot.replica.population import dimensions
from opsbot.replica.world import Buckets, Floats, Incident, Place, Resource, SeriesId, World

DAY = 86_400
ANCHORS = (
    datetime(2026, 11, 20, 7, 0, tzinfo=UTC),
    datetime(2026, 11, 22, 3, 47, tzinfo=UTC),
    datetime(2024, 2, 29, 23, 58, tzinfo=UTC),
    datetime(2031, 8, 9, 0, 4, tzinfo=UTC),
)
MARGIN = 0.9


@cache
def shipped(anchor: datetime | None = ANCHORS[0]) -> World:
    return scenario.load(scenario.SHIPPED, anchor=anchor)


def settled_end(world: World, namespace: str, now: datetime) -> int:
    return (int(now.timestamp()) - world.settle(namespace)) // 300 * 300


def owners(world: World) -> dict[tuple[Place, SeriesId], Resource]:
    """Which resource publishes a series."""
    found = {}
    for place, kinds in world.inventory.items():
        for resource in (r for resources in kinds.values() for r in resources):
            own = set(dimensions(resource).items())
            for series in world.signals[place]:
                known = {r.name for r in kinds.get("lambda-account", ())} if not series.dimensions else set()
                if own and own <= set(series.dimensions) and len(series.dimensions) - len(own) <= 1:
                    found.setdefault((place, series), resource)
                elif known and resource.kind == "lambda-account":
                    found[place, series] = resource
    return found


def percentile_95(buckets: Buckets) -> Floats:
    return buckets.mean * np.exp(1.645 * buckets.spread)


def average(buckets: Buckets) -> Floats:
    return buckets.mean


def five_minutes(buckets: Buckets) -> Floats:
    return buckets.count * buckets.mean


# What the shipped checks would say of a series: the limit, which side is bad, and how it is read.
Reading = Callable[[Buckets], Floats]
UPPER: dict[str, tuple[float, Reading]] = {
    "AWS/ECS CPUUtilization": (80, average),
    "AWS/ECS MemoryUtilization": (85, average),
    "ContainerInsights cluster_failed_node_count": (0.1, average),
    "ContainerInsights node_cpu_utilization": (80, average),
    "ContainerInsights node_memory_utilization": (80, average),
    "AWS/Lambda Errors": (0.01, average),
    "AWS/Lambda Throttles": (0.1, five_minutes),
    "AWS/Lambda ConcurrentExecutions": (800, percentile_95),
    "AWS/RDS CPUUtilization": (70, average),
    "AWS/RDS ReadLatency": (0.1, average),
    "AWS/RDS WriteLatency": (0.1, average),
    "AWS/ApplicationELB TargetResponseTime": (0.5, percentile_95),
    "AWS/ApplicationELB UnHealthyHostCount": (0.1, average),
    "AWS/ApplicationELB RequestCount": (5000, five_minutes),
    "AWS/ApiGateway Latency": (500, percentile_95),
    "AWS/ApiGateway Count": (5000, five_minutes),
    "AWS/ApiGateway 5XXError": (5, five_minutes),
    "AWS/ApiGateway 5xx": (5, five_minutes),
    "AWS/ApiGateway 4XXError": (0.05, average),
    "AWS/ApiGateway 4xx": (0.05, average),
    "AWS/S3 4xxErrors": (0.01, average),
    "AWS/S3 5xxErrors": (0.001, average),
    "AWS/CloudFront 4xxErrorRate": (5, average),
    "AWS/CloudFront 5xxErrorRate": (1, average),
    "AWS/ElastiCache DatabaseMemoryUsagePercentage": (80, average),
    "AWS/ElastiCache EngineCPUUtilization": (80, average),
    "AWS/ElastiCache Evictions": (0.1, five_minutes),
    "AWS/DMS CDCLatencySource": (300, average),
    "AWS/DMS CDCLatencyTarget": (300, average),
    "AWS/EC2 StatusCheckFailed": (0.1, average),
    "AWS/EC2 CPUUtilization": (85, average),
    "CWAgent mem_used_percent": (80, average),
    "CWAgent disk_used_percent": (80, average),
    "AWS/SQS ApproximateAgeOfOldestMessage": (60, average),
    "AWS/DynamoDB ReadThrottleEvents": (0.1, five_minutes),
    "AWS/DynamoDB WriteThrottleEvents": (0.1, five_minutes),
    "Platform/Data DataLossEvents": (0.1, five_minutes),
    "Platform/Experience PageLoadTime": (3000, percentile_95),
    "Platform/Experience BounceRate": (60, average),
    "Platform/Experience LCP": (2500, percentile_95),
    "Platform/Experience INP": (200, percentile_95),
    "Platform/Experience CLS": (0.1, percentile_95),
    "Platform/Security AuthenticationFailures": (50, five_minutes),
}
LOWER: dict[str, tuple[float, Reading]] = {
    "AWS/CloudFront CacheHitRate": (80, average),
    "AWS/ElastiCache CacheHitRate": (80, average),
    "AWS/EC2 CPUUtilization": (5, average),
    "Platform/Experience SessionDuration": (60, average),
}
# Bounded above by 100, so that a tenth of the limit is not to be had: half of what is left.
NEAR = {"Platform/Health SystemAvailability": 99.9, "Platform/Quality DataQualityScore": 97.5}
OF_RESOURCE = {
    "AWS/Lambda Duration": ("timeout_ms", 0.9),
    "AWS/RDS DatabaseConnections": ("max_connections", 0.8),
}


def troubled(world: World, resource: Resource, metric: str) -> bool:
    """Whether an incident or a decoy is planted in a series (no tasks silence all of a service's)."""
    planted = world.states.get((resource.account, resource.region, resource.kind, resource.name), ())
    return any(i.metric in (metric, "runningCount") for i in planted)


@pytest.mark.parametrize("anchor", ANCHORS, ids=str)
def test_nothing_else_comes_near_a_limit(anchor: datetime) -> None:
    world = shipped(anchor)
    end = int(anchor.timestamp()) // 300 * 300
    judged = set()
    for (place, series), resource in owners(world).items():
        if troubled(world, resource, series.name):
            continue
        name = f"{series.namespace} {series.name}"
        buckets = world.signals[place][series].buckets(end - 8 * DAY, 8 * 288, 300)
        there = buckets.count > 0
        told = f"{place} {resource.name} {name}"
        if name in UPPER:
            limit, reading = UPPER[name]
            assert (reading(buckets)[there] <= limit * MARGIN).all(), told
        if name in LOWER:
            limit, reading = LOWER[name]
            assert (reading(buckets)[there] >= limit / MARGIN).all(), told
        if name in NEAR:
            assert (buckets.mean[there] >= NEAR[name]).all(), told
        if name in OF_RESOURCE:
            attribute, share = OF_RESOURCE[name]
            limit = resource.number(attribute) * share * MARGIN
            largest = buckets.mean * np.exp(buckets.spread * np.sqrt(2 * np.log(np.maximum(buckets.count, 2))))
            assert (largest[there] <= limit).all(), told
        if name == "AWS/RDS FreeStorageSpace":
            assert (buckets.mean >= resource.number("allocated_bytes") * (1 - 0.9 * MARGIN)).all(), told
        if name == "Platform/Processing ProcessingLatency":
            limit = 300 if ("Mode", "batch") in series.dimensions else 30
            assert (percentile_95(buckets) <= limit * MARGIN).all(), told
        if name == "Platform/Business NewRegistrations":
            assert (buckets.count.reshape(8, 288).sum(axis=1) >= 20).all(), told
        judged.add(name)
    assert set(UPPER) | set(LOWER) | set(NEAR) | set(OF_RESOURCE) <= judged


def ratio(world: World, place: Place, part: SeriesId, whole: str, start: int, n: int) -> Floats:
    signals = world.signals[place]
    total = signals[SeriesId(part.namespace, whole, part.dimensions)].buckets(start, n, 300)
    wrong = signals[part].buckets(start, n, 300)
    assert (wrong.count * wrong.mean <= total.count).all()
    return np.divide(wrong.count * wrong.mean, total.count, out=np.zeros(n), where=total.count > 0)


@pytest.mark.parametrize(
    ("part", "whole", "limit"),
    [("HTTPCode_Target_5XX_Count", "RequestCount", 0.05), ("ErrorPages", "PageViews", 0.02)],
)
def test_ratios_of_two_series_stay_inside_and_never_exceed_the_whole(part: str, whole: str, limit: float) -> None:
    world = shipped()
    for (place, series), resource in owners(world).items():
        if series.name == part and not troubled(world, resource, part):
            start = int(ANCHORS[0].timestamp()) - 8 * DAY
            assert (ratio(world, place, series, whole, start, 8 * 288) <= limit * MARGIN).all(), resource.name


@pytest.mark.parametrize("anchor", ANCHORS, ids=str)
@pytest.mark.parametrize("metric", ["ActiveUsers", "Uploads", "ApiCalls"])
def test_business_keeps_to_the_same_hour_of_the_last_four_weeks(anchor: datetime, metric: str) -> None:
    world = shipped(anchor)
    end = settled_end(world, "Platform/Business", anchor) // 3600 * 3600
    for place, signals in world.signals.items():
        for series in (s for s in signals if s.name == metric):
            hours = [signals[series].buckets(end - week * 7 * DAY - 3600, 1, 3600) for week in range(5)]
            now, *before = (h.count[0] * h.mean[0] for h in hours)
            share = now / np.mean(before)
            broken = ("Customer", "santillana") in series.dimensions and metric == "Uploads"
            assert share < 0.08 if broken else 0.8 < share < 1.25, (place, series, share)


def planted_series(world: World, incident: Incident) -> list[tuple[Place, SeriesId, Resource]]:
    env = next(e for e in world.environments if e.name == incident.environment)
    return [
        (place, series, resource)
        for (place, series), resource in owners(world).items()
        if place[0] == env.account
        and (resource.kind, series.name) == (incident.kind, incident.metric)
        and incident.resource in ("*", resource.name)
    ]


# What the last three settled periods of each incident have to show.
BEYOND: dict[str, Callable[[Buckets, Resource], bool]] = {
    "CPUUtilization": lambda b, _: bool((b.mean > 88).all()),
    "Errors": lambda b, _: bool((b.mean > 0.055).all() and (b.count > 50).all()),
    "Duration": lambda b, r: bool((b.mean > 0.92 * r.number("timeout_ms")).all() and (b.count > 10).all()),
    "DatabaseConnections": lambda b, r: bool((b.mean > 0.88 * r.number("max_connections")).all()),
    "FreeStorageSpace": lambda b, r: bool((b.mean < 0.07 * r.number("allocated_bytes")).all()),
    "HTTPCode_Target_5XX_Count": lambda b, _: bool((b.count > 20).all()),
    "Latency": lambda b, _: bool((b.mean > 2500).all() and (b.count > 20).all()),
    "CacheHitRate": lambda b, _: bool((b.mean < 65).all()),
    "CDCLatencyTarget": lambda b, _: bool((b.mean > 900).all()),
    "disk_used_percent": lambda b, _: bool((b.mean > 89).all()),
    "5xxErrors": lambda b, _: bool((b.mean > 0.004).all() and (b.count > 100).all()),
    "DataQualityScore": lambda b, _: bool((b.mean < 92).all()),
    "MemoryUtilization": lambda b, _: bool((b.count == 0).all()),
    "Uploads": lambda b, _: bool((b.count < 15).all()),
    "ApproximateAgeOfOldestMessage": lambda b, _: bool((b.mean > 1200).all()),
}
FACTS = {"runningCount", "FailedJobs", "LastCrawl", "JobRunState", "NotAfter", "posture"}
WHEN = [*ANCHORS, *(ANCHORS[0] + timedelta(hours=hour, minutes=7) for hour in range(0, 24, 3))]


@pytest.mark.parametrize("anchor", WHEN, ids=str)
def test_every_incident_is_on_at_the_settled_point_whenever_it_is(anchor: datetime) -> None:
    world = shipped(anchor)
    assert {i.metric for i in world.incidents} == set(BEYOND) | FACTS
    for incident in (i for i in world.incidents if i.metric not in FACTS):
        planted = planted_series(world, incident)
        assert planted, incident.story
        for place, series, resource in planted:
            end = settled_end(world, series.namespace, anchor)
            buckets = world.signals[place][series].buckets(end - 900, 3, 300)
            assert BEYOND[incident.metric](buckets, resource), incident.story
    for incident in world.incidents:
        assert incident.window.began(int(anchor.timestamp())) is not None


def test_the_day_before_it_began_shows_nothing_of_it() -> None:
    world = shipped()
    for incident in (i for i in world.incidents if i.metric in BEYOND and i.metric != "Uploads"):
        for place, series, resource in planted_series(world, incident):
            began = incident.window.began(int(ANCHORS[0].timestamp())) or 0
            buckets = world.signals[place][series].buckets(began - 3600, 12, 300)
            assert not BEYOND[incident.metric](buckets, resource), incident.story


def test_without_an_anchor_incidents_are_always_on_but_for_what_is_compared_with_its_past() -> None:
    world = shipped(None)
    for incident in world.incidents:
        on = incident.window.began(1_500_000_000) is not None
        assert on is (incident.metric != "Uploads"), incident.story


def test_decoys_are_there_and_too_small() -> None:
    world = shipped()
    spike, invocations, errors, backup = world.decoys
    start = int(ANCHORS[0].timestamp()) - DAY

    def buckets(decoy: Incident) -> Buckets:
        place, series, _ = planted_series(world, decoy)[0]
        return world.signals[place][series].buckets(start, 288, 300)

    high = buckets(spike).mean > 80
    assert high.sum() == 24
    assert not (high[1:] & high[:-1]).any()
    assert 20 <= buckets(invocations).count.sum() <= 48
    wrong = buckets(errors)
    assert ((wrong.count * wrong.mean)[wrong.count > 0] <= 2).all()
    assert (wrong.count * wrong.mean).sum() >= 12
    assert 67 < buckets(backup).mean.max() < 70


def test_its_size_and_its_places() -> None:
    world = shipped()
    resources = [r for kinds in world.inventory.values() for many in kinds.values() for r in many]
    alarms = sum(len(specs) for specs in world.alarm_specs.values())
    assert 380 <= len(resources) + alarms <= 450
    assert {env.tenant for env in world.environments} == {
        *("dhbw", "edt", "unilux", "gva", "santillana", "educaria", "ufv", "edtufv"),
        *("shopai", "dataplat"),
    }
    for resource in resources:
        assert {"team", "owner", "customer", "env"} <= dict(resource.tags).keys() or resource.kind == "lambda-account"
        assert resource.kind != "cloudfront-distribution" or resource.region == GLOBAL_REGION
    assert len({r.arn for r in resources if r.arn}) == sum(1 for r in resources if r.arn)
    assert len(world.incidents) >= 12
    assert all(incident.expect and incident.story for incident in world.incidents)


def test_the_same_file_makes_the_same_world() -> None:
    one, other = (scenario.load(scenario.SHIPPED, anchor=ANCHORS[0]) for _ in range(2))
    assert one.inventory == other.inventory
    for place, signals in one.signals.items():
        assert list(signals) == list(other.signals[place])
        for series in list(signals)[::9]:
            first, second = (w.signals[place][series].buckets(1_795_176_000, 12, 300) for w in (one, other))
            assert np.array_equal(first.mean, second.mean)
            assert np.array_equal(first.count, second.count)


def test_a_big_world_has_the_size_asked_for() -> None:
    world = scenario.big(3, 50)
    assert len(world.environments) == 3
    for environment in world.environments:
        kinds = world.inventory[environment.account, environment.regions[0]]
        alone = sum(len(many) for kind, many in kinds.items() if kind not in ("alb-target-group", "cwagent-disk"))
        assert alone - 1 == 50  # the Lambda account comes with its functions
