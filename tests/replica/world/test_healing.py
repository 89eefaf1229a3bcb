"""A remediation heals the embedded AWS from some minutes after it on, what was seen before stays, and taken back it is sick
again: asked through real boto3 clients, on a clock that the test moves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from opsbot.replica import scenario
from opsbot.replica.server import Running, serve
from opsbot.replica.world import SeriesId, World
from tests.replica.world.test_describe import Client, entered

NOW = datetime(2026, 11, 20, 7, 1, tzinfo=UTC)
Call = tuple[str, str, dict[str, Any]]
PLACE = ("210000000001", "eu-central-1")
HEAD = """
seed = 3
caller_account = "100000000001"
[[environments]]
name = "heal-prod"
tenant = "heal"
account = "210000000001"
regions = ["eu-central-1"]
[[environments.resources]]
kind = "ecs-service"
names = ["quiz-api", "busy-api", "leaky-api", "calm-api"]
insights = 1
[[environments.resources]]
kind = "alb"
names = ["quiz-web"]
[[environments.resources]]
kind = "rds-instance"
names = ["quiz-db"]
[[environments.resources]]
kind = "lambda-function"
names = ["export", "render", "resize"]
[[environments.resources]]
kind = "autoscaling-group"
names = ["workers"]
desired = 4
most = 12
watched = 1
[[environments.resources]]
kind = "ec2-instance"
names = ["store-1"]
disks = ["/data"]
[[environments.resources]]
kind = "sqs-queue"
names = ["mail"]
[[alarms]]
environment = "heal-prod"
name = "quiz-5xx"
kind = "alb"
resource = "quiz-web"
metric = "HTTPCode_Target_5XX_Count"
statistic = "Sum"
threshold = 100
missing = "notBreaching"
"""
ROLLBACK = 'by = "ecs.set_task_definition"\non = "quiz-api"'
# Kind, resource, metric, value, and what heals it.
PLANTED = (
    ("ecs-service", "quiz-api", "runningCount", 0, ROLLBACK),
    ("alb", "quiz-web", "HTTPCode_Target_5XX_Count", 0.3, ROLLBACK),
    ("alb", "quiz-web", "TargetResponseTime", 2.5, ROLLBACK),
    ("alb-target-group", "quiz-web-tg", "HealthyHostCount", 1, ROLLBACK),
    ("alb-target-group", "quiz-web-tg", "UnHealthyHostCount", 2, ROLLBACK),
    ("ecs-service", "busy-api", "CPUUtilization", 96, 'by = "ecs.scale"'),
    ("rds-instance", "quiz-db", "DatabaseConnections", 0.95, 'by = "ecs.force_new_deployment"\non = "leaky-api"'),
    ("lambda-function", "export", "Errors", 0.4, 'by = "lambda.set_alias"'),
    ("lambda-function", "export", "Duration", 0.95, 'by = "lambda.set_alias"'),
    ("lambda-function", "render", "Throttles", 0.5, 'by = "lambda.put_concurrency"\nleast = 50'),
    ("autoscaling-group", "workers", "CPUUtilization", 92, 'by = "asg.set_desired"'),
    ("sqs-queue", "mail", "ApproximateAgeOfOldestMessage", 900, 'by = "asg.set_desired"\non = "workers"\nleast = 6\nafter = "9m"'),
    ("cwagent-disk", "store-1:/data", "disk_used_percent", 95, 'by = "ssm.run_command"\ndocument = "Heal-Tidy"'),
    ("ec2-instance", "store-1", "mem_used_percent", 95, 'by = "ssm.start_automation"\ndocument = "Heal-Restart"'),
)  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    tables = (
        f'[[incidents]]\nenvironment = "heal-prod"\nkind = "{kind}"\nresource = "{resource}"\nmetric = "{metric}"\n'
        f'value = {value}\nfrom = "-2h"\nstory = "planted"\nexpect = "a-check"\n[[incidents.heals]]\n{heals}\n'
        for kind, resource, metric, value, heals in PLANTED
    )
    path = tmp_path_factory.mktemp("heal") / "heal.toml"
    path.write_text(HEAD + "".join(tables), encoding="utf-8")
    return scenario.load(path, anchor=NOW)


@dataclass
class Stage:
    """An embedded AWS whose time the test moves."""

    world: World
    running: Running
    client: Client
    now: datetime = NOW

    def ask(self, call: Call) -> Any:
        service, operation, given = call
        if operation == "send_command":
            given = {**given, "InstanceIds": [self.world.resources(*PLACE, "ec2-instance")[0].text("id")]}
        return getattr(self.client(service), operation)(**given)

    def wait(self, minutes: float) -> None:
        self.now += timedelta(minutes=minutes)

    def seen(self, case: Case, minutes: int = 120) -> dict[datetime, float]:
        """The datapoints that can be read now."""
        series = self.series(case.series)
        metric = {
            "Namespace": series.namespace,
            "MetricName": series.name,
            "Dimensions": [{"Name": name, "Value": value} for name, value in series.dimensions],
        }
        query = {"Id": "a", "MetricStat": {"Metric": metric, "Period": 300, "Stat": case.statistic}}
        told = self.client("cloudwatch").get_metric_data(
            MetricDataQueries=[query], StartTime=self.now - timedelta(minutes=minutes), EndTime=self.now
        )["MetricDataResults"][0]
        return dict(sorted(zip(told["Timestamps"], told["Values"], strict=True)))

    def series(self, named: str) -> SeriesId:
        namespace, name, *of = named.split()
        return next(
            series
            for series in self.world.signals[PLACE]
            if (series.namespace, series.name) == (namespace, name)
            and set(of) <= {value for _, value in series.dimensions}
        )


@pytest.fixture
def stage(world: World) -> Iterator[Stage]:
    at: list[Stage] = []
    with serve(world, now=lambda: at[0].now if at else NOW, trail_delay=timedelta(minutes=5)) as running:
        at.append(Stage(world=world, running=running, client=entered(running.url, world.environments[0])))
        yield at[0]
        assert running.unknown == []


ROLL: Call = ("ecs", "update_service", {"cluster": "main", "service": "quiz-api", "taskDefinition": "quiz-api:41"})
FORTH: Call = ("ecs", "update_service", {"cluster": "main", "service": "quiz-api", "taskDefinition": "quiz-api:42"})
CANCEL: Call = ("cloudformation", "cancel_update_stack", {"StackName": "main-services"})


def scaled(tasks: int) -> Call:
    return "ecs", "update_service", {"cluster": "main", "service": "busy-api", "desiredCount": tasks}


def sized(machines: int) -> Call:
    return "autoscaling", "set_desired_capacity", {"AutoScalingGroupName": "workers", "DesiredCapacity": machines}


def alias(version: int) -> Call:
    return "lambda", "update_alias", {"FunctionName": "export", "Name": "live", "FunctionVersion": str(version)}


def reserved(function: str, most: int) -> Call:
    asked = {"FunctionName": function, "ReservedConcurrentExecutions": most}
    return "lambda", "put_function_concurrency", asked


ANEW: Call = ("ecs", "update_service", {"cluster": "main", "service": "leaky-api", "forceNewDeployment": True})
FREE: Call = ("lambda", "delete_function_concurrency", {"FunctionName": "resize"})
TIDY: Call = ("ssm", "send_command", {"DocumentName": "Heal-Tidy"})
RESTART: Call = (
    "ssm",
    "start_automation_execution",
    {"DocumentName": "Heal-Restart", "Parameters": {"Name": ["store-1"]}},
)


@dataclass(frozen=True)
class Case:
    """`sick` tells a datapoint of before from one of after the cure; without an undo it stays cured."""

    series: str
    """Namespace, name, and whose it is where there are several."""
    statistic: str
    sick: Callable[[float], bool]
    cure: Call
    undo: Call | None = None
    after: int = 10
    """Minutes until the cure is through at the latest."""


def above(limit: float) -> Callable[[float], bool]:
    return lambda value: value > limit


def below(limit: float) -> Callable[[float], bool]:
    return lambda value: value < limit


CASES = {
    "tasks": Case("ECS/ContainerInsights RunningTaskCount quiz-api", "Minimum", below(3), ROLL, FORTH),
    "tasks by their stack": Case("ECS/ContainerInsights RunningTaskCount quiz-api", "Minimum", below(3), CANCEL, FORTH),
    "5xx": Case("AWS/ApplicationELB HTTPCode_Target_5XX_Count", "Sum", above(100), ROLL, FORTH),
    "latency": Case("AWS/ApplicationELB TargetResponseTime", "p95", above(1), ROLL, FORTH),
    "healthy hosts": Case("AWS/ApplicationELB HealthyHostCount", "Average", below(2.5), ROLL, FORTH),
    "connections": Case("AWS/RDS DatabaseConnections", "Average", above(1000), ANEW),
    "errors": Case("AWS/Lambda Errors export", "Sum", above(30), alias(6), alias(7)),
    "duration": Case("AWS/Lambda Duration export", "p95", above(20_000), alias(5), alias(7)),
    "throttles": Case("AWS/Lambda Throttles render", "Sum", above(0), reserved("render", 60), reserved("render", 40)),
    "load of a group": Case("AWS/EC2 CPUUtilization workers", "Average", above(80), sized(8), sized(4)),
    "machines": Case("AWS/AutoScaling GroupInServiceInstances", "Average", below(5), sized(5), sized(4)),
    "old messages": Case("AWS/SQS ApproximateAgeOfOldestMessage", "Maximum", above(100), sized(6), sized(5), 15),
    "disk": Case("CWAgent disk_used_percent", "Average", above(90), TIDY),
    "memory": Case("CWAgent mem_used_percent", "Average", above(90), RESTART),
    "load of a service": Case("AWS/ECS CPUUtilization busy-api", "Average", above(80), scaled(6), scaled(3)),
    "tasks told to be more": Case("ECS/ContainerInsights DesiredTaskCount busy-api", "Average", below(5), scaled(5), scaled(3)),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_cure_shows_after_some_minutes_and_leaves_the_past_alone(stage: Stage, case: Case) -> None:
    before = stage.seen(case)
    assert before
    assert all(map(case.sick, before.values()))
    made = stage.now
    stage.ask(case.cure)
    assert stage.seen(case) == before
    stage.wait(case.after + 11)
    cured = stage.seen(case)
    assert cured.items() >= {at: value for at, value in before.items() if at in cured}.items()
    turned = min(at for at, value in cured.items() if not case.sick(value))
    assert made < turned <= made + timedelta(minutes=case.after)
    assert all(case.sick(value) is (at < turned) for at, value in cured.items())
    if case.undo is None:
        return
    stage.ask(case.undo)
    undone = stage.now
    stage.wait(case.after + 11)
    again = stage.seen(case)
    assert again.items() >= {at: value for at, value in cured.items() if at in again}.items()
    returned = min(at for at, value in again.items() if at > turned and case.sick(value))
    assert undone < returned <= undone + timedelta(minutes=case.after)
    assert all(map(case.sick, (value for at, value in again.items() if at >= returned)))


def test_a_service_without_tasks_and_a_function_that_may_not_run_are_silent(stage: Stage) -> None:
    calls = Case("AWS/Lambda Invocations resize", "Sum", above(0), reserved("resize", 0))
    refused = Case("AWS/Lambda Throttles resize", "Sum", above(0), FREE)
    load = Case("AWS/ECS CPUUtilization busy-api", "Average", above(0), scaled(0))
    usual = min(stage.seen(calls).values())
    assert set(stage.seen(refused).values()) == {0}
    stage.ask(calls.cure)
    stage.ask(load.cure)
    stage.wait(30)
    assert stage.seen(calls, 20) == {}
    assert stage.seen(load, 20) == {}
    assert stage.seen(Case("AWS/Lambda Duration resize", "Average", above(0), FREE), 20) == {}
    assert all(value > usual / 2 for value in stage.seen(refused, 20).values())
    stage.ask(FREE)
    stage.ask(scaled(1))
    stage.wait(25)
    assert min(stage.seen(calls, 15).values()) > usual / 2
    assert set(stage.seen(refused, 15).values()) == {0}
    assert stage.seen(load, 15)


def test_everything_that_tells_of_a_service_tells_the_same(stage: Stage) -> None:
    described: Call = ("ecs", "describe_services", {"cluster": "main", "services": ["quiz-api"]})
    ringing: Call = ("cloudwatch", "describe_alarms", {})
    targets = stage.world.resources(*PLACE, "alb-target-group")[0].arn
    health: Call = ("elbv2", "describe_target_health", {"TargetGroupArn": targets})
    stacks: Call = ("cloudformation", "describe_stacks", {"StackName": "main-services"})
    trail: Call = ("cloudtrail", "lookup_events", {})

    def told() -> tuple[object, ...]:
        service = stage.ask(described)["services"][0]
        states = [one["TargetHealth"]["State"] for one in stage.ask(health)["TargetHealthDescriptions"]]
        return (
            service["runningCount"],
            service["deployments"][0]["rolloutState"],
            service["deployments"][0]["failedTasks"] > 0,
            stage.ask(ringing)["MetricAlarms"][0]["StateValue"],
            states.count("healthy"),
            stage.ask(stacks)["Stacks"][0]["StackStatus"],
            lines(stage) > 0,
        )

    sick = (0, "IN_PROGRESS", True, "ALARM", 1, "UPDATE_IN_PROGRESS", True)
    assert told() == sick
    stage.ask(ROLL)
    assert (stage.ask(trail)["Events"][0]["EventName"], stage.ask(trail)["Events"][0]["Username"]) == (
        "UpdateService",
        "ci-deploy",
    )
    stage.wait(3)
    service = stage.ask(described)["services"][0]
    assert (service["runningCount"], service["deployments"][0]["rolloutState"]) == (3, "COMPLETED")
    said = [event["message"].partition(") ")[2] for event in service["events"]]
    assert (said[0], said[-1]) == ("has reached a steady state.", "has started 3 tasks.")
    assert [event["createdAt"] for event in service["events"]] == sorted(
        (event["createdAt"] for event in service["events"]), reverse=True
    )
    stage.wait(22)
    assert told() == (3, "COMPLETED", False, "OK", 3, "UPDATE_COMPLETE", False)
    events = stage.ask(trail)["Events"]
    assert [(one["EventName"], one["Username"]) for one in events[:2]] == [
        ("UpdateService", "opsbot"),
        ("UpdateService", "ci-deploy"),
    ]
    history = stage.ask(("cloudwatch", "describe_alarm_history", {"AlarmName": "quiz-5xx"}))["AlarmHistoryItems"]
    assert [one["HistorySummary"] for one in history] == [
        "Alarm updated from ALARM to OK",
        "Alarm updated from OK to ALARM",
    ]
    stage.ask(FORTH)
    stage.wait(25)
    assert told() == sick


def lines(stage: Stage) -> int:
    """How many lines of trouble the service has written in the last five minutes."""
    asked = {
        "logGroupName": "/ecs/quiz-api",
        "startTime": int(stage.now.timestamp()) - 300,
        "endTime": int(stage.now.timestamp()),
        "queryString": "filter @message like 'rror' | stats count(*) as n",
    }
    logs = stage.client("logs")
    query = logs.start_query(**asked)["queryId"]
    found = [logs.get_query_results(queryId=query) for _ in range(2)][-1]["results"]
    return int(found[0][0]["value"]) if found else 0


def test_documents_that_fail_cure_nothing(stage: Stage) -> None:
    ask = stage.ask
    ask(
        (
            "ssm",
            "start_automation_execution",
            {"DocumentName": "Opsbot-FailsAlways", "Parameters": {"Name": ["store-1"]}},
        )
    )
    ask(("ssm", "send_command", {"DocumentName": "Opsbot-BreaksAlways"}))
    assert stage.running.state.doings.taken == []
