"""Logs and what others watch, over HTTP from the embedded AWS: what is planted is found beside what is well, lines add up
to the metrics of the same thing, and what it costs is known before and counted after."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from opsbot import app
from opsbot.aws import Aws
from opsbot.checks.log_reports import reported
from opsbot.errors import PlanTooDear
from opsbot.model.environment import Environment, labels
from opsbot.model.finding import Finding
from opsbot.model.period import Period
from opsbot.model.resource import Resource
from opsbot.model.status import Status
from opsbot.ports import Ask, Estimate, LogAnswer, LogGroup, LogQuery, MetricQuery, quiet
from opsbot.replica import scenario
from opsbot.replica.server import Running, serve
from opsbot.runner import Result, estimate, execute
from opsbot.runner.request import context_of

HERE = Path(__file__).parent
NOW = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
HOUR = Period(start=NOW - timedelta(hours=1), end=NOW)
GRADES = "/aws/lambda/grade-export"
MINE = ("log-", "lambda-memory", "lambda-cold", "stack-", "cloudwatch-", "canary-", "aws-health", "service-quota")
SECURITY = ("log-retention", "log-endless", "log-encryption")


def is_mine(check: str) -> bool:
    return check.startswith(MINE) and check not in SECURITY


@dataclass(frozen=True)
class Stage:
    """A home whose AWS is on loopback."""

    home: Path
    aws: Running

    def run(self) -> tuple[Estimate, Result]:
        """What is said of this file's checks: of the others there are other stories."""
        house = app.load(self.home)
        whole = house.request("daily_health", at=NOW)
        checks = {name: tuple(one for one in some if is_mine(one.name)) for name, some in whole.checks.items()}
        request = replace(whole, checks=checks)
        with app.world(house) as world:
            told = estimate(request, world)
        with app.world(house) as world:
            return told, execute(request, world)

    def fault(self, *rules: dict[str, object]) -> None:
        asked = urllib.request.Request(
            f"{self.aws.url}/_control/faults", data=json.dumps(rules).encode(), method="POST" if rules else "DELETE"
        )
        urllib.request.urlopen(asked).close()


EVERY_LAMBDA = "\n".join(
    f'[[checks]]\nname = "{name}"\nenabled = true' for name in ("lambda-memory", "lambda-cold-starts")
)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    home = tmp_path_factory.mktemp("sources")
    world = scenario.load(HERE / "sources.toml", anchor=NOW)
    (home / "config.toml").write_text(scenario.opsbot_config(world).partition("\n\n")[2] + EVERY_LAMBDA)
    (home / "jobs").mkdir()
    (home / "jobs" / "daily_health.py").write_text((HERE.parents[1] / "jobs" / "daily_health.py").read_text())
    with serve(world, now=lambda: NOW) as running, pytest.MonkeyPatch.context() as patch:
        for name, value in {"AWS_ACCESS_KEY_ID": "demo", "AWS_SECRET_ACCESS_KEY": "demo", "AWS_ENDPOINT_URL": running.url,
                            "AWS_EC2_METADATA_DISABLED": "true"}.items():  # fmt: skip
            patch.setenv(name, value)
        yield Stage(home, running)
        assert running.unknown == []


@pytest.fixture(scope="module")
def morning(stage: Stage) -> tuple[Estimate, Result]:
    return stage.run()


@pytest.fixture(scope="module")
def mine(morning: tuple[Estimate, Result]) -> dict[str, Finding]:
    return {f"{one.check} {one.resource}": one for one in morning[1].findings if one.environment == "learn-prod"}


FOUND = [
    (f"log-errors {GRADES}", Status.WARNING, "ERROR lines in 5 min for 2 h, limit 50; type: KeyError ("),
    ("log-critical /platform/learn/ingest", Status.WARNING, "2 CRITICAL lines in the last 24 h; type: DataLoss (2)"),
    ("log-auth-failures /platform/learn/auth", Status.WARNING, "18 failed logins a minute for 60 min, limit 10; source: 203.0.113.77 ("),
    ("log-validation-failures /platform/learn/ingest", Status.WARNING, "18 rows refused in 5 min for 3 h, limit 10; field: "),
    ("log-slow-queries /aws/rds/instance/learn-db/postgresql", Status.WARNING, "slow queries in 5 min for 3 h, limit 10; statement: CALL rebuild_course_ranking($1) ("),
    ("log-failed-connections /aws/rds/instance/learn-db/postgresql", Status.CRITICAL, "failed connections a minute for 3 h, limit 10; why: too many clients already ("),
    ("stack-failed learn-api", Status.WARNING, "its last change failed for 2 h: UPDATE_ROLLBACK_FAILED: "),
    ("stack-drift learn-network", Status.INFO, "what runs is not what the template says"),
    ("canary-failed login-flow", Status.WARNING, "its last run failed: TimeoutError"),
    ("aws-health-issue AWS_EC2_OPERATIONAL_ISSUE", Status.WARNING, "AWS works on an issue for 3 h: EC2 in eu-central-1"),
    ("service-quota-used Running On-Demand Standard instances", Status.WARNING, "58 of 64 used (91 %), limit 80 %"),
    ("cloudwatch-alarm grade-export-errors", Status.WARNING, "in ALARM for 2 h: Threshold Crossed"),
    ("cloudwatch-alarm-muted pdf-render-errors", Status.INFO, "its actions are switched off"),
]  # fmt: skip


