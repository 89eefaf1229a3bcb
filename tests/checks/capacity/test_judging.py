"""What a past comes to: dates with odds, by when to act, how bad that is, and when nothing can be said."""

from __future__ import annotations

import json

import numpy as np
import pytest

from opsbot.checks.capacity.judge import within
from opsbot.evaluate.trend import Outlook, Pace
from opsbot.model.resource import Gap, Resource
from opsbot.model.status import Status
from opsbot.samples import Values
from tests.checks.capacity.looks import (
    GIB,
    Course,
    Written,
    database,
    evidence,
    found,
    free,
    in_days,
    look,
    resource,
    straight,
)

STORAGE, CONNECTIONS = "capacity-rds-storage", "capacity-db-connections"
CALM = straight(120, noise=6)


def of_database(used: Course, **facts: float) -> Written:
    return Written((database(**facts),), {"FreeStorageSpace": free(used), "DatabaseConnections": CALM})


@pytest.mark.parametrize(
    ("used", "status", "says"),
    [
        pytest.param(straight(250, noise=2), Status.OK, "no trend: not expected to reach 500 GiB", id="flat is fine"),
        pytest.param(straight(250, 0.3, noise=2), Status.OK, "not expected", id="half a year away"),
        pytest.param(straight(430, 1.0, noise=1), Status.INFO, "80 % of ways it reaches 500 GiB", id="in ten weeks"),
        pytest.param(straight(449, 2.8, noise=1, days=150), Status.WARNING, "act by 2", id="act within a fortnight"),
        pytest.param(
            straight(485, 3.0, noise=1, days=150), Status.CRITICAL, "act now", id="full before more can be had"
        ),
        pytest.param(straight(500, 1.0), Status.CRITICAL, "at its limit of 500 GiB (allocated storage)", id="full"),
        pytest.param(straight(470, -0.5, noise=1), Status.WARNING, "nearly full", id="nearly full, whatever its past"),
        pytest.param(straight(300, noise=1, days=4), Status.INFO, "5 days of history; needs 8", id="too young"),
    ],
)
def test_how_bad_it_is(used: Course, status: Status, says: str) -> None:
    one = found(look(of_database(used)), STORAGE)
    assert (one.status, says in one.summary) == (status, True), one.summary


def test_the_evidence_is_the_contracts() -> None:
    one = found(look(of_database(straight(430, 1.0, noise=1))), STORAGE)
    told = evidence(one)
    assert one.value == pytest.approx(430 * GIB, rel=0.01)
    assert (one.limit, told["limit"], told["limit_from"]) == (500 * GIB, 500 * GIB, "allocated storage")
    assert in_days(told["breach_day_p10"]) <= in_days(told["breach_day_p50"]) <= in_days(told["breach_day_p90"])
    assert in_days(told["breach_day_p50"]) == pytest.approx(70, abs=8)
    assert in_days(told["act_by"]) == in_days(told["breach_day_p50"]) - 7
    assert told["p_breach_30d"] < 0.05 < 0.8 < told["p_breach_90d"]  # type: ignore[operator]
    assert told["ignored"] == ()
    assert one.key == "prod/capacity-rds-storage/db"


def test_a_clean_up_is_left_out_and_named() -> None:
    line = straight(250, 1.0, noise=1, days=200)

    def cleaned(ago: Values) -> Values:
        return line(ago) + np.where(ago > 80, 90.0, 0.0)

    one = found(look(of_database(cleaned)), STORAGE)
    (said,) = evidence(one)["ignored"]  # type: ignore[misc]
    assert "clean-up on 1 Sep (-" in said
    assert evidence(one)["per_week"] == pytest.approx(7 * GIB, rel=0.15)


@pytest.mark.parametrize(
    ("facts", "limit", "said"),
    [
        pytest.param({}, 500, "allocated storage", id="what is allocated"),
        pytest.param({"max_allocated_bytes": 800 * GIB}, 800, "what storage autoscaling may grow to", id="autoscaling"),
        pytest.param({"max_allocated_bytes": 500 * GIB}, 500, "allocated storage", id="grown to its most"),
    ],
)
def test_storage_may_grow_by_itself(facts: dict[str, float], limit: float, said: str) -> None:
    told = evidence(found(look(of_database(straight(250, 0.3, noise=1), **facts)), STORAGE))
    assert (told["limit"], told["limit_from"]) == (limit * GIB, said)


