"""observe: who is looked at by what, what is asked, and what is said where nothing could be seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from opsbot.checks import observe
from opsbot.model.check import Check
from opsbot.model.finding import Coverage, Finding
from opsbot.model.resource import Gap, Resource
from opsbot.model.status import Status
from opsbot.ports import CustomMetric
from tests.checks.looks import check, look, resource, ships
from tests.fakes import DAY, Estate, WrittenCloud, context, environment

CPU = "AWS/ECS CPUUtilization"
ECS = resource("ecs-service", "lecture-backend", running=3, desired=3)


def keys(found: Sequence[Finding]) -> list[str]:
    return [one.key for one in found]


def at(name: str, region: str) -> Resource:
    return replace(resource("ecs-service", name, running=1), region=region)


def test_findings_come_sorted_whatever_order_answers_come_in() -> None:
    estates = {name: Estate(resources=(at("b", "eu-west-1"), at("a", "eu-central-1"))) for name in ("y-prod", "x-prod")}
    cloud = WrittenCloud(estates=estates, series={CPU: "50x287", "AWS/ECS MemoryUtilization": "50x287"})
    places = [environment("y-prod", regions=("eu-central-1", "eu-west-1")), environment("x-prod")]
    found = observe(context(cloud, [ships("ecs-memory"), ships("ecs-cpu")], places))
    assert keys(found) == [
        f"{place}/{name}/{one}"
        for place in ("x-prod", "y-prod")
        for name in ("ecs-cpu", "ecs-memory")
        for one in ("a", "b")
    ]


def test_one_ask_for_each_region_and_each_series_once() -> None:
    cloud = WrittenCloud(estates={"dhbw-prod": Estate(resources=(ECS, at("other", "eu-west-1")))})
    twin = replace(ships("ecs-cpu"), name="ecs-cpu-again")
    observe(context(cloud, [ships("ecs-cpu"), twin, ships("ecs-memory")]))
    assert [(ask.region, len(ask.queries), ask.window) for ask in cloud.asked] == [
        ("eu-central-1", 2, DAY),
        ("eu-west-1", 2, DAY),
    ]


def test_a_baseline_is_asked_for_four_weeks_beside() -> None:
    users = resource("metric:Platform/Business/Uploads", "dhbw")
    cloud = WrittenCloud(estates={"dhbw-prod": Estate(resources=(ECS, users))})
    observe(context(cloud, [ships("ecs-cpu"), ships("uploads")]))
    assert [ask.window.length for ask in cloud.asked] == [timedelta(days=1), timedelta(days=29)]
    assert {query.period for query in cloud.asked[1].queries} == {3600}


def test_only_what_the_checks_need_is_looked_up() -> None:
    cloud = WrittenCloud(estates={"dhbw-prod": Estate()})
    assert observe(context(cloud, [ships("ecs-cpu"), ships("data-quality")])) == ()
    listed = CustomMetric(namespace="Platform/Quality", name="DataQualityScore", dimensions=("Customer",))
    assert cloud.wanted == [(frozenset({"ecs-service"}), frozenset({listed}))]


def test_without_checks_nothing_is_asked() -> None:
    cloud = WrittenCloud(estates={})
    assert observe(context(cloud, [])) == ()
    assert (cloud.wanted, cloud.asked) == ([], [])


def test_progress_is_told_up_to_its_end() -> None:
    told: list[tuple[str, int, int]] = []
    cloud = WrittenCloud(estates={"dhbw-prod": Estate(resources=(ECS,))}, series={CPU: "50x287"})
    plain = context(cloud, [ships("ecs-cpu")])
    looking = replace(plain.looking, progress=lambda label, done, total: told.append((label, done, total)))
    observe(replace(plain, looking=looking))
    assert told == [("discovering", 0, 1), ("discovering", 1, 1), ("reading metrics", 0, 1), ("reading metrics", 1, 1)]


@pytest.mark.parametrize(
    ("gap", "key", "summary", "action"),
    [
        pytest.param(
            Gap(region="", kinds=(), why="the role cannot be assumed"),
            "dhbw-prod/credentials/123456789012",
            "the role cannot be assumed",
            None,
            id="the whole account",
        ),
        pytest.param(
            Gap(region="", kinds=(), why="not allowed", action="sts:AssumeRole"),
            "dhbw-prod/credentials/123456789012",
            "not allowed; the role lacks sts:AssumeRole",
            "sts:AssumeRole",
            id="the account, with the action",
        ),
        pytest.param(
            Gap(region="eu-central-1", kinds=("ecs-service",), why="not allowed", action="ecs:ListServices"),
            "dhbw-prod/discovery/ecs-service@eu-central-1",
            "ECS services in eu-central-1 not listed: not allowed; the role lacks ecs:ListServices",
            "ecs:ListServices",
            id="one service",
        ),
        pytest.param(
            Gap(region="eu-central-1", kinds=("ecs-service",), why="ecs:ListServices denied"),
            "dhbw-prod/discovery/ecs-service@eu-central-1",
            "ECS services in eu-central-1 not listed: ecs:ListServices denied",
            "ecs:ListServices",
            id="the action stands in the reason already",
        ),
        pytest.param(
            Gap(region="", kinds=("ecs-service",), why="slow"),
            "dhbw-prod/discovery/ecs-service@eu-central-1",
            "ECS services in eu-central-1 not listed: slow",
            None,
            id="a global service, asked from home",
        ),
        pytest.param(
            Gap(region="us-east-1", kinds=(), why="region not enabled"),
            "dhbw-prod/discovery/everything@us-east-1",
            "nothing could be looked at in us-east-1: region not enabled",
            None,
            id="a whole region",
        ),
    ],
)
def test_what_could_not_be_listed_is_one_finding(gap: Gap, key: str, summary: str, action: str | None) -> None:
    (found,) = look(ships("ecs-cpu"), (), gaps=[gap])
    assert (found.status, found.key, found.summary) == (Status.UNKNOWN, key, summary)
    assert (dict(found.evidence)["why"], dict(found.evidence).get("action")) == (gap.why, action)


def test_a_gap_in_what_no_check_needs_is_not_told() -> None:
    assert look(ships("ecs-cpu"), (), gaps=[Gap(region="eu-central-1", kinds=("dms-task",), why="denied")]) == ()


def test_one_silent_account_does_not_hide_the_others() -> None:
    cloud = WrittenCloud(estates={"a-prod": Estate(resources=(ECS,))}, series={CPU: "93x287"})
    found = observe(context(cloud, [ships("ecs-cpu")], [environment("a-prod"), environment("b-prod")]))
    assert [(one.environment, one.status) for one in found] == [("a-prod", "warning"), ("b-prod", "unknown")]
    assert found[1].summary == "AWS gave no answer for this environment"


def test_a_metric_that_cannot_be_read_says_why() -> None:
    why = "not allowed: cloudwatch:GetMetricData"
    (found,) = look(ships("ecs-cpu"), ECS, refused={CPU: why})
    assert (found.status, found.summary, found.resource) == (Status.UNKNOWN, why, "lecture-backend")
    assert dict(found.evidence)["action"] == "cloudwatch:GetMetricData"


def test_one_input_that_cannot_be_read_is_enough() -> None:
    function = resource("lambda-function", "enrol")
    refused = {"AWS/Lambda Invocations": "throttled for too long"}
    (found,) = look(ships("lambda-error-rate"), function, {"AWS/Lambda Errors": "0x287"}, refused=refused)
    assert (found.status, found.summary) == (Status.UNKNOWN, "throttled for too long")


def test_an_answer_that_never_comes_is_told() -> None:
    estate = Estate(resources=(at("a", "eu-central-1"), at("b", "eu-west-1")))
    cloud = WrittenCloud(estates={"dhbw-prod": estate}, series={CPU: "50x287"}, lost=frozenset({"eu-west-1"}))
    found = observe(context(cloud, [ships("ecs-cpu")]))
    assert [(one.resource, one.status) for one in found] == [("a", "ok"), ("b", "unknown")]
    assert found[1].summary == "AWS gave no answer for its metric"


def test_coverage_is_all_of_them() -> None:
    silent = resource("ecs-service", "silent", running=1)
    found = look(ships("ecs-cpu"), [ECS, silent], {f"{CPU} lecture-backend": "50x287"})
    coverage = Coverage.of(found)
    assert (coverage.expected, coverage.evaluated) == (2, 1)


BY_TAG = """
name = "ecs-cpu"
[overrides."tag:team=batch"]
warning = "> 99 %"
[overrides."tag:noise=*"]
enabled = false
"""


def test_the_more_specific_check_takes_a_resource() -> None:
    plain, batch, noisy = (
        resource("ecs-service", "plain", running=1),
        resource("ecs-service", "batch", running=1, tags={"team": "batch"}),
        resource("ecs-service", "noisy", running=1, tags={"noise": "yes", "team": "batch"}),
    )
    found = look(_variants(BY_TAG), [plain, batch, noisy], {CPU: "93x287"})
    assert [(one.resource, one.status) for one in found] == [("batch", "ok"), ("plain", "warning")]


def _variants(text: str) -> tuple[Check, ...]:
    import tomllib

    from opsbot.checks.catalogue import load

    place = environment()
    catalogue, problems = load([tomllib.loads(text)], [place])
    assert problems == []
    return tuple(one for one in catalogue.for_environment(place) if one.name == "ecs-cpu")


DECLARED = """
where = { service = "ecs", name = ["lecture-backend", "quiz-*", "gone"] }
metric = "AWS/ECS CPUUtilization"
warning = "> 80 %"
"""


def test_what_is_declared_and_not_found_is_told() -> None:
    found = look(check(DECLARED), ECS, {CPU: "50x287"})
    assert [(one.key, one.status) for one in found] == [
        ("dhbw-prod/test/gone", "warning"),
        ("dhbw-prod/test/lecture-backend", "ok"),
    ]
    assert found[0].summary == "declared and not found among the ECS services"


def test_what_was_declared_is_not_missed_where_nothing_could_be_listed() -> None:
    gap = Gap(region="eu-central-1", kinds=("ecs-service",), why="denied")
    assert keys(look(check(DECLARED), (), gaps=[gap])) == ["dhbw-prod/discovery/ecs-service@eu-central-1"]
    account = Gap(region="", kinds=(), why="denied")
    assert keys(look(check(DECLARED), (), gaps=[account])) == ["dhbw-prod/credentials/123456789012"]


def test_fewer_than_expected() -> None:
    text = 'where = { service = "ecs" }\nexpect = 2\nmetric = "AWS/ECS CPUUtilization"\nwarning = "> 80 %"'
    found = look(check(text), ECS, {CPU: "50x287"})
    assert [(one.resource, one.summary) for one in found] == [
        ("ecs-service", "1 of at least 2 ECS services found"),
        ("lecture-backend", ""),
    ]
    assert keys(look(check(text), [ECS, resource("ecs-service", "two")], {CPU: "50x287"})) == [
        "dhbw-prod/test/lecture-backend",
        "dhbw-prod/test/two",
    ]


@pytest.mark.parametrize(
    ("tags", "owner"),
    [({"Owner": "ann", "team": "b"}, "ann"), ({"Team": "backend"}, "backend"), ({"env": "x"}, ""), ({}, "")],
)
def test_whose_it_is(tags: dict[str, str], owner: str) -> None:
    (found,) = look(ships("ecs-cpu"), resource("ecs-service", running=1, tags=tags), {CPU: "50x287"})
    assert found.owner == owner


def test_hostile_names_go_through_unchanged() -> None:
    name = "<!channel> & $x_{ ع " + "ض" * 500
    (found,) = look(ships("ecs-cpu"), resource("ecs-service", name, running=1, tags={"a": name}), {CPU: "93x287"})
    assert (found.resource, found.label("tag:a")) == (name, name)
    assert found.summary == "CPU 93 % for 24 h or more, limit 80 %"