@pytest.mark.parametrize(("key", "status", "told"), FOUND, ids=[key for key, _, _ in FOUND])
def test_what_is_planted_is_found(key: str, status: Status, told: str, mine: dict[str, Finding]) -> None:
    assert mine[key].status is status
    assert told in mine[key].summary


def test_nothing_else_speaks(mine: dict[str, Finding]) -> None:
    loud = {key for key, one in mine.items() if one.status is not Status.OK}
    assert loud == {key for key, _, _ in FOUND}
    assert len(mine) > 60


def test_without_a_support_plan_it_is_said_once(morning: tuple[Estimate, Result]) -> None:
    told = [
        one for one in morning[1].findings if one.check.startswith("aws-health") and one.environment == "basic-test"
    ]
    assert [(one.status, one.summary) for one in told] == [
        (Status.INFO, "AWS Health tells this account nothing: it needs a support plan of Business or better")
    ]


def test_the_bill_is_told_before_and_counted_after(morning: tuple[Estimate, Result]) -> None:
    before, result = morning
    after = result.run.usage
    calls = dict(after.calls)
    # One scan for the words of six groups, one for those of the two databases, one for the functions' reports.
    assert dict(before.calls)["logs:StartQuery"] == 3
    # Besides, whom or what each of the six breaches is about.
    assert calls["logs:StartQuery"] == 3 + 6
    assert before.log_bytes == pytest.approx(10 * 2**30, rel=0.01)
    assert before.usd > 0.05 > before.usd - before.log_bytes * 0.005 / 1e9
    assert after.log_bytes > 1e8
    assert after.usd >= after.log_bytes * 0.005 / 1e9


def environment(name: str = "learn-prod", account: str = "201000000001") -> Environment:
    role = f"arn:aws:iam::{account}:role/opsbot"
    return Environment(name=name, account_id=account, regions=("eu-central-1",), role_arn=role)


def query(text: str, *groups: str, window: Period = HOUR, stored: float | None = None) -> LogQuery:
    found = tuple(LogGroup(name=name, stored_bytes=stored, kept_seconds=None) for name in groups)
    return LogQuery(environment=environment(), region="eu-central-1", window=window, groups=found, text=text)


def asked(asks: Sequence[LogQuery], **more: Any) -> tuple[list[LogAnswer], Aws]:
    with Aws(attempts=2, **more) as aws:
        return list(aws.ask_logs(asks)), aws


def test_error_lines_are_the_errors_metric(stage: Stage) -> None:
    window = Period(start=NOW - timedelta(hours=6), end=NOW - timedelta(minutes=30))
    [answer], _ = asked([query('filter @message like "ERROR" | stats count(*) as n by bin(5m)', GRADES, window=window)])
    metric = MetricQuery("AWS/Lambda", "Errors", labels(FunctionName="grade-export"), "Sum", 300)
    [[reading]] = list(
        aws_read(Ask(environment=environment(), region="eu-central-1", window=window, queries=(metric,)))
    )
    lines = {row["bin(5m)"]: float(row["n"]) for row in answer.rows}
    counted = {
        f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S.000}": round(value)
        for at, value in zip(reading.grid.times.tolist(), reading.grid.values[0].tolist(), strict=True)
        if round(value)
    }
    assert lines == counted
    assert len(lines) > 15


def aws_read(ask: Ask) -> Iterator[tuple[Any, ...]]:
    with Aws(attempts=2) as aws:
        yield from list(aws.read([ask]))


