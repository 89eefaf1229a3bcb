"""Runbooks that look: all at once, each with its deadline, and none in the way of another."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from opsbot.aws.inspecting import READS, Hands
from opsbot.errors import CloudError, RunbookError
from opsbot.home import shipped_home
from opsbot.model.finding import Finding
from opsbot.model.runbook import RunState, StepState
from opsbot.model.status import Status
from opsbot.model.units import Unit
from opsbot.replica.faults import FaultRule
from opsbot.replica.server import Running
from opsbot.runbooks import knowing, running
from tests.runbooks.stage import ANA, NOW, ROLL_BACK, Stage, only, read

SHIPPED = {
    "system-down": ("unilux-prod", "ecs-service", "quiz-api"),
    "high-error-rate": ("edt-prod", "lambda-function", "grade-export"),
    "data-quality": ("edt-prod", "lambda-function", "grade-export"),
    "high-latency": ("educaria-prod", "alb", "classroom-web"),
    "cost-spike": ("shopai-prod", "", ""),
    "certificate-expiry": ("gva-prod", "acm-certificate", "sso.gva.example.org"),
    "database-pressure": ("santillana-prod", "rds-instance", "content-db"),
    "storage-full": ("santillana-prod", "rds-instance", "content-db"),
    "high-load": ("dhbw-prod", "ecs-service", "lecture-backend"),
    "job-failed": ("dataplat-prod", "batch-queue", "nightly-aggregates"),
}


def shipped(name: str) -> str:
    return (Path(shipped_home()) / "runbooks" / f"{name}.md").read_text(encoding="utf-8")


def finding(environment: str, kind: str, resource: str) -> Finding:
    labels = tuple(sorted({"kind": kind, "region": "eu-central-1"}.items())) if kind else ()
    return Finding(
        check="x", environment=environment, resource=resource, status=Status.CRITICAL, at=NOW, unit=Unit.COUNT,
        title="X", area="ecs", labels=labels, summary="it is broken",
    )  # fmt: skip


@pytest.mark.parametrize("name", SHIPPED)
def test_each_shipped_runbook_says_something_of_what_its_finding_names(stage: Stage, name: str) -> None:
    place, kind, resource = SHIPPED[name]
    book = read(shipped(name))
    bench = stage.bench(place)
    names = knowing.known(book, bench.environment, bench.region, finding(place, kind, resource), {})
    told = running.run(running.Start(book=book, names=names, actor=ANA), bench, lambda took: None)
    assert [(took.step, took.why) for took in told.took if took.state in (StepState.FAILED, StepState.TIMED_OUT)] == []
    seen = [took.answer for took in told.took if took.answer]
    assert len(seen) >= 4
    # What is planted there shows; the others' trouble is told in figures alone.
    assert any(answer.alarming for answer in seen) or name in ("cost-spike", "high-latency", "high-load", "job-failed")


def test_a_runbook_that_only_looks_plans_nothing(stage: Stage) -> None:
    run = stage.run(ROLL_BACK, "dhbw-prod", resource="quiz-api")
    assert (run.state, run.writes, run.digest) == (RunState.LOOKED, (), "")
    assert (only(run, "back").state, only(run, "back").why) == (StepState.SKIPPED, "not so: running < desired")


def test_steps_run_beside_each_other(stage: Stage, cloud: Running) -> None:
    """Eight steps of which each waits for AWS take about as long as one of them, not as eight."""
    cloud.state.faults.add([FaultRule(fault="slow", service="ecs", operation="DescribeServices", seconds=0.4)])
    names = ("lecture-backend", "notification-hub", "quiz-api", "search-indexer", "transcoder")
    steps = [
        f"{{id: s{n}, uses: ecs.service, with: {{service: {name}, cluster: lecture}}}}" for n, name in enumerate(names)
    ]
    text = "# Many\n\n" + "".join(f"```step\n{step}\n```\n" for step in steps)
    began = time.monotonic()
    run = stage.run(text, "dhbw-prod")
    took = time.monotonic() - began
    assert {one.state for one in run.took} == {StepState.DONE}
    assert sum(one.seconds for one in run.took) > 0.4 * len(names)
    assert sum(one.seconds for one in run.took) > took * 1.5


def test_one_that_fails_and_one_that_hangs_stop_no_other(stage: Stage, cloud: Running) -> None:
    cloud.state.faults.add([
        FaultRule(fault="access_denied", service="cloudtrail"),
        FaultRule(fault="slow", service="cloudformation", seconds=3.0),
    ])  # fmt: skip
    text = (
        "# X\n\n```step\n{id: trail, uses: cloudtrail}\n```\n```step\n{id: stacks, uses: cloudformation, timeout: 1s}\n```\n"
        "```step\n{id: svc, uses: ecs.service, with: {service: quiz-api}}\n```\n"
        "```step\n{id: gone, uses: ecs.service, with: {service: nobody}}\n```\n"
        "```step\n{id: after, uses: logs, with: {group: '/ecs/{{gone.service}}'}}\n```\n"
    )
    heard: list[str] = []
    run = stage.run(text, "dhbw-prod", lambda took: heard.append(took.step))
    told = {took.step: (took.state, took.why) for took in run.took}
    assert told["svc"][0] is StepState.DONE
    assert told["trail"] == (StepState.FAILED, "cloudtrail:LookupEvents is denied")
    assert told["stacks"] == (StepState.TIMED_OUT, "no answer in 1 s")
    assert told["gone"][1].startswith("there is no service nobody in any cluster of")
    assert told["after"] == (StepState.SKIPPED, "it needs what step gone would have said")
    assert sorted(heard) == sorted(told)
    assert running.incomplete(run)


def test_the_same_is_asked_once(stage: Stage, cloud: Running) -> None:
    steps = "".join(f"```step\n{{id: s{n}, uses: cloudtrail, with: {{since: 3h}}}}\n```\n" for n in range(4))
    before = cloud.stats()["calls"].get("cloudtrail:LookupEvents", 0)
    stage.run(f"# X\n\n{steps}", "dhbw-prod")
    assert cloud.stats()["calls"]["cloudtrail:LookupEvents"] == before + 1


def test_a_step_whose_failure_ends_the_runbook(stage: Stage) -> None:
    text = (
        "# X\n\n```step\n{id: gone, uses: ecs.service, with: {service: nobody}, on_failure: abort}\n```\n"
        "```step\n{id: after, uses: logs, with: {group: '/ecs/{{gone.service}}'}}\n```\n"
    )
    run = stage.run(text, "dhbw-prod")
    assert only(run, "after").why == "step gone failed, and the runbook ends there"


def test_what_is_not_listed_is_neither_asked_nor_changed(stage: Stage) -> None:
    place = stage.environment("dhbw-prod")
    with pytest.raises(CloudError, match=r"ecs\.update_service is not among what runbooks may ask"):
        stage.aws.ask(place, "eu-central-1", "ecs", "update_service", cluster="lecture", service="quiz-api")
    with pytest.raises(CloudError, match=r"rds\.delete_db_instance is not among what runbooks may change"):
        Hands().act(place, "eu-central-1", "rds", "delete_db_instance", DBInstanceIdentifier="x")
    reading = ("describe_", "get_", "list_", "lookup_", "start_query", "stop_query")
    assert all(operation.startswith(reading) for operations in READS.values() for operation in operations)


def test_what_a_run_saw_is_kept_as_it_was(stage: Stage) -> None:
    run = stage.run(ROLL_BACK, "unilux-prod", resource="quiz-api")
    assert stage.kept(run) == run
    assert stage.store.journal().runs() == (run,)


def test_a_resource_away_from_home_is_called_by_its_own_name() -> None:
    found = finding("edt-prod", "lambda-function", "grade-export@us-east-1")
    away = Finding(**{**{name: getattr(found, name) for name in found.__slots__}, "labels": (("region", "us-east-1"),)})
    assert knowing.bare(away) == "grade-export"
    assert knowing.bare(found) == "grade-export@us-east-1"
    with pytest.raises(RunbookError):
        read("# X\n\n```step\n{id: a, uses: nothing}\n```\n")
