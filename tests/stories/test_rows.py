"""Row by row what ships: something planted beyond each promised limit is found by the check that promises it, and the
same kind of thing beside it stays silent. Security, backup, budget and savings rows have stories of their own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from opsbot import app
from opsbot.model.finding import Finding
from opsbot.model.status import Status
from opsbot.replica import scenario
from opsbot.replica.server import serve
from opsbot.replica.signals import Planted, planted
from opsbot.replica.windows import Always
from opsbot.replica.world import SeriesId, World
from opsbot.runner import execute

NOW = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
JOBS = Path(__file__).parents[2] / "jobs"
ENVIRONMENT, PLACE = "rows-prod", ("201000000001", "eu-central-1")
CRITICAL, WARNING, INFO = Status.CRITICAL, Status.WARNING, Status.INFO
SCALE = ("active-users", "uploads", "api-calls")


@dataclass(frozen=True)
class Row:
    """`value` of `metric` is planted on a resource of `kind`; `check` must say `status` of it."""

    check: str
    kind: str
    metric: str
    value: float
    status: Status = WARNING

    @property
    def bad(self) -> str:
        return f"{self.check}-bad"


ROWS = (
    Row("ecs-cpu", "ecs-service", "CPUUtilization", 93),
    Row("ecs-memory", "ecs-service", "MemoryUtilization", 92),
    Row("ecs-tasks", "ecs-service", "runningCount", 0, CRITICAL),
    Row("eks-cpu", "eks-cluster", "node_cpu_utilization", 92, CRITICAL),
    Row("eks-memory", "eks-cluster", "node_memory_utilization", 95, CRITICAL),
    Row("ec2-cpu", "ec2-instance", "CPUUtilization", 95, CRITICAL),
    Row("host-memory", "ec2-instance", "mem_used_percent", 95, CRITICAL),
    Row("lambda-error-rate", "lambda-function", "Errors", 0.07),
    Row("lambda-errors", "lambda-function", "Errors", 0.07),
    Row("lambda-duration", "lambda-function", "Duration", 0.96),
    Row("lambda-throttles", "lambda-function", "Throttles", 0.02),
    Row("rds-cpu", "rds-instance", "CPUUtilization", 85),
    Row("rds-connections", "rds-instance", "DatabaseConnections", 0.92),
    Row("rds-read-latency", "rds-instance", "ReadLatency", 0.16),
    Row("rds-write-latency", "rds-instance", "WriteLatency", 0.16),
    Row("rds-storage", "rds-instance", "FreeStorageSpace", 0.945, CRITICAL),
    Row("s3-4xx", "s3-bucket", "4xxErrors", 0.03),
    Row("s3-5xx", "s3-bucket", "5xxErrors", 0.006, CRITICAL),
    Row("cloudfront-4xx", "cloudfront-distribution", "4xxErrorRate", 8),
    Row("cloudfront-5xx", "cloudfront-distribution", "5xxErrorRate", 2, CRITICAL),
    Row("cloudfront-hit-rate", "cloudfront-distribution", "CacheHitRate", 60),
    Row("cache-hit-rate", "elasticache-node", "CacheHitRate", 61),
    Row("alb-latency", "alb", "TargetResponseTime", 2.7),
    Row("alb-error-rate", "alb", "HTTPCode_Target_5XX_Count", 0.085, CRITICAL),
    Row("alb-requests", "alb", "RequestCount", 7000, INFO),
    Row("api-latency", "api-rest", "Latency", 2700),
    Row("api-error-rate", "api-rest", "5XXError", 0.09, CRITICAL),
    Row("api-5xx", "api-rest", "5XXError", 0.09, CRITICAL),
    Row("api-requests", "api-rest", "Count", 7000, INFO),
    Row("http-api-error-rate", "api-http", "5xx", 0.09, CRITICAL),
    Row("auth-failures", "custom-metric", "AuthenticationFailures", 90),
    Row("processing-batch", "custom-metric", "ProcessingLatency", 900),
    Row("processing-streaming", "custom-metric", "ProcessingLatency", 900),
    Row("dms-lag-source", "dms-task", "CDCLatencySource", 1040, CRITICAL),
    Row("dms-lag-target", "dms-task", "CDCLatencyTarget", 1040, CRITICAL),
    Row("batch-failed-jobs", "batch-queue", "FailedJobs", 0.25),
    Row("batch-failure-rate", "batch-queue", "FailedJobs", 0.25),
    Row("glue-job-failed", "glue-job", "JobRunState", 0.3),
    Row("glue-crawler-failed", "glue-crawler", "LastCrawl", 0),
    Row("sqs-oldest-message", "sqs-queue", "ApproximateAgeOfOldestMessage", 4000),
    Row("data-loss", "custom-metric", "DataLossEvents", 2, CRITICAL),
    Row("data-quality", "custom-metric", "DataQualityScore", 91),
    Row("availability", "custom-metric", "SystemAvailability", 97, CRITICAL),
    Row("active-users", "custom-metric", "ActiveUsers", 0.3),
    Row("uploads", "custom-metric", "Uploads", 0.04),
    Row("api-calls", "custom-metric", "ApiCalls", 0.1, CRITICAL),
    Row("new-registrations", "custom-metric", "NewRegistrations", 0.02, INFO),
    Row("page-load", "custom-metric", "PageLoadTime", 4200),
    Row("session-duration", "custom-metric", "SessionDuration", 30),
    Row("bounce-rate", "custom-metric", "BounceRate", 75),
    Row("error-pages", "custom-metric", "ErrorPages", 0.05),
    Row("web-vitals-lcp", "custom-metric", "LCP", 4000),
    Row("web-vitals-inp", "custom-metric", "INP", 400),
    Row("web-vitals-cls", "custom-metric", "CLS", 0.3),
    Row("certificate-expiry", "acm-certificate", "NotAfter", 8),
)  # fmt: skip
DISK = "disk-used-bad:/data"


def scenario_text() -> str:
    """Each row's own resource, and one that is well of each kind."""
    names: dict[str, list[str]] = {}
    for row in ROWS:
        names.setdefault(row.kind, [f"{row.kind}-well"]).append(row.bad)
    head = ["seed = 5", 'caller_account = "100000000001"', "[[environments]]", f'name = "{ENVIRONMENT}"', 'tenant = "rows"',
            f'account = "{PLACE[0]}"', f'regions = ["{PLACE[1]}"]']  # fmt: skip
    held = [f'[[environments.resources]]\nkind = "{kind}"\nnames = {json.dumps(some)}' for kind, some in names.items()]
    held.append('[[environments.resources]]\nkind = "ec2-instance"\nnames = ["disk-used-bad"]\ndisks = ["/", "/data"]')
    told = [incident(row.kind, row.bad, row.metric, row.value, row.check) for row in ROWS]
    told.append(incident("cwagent-disk", DISK, "disk_used_percent", 91, "disk-used"))
    return "\n".join([*head, *held, *told])