def test_reports_of_functions_are_their_durations(stage: Stage) -> None:
    text = (
        "filter @type = 'REPORT' | stats count(*) as calls, avg(@duration) as mean, max(@duration) as most by bin(1h)"
    )
    window = Period(start=NOW - timedelta(hours=3), end=NOW - timedelta(hours=1))
    [answer], _ = asked([query(text, GRADES, window=window)])
    named = labels(FunctionName="grade-export")
    metrics = [MetricQuery("AWS/Lambda", "Duration", named, one, 3600) for one in ("SampleCount", "Average", "Maximum")]
    [[reading]] = list(
        aws_read(Ask(environment=environment(), region="eu-central-1", window=window, queries=tuple(metrics)))
    )
    for hour, row in enumerate(sorted(answer.rows, key=lambda row: row["bin(1h)"])):
        told = [float(row[name]) for name in ("calls", "mean", "most")]
        assert told == pytest.approx([reading.grid.values[reading.rows[one], hour] for one in metrics], rel=0.002)


def test_a_group_that_is_gone_costs_only_itself(stage: Stage) -> None:
    text = 'filter @message like "ERROR" | stats count(*) as n by @log'
    [answer], _ = asked([query(text, GRADES, "/gone", "/aws/lambda/pdf-render")])
    assert answer.gaps.keys() == {"/gone"}
    assert "does not exist" in answer.gaps["/gone"]
    assert {row["@log"] for row in answer.rows} >= {f"201000000001:{GRADES}"}


def test_a_query_that_is_not_understood_or_not_allowed_says_so(stage: Stage) -> None:
    [answer], _ = asked([query("frobnicate", GRADES)])
    assert "unknown command frobnicate" in answer.gaps[GRADES]
    stage.fault({"service": "logs", "operation": "StartQuery", "fault": "access_denied"})
    try:
        [answer], _ = asked([query("stats count(*)", GRADES)])
    finally:
        stage.fault()
    assert "logs:StartQuery" in answer.gaps[GRADES]


def test_more_than_run_at_once_wait_for_their_turn(stage: Stage) -> None:
    asks = [query(f"filter @message like 'x{place}' | stats count(*)", GRADES) for place in range(45)]
    answers, aws = asked(asks, threads=64)
    assert len(answers) == 45
    assert not any(answer.gaps for answer in answers)
    assert dict(aws.usage().calls)["logs:StartQuery"] == 45


def test_the_dearest_are_left_out_where_money_ends(stage: Stage) -> None:
    cheap, dear = query("stats count(*)", GRADES, stored=1e9), query("stats count(*)", GRADES, stored=900e9)
    answers, aws = asked([dear, cheap], max_usd=1.0)
    told = {answer.query.groups[0].stored_bytes: dict(answer.gaps) for answer in answers}
    assert told[1e9] == {}
    assert told[900e9] == {
        GRADES: "not asked: it would cost about $4.50, and logs may cost $0.50 a run; "
        "raise defaults.max_usd_per_run, or name fewer log groups"
    }
    assert aws.estimate_logs([dear]).usd == pytest.approx(4.5)


def test_one_huge_group_costs_only_itself(stage: Stage) -> None:
    both = replace(
        query('filter @message like "ERROR" | stats count(*) as n by @log', GRADES),
        groups=(LogGroup(name=GRADES, stored_bytes=900e9), LogGroup(name="/aws/lambda/pdf-render", stored_bytes=1e9)),
    )
    [answer], aws = asked([both], max_usd=1.0)
    assert (answer.query, list(answer.gaps)) == (both, [GRADES])
    assert GRADES not in str(answer.rows)
    assert dict(aws.usage().calls)["logs:StartQuery"] == 1


def test_what_turns_out_dearer_than_guessed_is_not_gone_on_with(stage: Stage) -> None:
    asks = [query(f"filter @message like 'x{place}' | stats count(*)", GRADES) for place in range(30)]
    answers, aws = asked(asks, max_usd=1e-5, threads=1)
    stopped = [answer.gaps[GRADES] for answer in answers if answer.gaps]
    assert 0 < len(stopped) < 30
    assert all("cost" in why and "raise defaults.max_usd_per_run" in why for why in stopped)
    assert dict(aws.usage().calls)["logs:StartQuery"] < 30


def test_metrics_have_what_logs_left(stage: Stage) -> None:
    with Aws(attempts=2, max_usd=0.00001) as aws:
        list(aws.ask_logs([query("stats count(*)", GRADES)]))
        metric = MetricQuery("AWS/Lambda", "Errors", labels(FunctionName="grade-export"), "Sum", 300)
        ask = Ask(environment=environment(), region="eu-central-1", window=HOUR, queries=(metric,))
        with pytest.raises(PlanTooDear):
            aws.read([ask])