def test_an_own_limit_and_an_own_lead_time_win() -> None:
    own = [{"where": "prod/d*", "metric": "rds-storage", "limit": "300 GiB"}]
    cloud = of_database(straight(250, 1.0, noise=1, days=200))
    one = found(look(cloud, limits=own, lead_days={"rds-storage": 40}), STORAGE)
    assert (one.limit, evidence(one)["limit_from"], one.status) == (300 * GIB, "your own limit", Status.WARNING)
    assert in_days(evidence(one)["act_by"]) == in_days(evidence(one)["breach_day_p50"]) - 40
    other = found(look(cloud, limits=[{**own[0], "where": "dev/*"}]), STORAGE)
    assert other.limit == 500 * GIB


@pytest.mark.parametrize(
    ("cloud", "check", "status", "says"),
    [
        pytest.param(
            Written((database(),), {"DatabaseConnections": CALM}, refused={"FreeStorageSpace": "denied"}),
            *(STORAGE, Status.UNKNOWN, "denied"),
            id="a metric that may not be read",
        ),
        pytest.param(
            Written((database(),), {"DatabaseConnections": CALM}),
            STORAGE,
            Status.UNKNOWN,
            "no datum in 455 days",
            id="none",
        ),
        pytest.param(
            Written((database(),), {"FreeStorageSpace": lambda ago: np.where(ago < 9, np.nan, 1e11)}),
            *(STORAGE, Status.UNKNOWN, "no datum since 2026-11-11"),
            id="it fell silent",
        ),
        pytest.param(
            Written((database(max_connections=0.0),), {"DatabaseConnections": CALM}),
            *(CONNECTIONS, Status.INFO, "its limit is not known (max_connections of its class)"),
            id="a class nobody knows",
        ),
        pytest.param(
            Written((), gaps=(Gap(region="eu-central-1", kinds=("service-quota",), why="slow", action="a:B"),)),
            *("discovery", Status.UNKNOWN, "service quotas in eu-central-1 not listed: slow; the role lacks a:B"),
            id="a kind that could not be listed",
        ),
        pytest.param(
            Written((), gaps=(Gap(region="eu-central-1", kinds=("loose-volume",), why="slow"),)),
            *("discovery", Status.UNKNOWN, "EBS volumes in eu-central-1 not listed: slow"),
            id="what is only looked at for its price, too",
        ),
    ],
)
def test_what_cannot_be_looked_at_says_why(cloud: Written, check: str, status: Status, says: str) -> None:
    one = found(look(cloud), check)
    assert (one.status, one.summary) == (status, says)


def scaled(id: str, dimension: str, most: float) -> Resource:
    facts = (("dimension", f"x:y:{dimension}"), ("id", id), ("most", most))
    return Resource(kind="scalable-target", name=f"{id}:{dimension}", region="eu-central-1", facts=facts)


SERVICE = resource("ecs-service", "web", cluster="main")
TABLE = resource("dynamodb-throughput", "baskets", read=100.0, write=20.0, table_read=40_000.0, table_write=40_000.0)
ON_DEMAND = resource("dynamodb-throughput", "carts", table_read=40_000.0, table_write=40_000.0)
QUOTA = resource("service-quota", "vCPU", value=64.0, namespace="AWS/Usage", metric="ResourceCount")
LIMITS = [
    pytest.param([SERVICE, scaled("service/main/web", "DesiredCount", 12)], "RunningTaskCount", 9, 12, "ecs-tasks"),
    pytest.param([resource("autoscaling-group", "g", most=8.0)], "GroupInServiceInstances", 4, 8, "asg"),
    pytest.param(
        [resource("lambda-account", "account", concurrency_limit=1e3)],
        "ConcurrentExecutions",
        40,
        1000,
        "lambda-concurrency",
    ),
    pytest.param(
        [resource("rds-cluster", "c", storage_limit_bytes=1e14)], "VolumeBytesUsed", 1e12, 1e14, "aurora-storage"
    ),
    pytest.param([resource("cwagent-disk", "m:/")], "disk_used_percent", 50, 100, "disk"),
    pytest.param([resource("eks-cluster", "k")], "node_memory_utilization", 50, 100, "eks-memory"),
    pytest.param([TABLE], "ConsumedWriteCapacityUnits", 3600 * 5, 20, "dynamodb-write"),
    pytest.param(
        [TABLE, scaled("table/baskets", "ReadCapacityUnits", 300)],
        "ConsumedReadCapacityUnits",
        3600,
        300,
        "dynamodb-read",
    ),
    pytest.param([ON_DEMAND], "ConsumedReadCapacityUnits", 3600, 40_000, "dynamodb-read"),
    pytest.param([QUOTA], "ResourceCount", 20, 64, "quota"),
]