def incident(kind: str, resource: str, metric: str, value: float, check: str) -> str:
    change = "scale" if check in SCALE else "set"
    parts = {"environment": ENVIRONMENT, "kind": kind, "resource": resource, "metric": metric, "value": value, "change": change,
             "from": "-2d" if check == "new-registrations" else "-5h", "story": "planted", "expect": check}  # fmt: skip
    return "[[incidents]]\n" + "\n".join(f"{key} = {json.dumps(told)}" for key, told in parts.items())


def busy(world: World) -> World:
    """The account's own limit belongs to no resource of a scenario."""
    series = SeriesId("AWS/Lambda", "ConcurrentExecutions", ())
    signals = dict(world.signals[PLACE])
    signals[series] = planted(signals[series], Planted(Always(), "set", 930))
    return replace(world, signals={**world.signals, PLACE: signals})


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[tuple[str, str], Finding]]:
    home = tmp_path_factory.mktemp("rows")
    (home / "rows.toml").write_text(scenario_text())
    world = busy(scenario.load(home / "rows.toml", anchor=NOW))
    (home / "config.toml").write_text(scenario.opsbot_config(world))
    (home / "jobs").mkdir()
    (home / "jobs" / "daily_health.py").write_text((JOBS / "daily_health.py").read_text())
    with serve(world, now=lambda: NOW) as running, pytest.MonkeyPatch.context() as patch:
        for name, value in {"AWS_ACCESS_KEY_ID": "demo", "AWS_SECRET_ACCESS_KEY": "demo", "AWS_ENDPOINT_URL": running.url,
                            "AWS_EC2_METADATA_DISABLED": "true"}.items():  # fmt: skip
            patch.setenv(name, value)
        house = app.load(home)
        with app.world(house) as ports:
            found = execute(house.request("daily_health", at=NOW), ports).findings
        assert running.unknown == []
        yield {(one.check, one.resource): one for one in found}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.check)
def test_what_is_planted_is_found_and_what_is_well_stays_silent(
    row: Row, findings: dict[tuple[str, str], Finding]
) -> None:
    mine = {name: one for (check, name), one in findings.items() if check == row.check}
    bad = next(one for name, one in mine.items() if row.bad in name)
    assert (bad.status, bool(bad.rule), bool(bad.summary)) == (row.status, True, True)
    well = [one.status for name, one in mine.items() if f"{row.kind}-well" in name]
    assert well == [Status.OK]


def test_a_disk_and_the_accounts_own_limit(findings: dict[tuple[str, str], Finding]) -> None:
    assert findings["disk-used", DISK].status is CRITICAL
    assert findings["disk-used", "disk-used-bad:/"].status is Status.OK
    assert findings["lambda-concurrency", "account"].status is WARNING
