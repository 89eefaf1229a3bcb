"""Seasonal checks as stories: four weeks of hours and a day in, one sentence out."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from opsbot.checks.catalogue import load
from opsbot.model.finding import Finding
from opsbot.model.status import Status
from tests.checks.looks import look, resource, ships
from tests.fakes import NOW, WrittenCloud, context

BALANCER = resource("alb")
TRAFFIC = "AWS/ApplicationELB RequestCount"
CACHE = resource("elasticache-node", engine="redis")
HITS = "AWS/ElastiCache CacheHitRate"
HOURS = 29 * 24


def hours(level: float, swing: float, noise: float, changes: dict[int, float] | None = None) -> str:
    """A row of hours that ends now; `changes` sets the value so many hours ago."""
    at = np.arange(HOURS)
    values = (
        level - swing * np.cos(2 * np.pi * (at - HOURS + 7) / 24) + np.random.default_rng(5).normal(0, noise, HOURS)
    )
    for ago, value in (changes or {}).items():
        values[HOURS - ago] = value
    return " ".join(f"{value:.1f}" for value in values)


def traffic(**changes: float) -> Finding:
    written = hours(20_000, 12_000, 500, {int(key.removeprefix("ago_")): value for key, value in changes.items()})
    (found,) = look(ships("alb-traffic"), BALANCER, {TRAFFIC: written})
    return found


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({}, ("ok", ""), id="a day like the others"),
        pytest.param(
            {"ago_4": 64_000},
            ("warning", "requests an hour 64,000: highest in 14 days, 5.6x the usual Friday 03:00 UTC"),
            id="many times the night's traffic",
        ),
        pytest.param(
            {"ago_3": 0},
            ("warning", "requests an hour 0: lowest in 14 days, 100 % under the usual Friday 04:00 UTC"),
            id="nobody comes",
        ),
        pytest.param({"ago_400": 64_000}, ("ok", ""), id="long before the window"),
    ],
)
def test_traffic(changes, expected):
    found = traffic(**changes)
    assert (found.status, found.summary) == expected


def test_what_is_past_is_information():
    found = traffic(ago_18=90_000)
    assert found.status is Status.INFO
    assert found.summary.endswith("18 h ago")


def test_a_finding_carries_what_a_doubter_needs():
    found = traffic(ago_4=64_000)
    evidence = dict(found.evidence)
    assert evidence["metric"] == TRAFFIC
    assert evidence["score"] > evidence["score_limit"] >= 0.5
    assert found.value == 64_000
    assert found.limit is None
    assert found.since == NOW - timedelta(hours=4)
    assert found.series is not None
    assert len(found.series.values) == 24


@pytest.mark.parametrize(("hit_rate", "status"), [(35, Status.INFO), (93, Status.OK)])
def test_a_cache_is_only_told_when_it_serves_less(hit_rate, status):
    (found,) = look(ships("cache-hit-pattern"), CACHE, {HITS: hours(80, 3, 0.7, {3: hit_rate})})
    assert found.status is status


def test_no_data_at_all_is_what_missing_says():
    assert traffic().status is Status.OK
    (found,) = look(ships("cache-hit-pattern"), CACHE, {})
    assert found.status is Status.OK


def test_what_cannot_be_read_says_why():
    (found,) = look(ships("cache-hit-pattern"), CACHE, refused={HITS: "cloudwatch:GetMetricData denied"})
    assert (found.status, found.summary) == (Status.UNKNOWN, "cloudwatch:GetMetricData denied")


def test_one_metric_is_asked_once_for_four_weeks():
    from opsbot.checks import observe
    from tests.fakes import Estate

    cloud = WrittenCloud(estates={"dhbw-prod": Estate(resources=(CACHE,))})
    observe(context(cloud, (ships("cache-hit-pattern"),)))
    (ask,) = cloud.asked
    assert len(ask.queries) == 1
    assert ask.window.end - ask.window.start == timedelta(days=29)


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"history": "2d"}, "history: expected 7d or more, got '2d': a week is the least season"),
        ({"direction": "sideways"}, "direction: expected one of up, down, both, got 'sideways'"),
        (
            {"baseline": "4w"},
            "baseline: expected nothing: the kind seasonal finds the usual by itself and judges the window",
        ),
        ({"alerts_per_month": "many"}, "alerts_per_month: expected a whole number of 0 or more, got 'many'"),
    ],
)
def test_a_wrong_setting_is_told(wrong, problem):
    table = {"name": "test", "kind": "seasonal", "metric": HITS, "period": "1h", "unit": "count", "warning": "> 0.5"}
    _, problems = load([{**table, **wrong}], [])
    assert problem in [f"{one.where.rpartition('.')[2]}: {one.what}" for one in problems]