@pytest.mark.parametrize(("resources", "metric", "value", "limit", "source"), LIMITS)
def test_every_limit_is_read_and_not_typed(
    resources: list[Resource], metric: str, value: float, limit: float, source: str
) -> None:
    one = found(look(Written(tuple(resources), {metric: straight(value, noise=value / 99)})), f"capacity-{source}")
    assert (one.limit, one.status) == (limit, Status.OK), one.summary
    share = 3600.0 if source.startswith("dynamodb") else 1.0
    assert one.value == pytest.approx(value / share, rel=0.06)


@pytest.mark.parametrize(
    ("resources", "courses"),
    [
        pytest.param([SERVICE], {"RunningTaskCount": straight(9)}, id="a service that does not scale"),
        pytest.param([QUOTA], {}, id="a quota that nothing uses"),
        pytest.param(
            [resource("lambda-account", "account", concurrency_limit=1e3)], {}, id="an account without functions"
        ),
        pytest.param([ON_DEMAND], {}, id="a table nobody reads"),
        pytest.param([resource("s3-bucket", "b", dimension="BucketName")], {}, id="an empty bucket"),
        pytest.param(
            [resource("service-quota", "rate", value=9.0, namespace="AWS/Usage", metric="CallCount")],
            {"CallCount": straight(8)},
            id="a rate does not fill up",
        ),
        pytest.param(
            [database(engine="aurora-mysql")],
            {"FreeStorageSpace": straight(1e9), "DatabaseConnections": CALM},
            id="an Aurora instance has no volume",
        ),
    ],
)
def test_what_is_not_used_is_not_spoken_of(resources: list[Resource], courses: dict[str, Course]) -> None:
    told = look(Written(tuple(resources), courses), skip=["ecs-memory", "db-connections"])
    assert told.findings == ()


def test_a_maximum_without_container_insights_is_named_as_not_forecast() -> None:
    told = look(Written((SERVICE, scaled("service/main/web", "DesiredCount", 12))), skip=["ecs-memory"])
    one = found(told, "capacity-ecs-tasks")
    assert (one.status, one.summary) == (Status.INFO, "no datum: Container Insights, which publishes it, is off")


def test_what_has_no_limit_is_told_in_money() -> None:
    bucket = resource("s3-bucket", "media", dimension="BucketName")
    courses = {"BucketSizeBytes StandardStorage": straight(40_000 * GIB, 300 * GIB),
               "BucketSizeBytes GlacierStorage": straight(1000 * GIB)}  # fmt: skip
    one = found(look(Written((bucket,), courses)), "capacity-s3")
    assert (one.status, one.limit, one.value) == (Status.INFO, None, pytest.approx(41_000 * GIB))
    assert one.summary == "40 TiB stored; no limit; +2.05 TiB a week, $621 a month more in 90 days"
    told = evidence(one)
    assert [told[name] for name in ("limit", "p_breach_30d", "p_breach_90d", "breach_day_p50")] == [None] * 4
    assert told["more_usd_a_month_in_90d"] == pytest.approx(621, abs=3)


def test_of_the_log_groups_the_largest_are_followed() -> None:
    groups = [resource("log-group", f"g{n}", dimension="LogGroupName", stored_bytes=float(n)) for n in range(9)]
    told = look(Written(tuple(groups), {"IncomingBytes": straight(GIB)}), log_groups=2)
    assert [one.resource for one in told.findings] == ["g7", "g8"]


def test_the_evidence_can_be_written_down() -> None:
    told = look(Written((database(), SERVICE, QUOTA), {"FreeStorageSpace": free(straight(430, 1.0, noise=1)),
                        "DatabaseConnections": CALM, "ResourceCount": straight(70)}))  # fmt: skip
    assert json.loads(json.dumps([dict(one.evidence) for one in told.findings], allow_nan=False))
    assert found(told, "capacity-quota").summary == "70 in use (109 %): over its limit of 64 (the account's quota)"


@pytest.mark.parametrize(
    ("days", "odds"),
    [(0, 0.0), (5, 0.05), (10, 0.1), (20, 0.35), (30, 0.6), (50, 0.7), (90, 0.9), (180, 0.95), (400, 0.95)],
)
def test_odds_of_any_number_of_days_lie_between_those_that_are_known(days: float, odds: float) -> None:
    known = Outlook(limit=1, current=0, p_breach_30d=0.6, p_breach_90d=0.9, p_horizon=0.95, day=None, p10=10, p50=26,
                    p90=90, growth=1, pace=Pace.RISING, horizon=180)  # fmt: skip
    assert within(known, days) == pytest.approx(odds, abs=0.03)