@pytest.mark.parametrize("kind", ["top-statement", "traced-service"])
def test_what_a_week_is_told_by(kind: str, stage: Stage) -> None:
    with Aws(attempts=2) as aws:
        [inventory] = list(aws.inventory([environment()], frozenset({kind}), frozenset(), NOW))
    assert inventory.gaps == ()
    found = {one.name: one for one in inventory.resources}
    if kind == "top-statement":
        assert sorted(found) == [f"{name}#{place}" for name in ("calm-db", "learn-db") for place in (1, 2, 3)]
        assert fact(found["learn-db#1"], "load") > fact(found["calm-db#1"], "load") > 0
        assert found["learn-db#1"].fact("statement") == "CALL rebuild_course_ranking($1)"
    else:
        assert sorted(found) == ["grade-export", "pdf-render"]
        assert 1 < fact(found["grade-export"], "fault_percent") < 10
        assert fact(found["pdf-render"], "fault_percent") < 0.5
        assert fact(found["pdf-render"], "calls") > 1000 * fact(found["pdf-render"], "seconds") > 0


def fact(resource: Resource, name: str) -> float:
    value = resource.fact(name)
    assert isinstance(value, float)
    return value


def test_an_alarm_of_each_type_is_seen(stage: Stage) -> None:
    with Aws(attempts=2) as aws:
        [inventory] = list(aws.inventory([environment()], frozenset({"cloudwatch-alarm"}), frozenset(), NOW))
    told = {
        one.name: (one.fact("state"), one.fact("rang_24h"), one.fact("actions_enabled")) for one in inventory.resources
    }
    assert told == {
        "any-errors": ("OK", 0.0, 1.0),
        "grade-export-errors": ("ALARM", 1.0, 1.0),
        "pdf-render-errors": ("OK", 0.0, 0.0),
    }


def test_a_canary_list_that_repeats_its_token_ends(stage: Stage) -> None:
    stage.fault({"service": "synthetics", "operation": "DescribeCanaries", "fault": "repeated_token"})
    try:
        with Aws(attempts=2) as aws:
            [inventory] = list(aws.inventory([environment()], frozenset({"synthetics-canary"}), frozenset(), NOW))
    finally:
        stage.fault()
    assert {one.name for one in inventory.resources} == {"login-flow", "start-page"}


def test_a_fault_of_health_that_is_no_missing_plan_is_a_gap(stage: Stage) -> None:
    stage.fault({"service": "health", "operation": "DescribeEvents", "fault": "access_denied"})
    try:
        with Aws(attempts=2) as aws:
            [inventory] = list(aws.inventory([environment()], frozenset({"health-event"}), frozenset(), NOW))
    finally:
        stage.fault()
    assert [gap.action for gap in inventory.gaps] == ["health:DescribeEvents"]


def test_a_query_that_does_not_end_is_stopped(stage: Stage) -> None:
    from concurrent.futures import ThreadPoolExecutor

    from opsbot.aws.logs import Queries
    from opsbot.aws.meter import Meter
    from opsbot.aws.session import Sessions

    meter = Meter()
    pauses: list[float] = []
    sessions = Sessions(threads=1, attempts=2, meter=meter, secrets=str)
    with ThreadPoolExecutor(1) as pool:
        queries = Queries(sessions=sessions, pool=pool, meter=meter, deadline=-1.0, wait=pauses.append)
        [answer] = list(queries.run([query("stats count(*)", GRADES)]))
    assert answer.gaps == {GRADES: "stopped: it did not end in -1 s"}
    assert pauses == []
    assert dict(meter.usage().calls)["logs:StopQuery"] == 1


def test_functions_report_what_their_metrics_say(stage: Stage) -> None:
    house = app.load(stage.home)
    request = house.request("daily_health", at=NOW)
    with app.world(house) as world:
        ctx = context_of(request, world, world.cloud, {}, quiet)
        told = {one.function: one for one in reported(ctx)}
        metrics = tuple(
            MetricQuery("AWS/Lambda", "Duration", labels(FunctionName=name), "SampleCount", 300)
            for name in sorted(told)
        )
        ask = Ask(environment=environment(), region="eu-central-1", window=request.window, queries=metrics)
        [[reading]] = list(world.cloud.read([ask]))
    assert sorted(told) == ["grade-export", "pdf-render"]
    for query_, name in zip(metrics, sorted(told), strict=True):
        one, calls = told[name], reading.grid.values[reading.rows[query_]]
        # The youngest points of the metric are not settled; their lines are there.
        assert one.calls >= sum(value for value in calls.tolist() if value == value) > 0.98 * one.calls
        assert 35 <= one.memory_percent <= 55
        assert 0 < one.cold_percent < 1
        assert 0 < one.billed / one.calls < one.slowest < 30
