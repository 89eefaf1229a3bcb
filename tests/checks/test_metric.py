"""Metric checks as stories: series in, one sentence out."""

from __future__ import annotations

from datetime import timedelta

import pytest

from opsbot.model.finding import Finding
from opsbot.model.status import Status
from tests.checks.looks import check, look, resource, ships
from tests.fakes import NOW

ECS = resource("ecs-service", running=3.0, desired=3.0)
FUNCTION = resource("lambda-function", timeout_seconds=30.0)
DATABASE = resource("rds-instance", engine="postgres", max_connections=450.0, allocated_bytes=100 * 2.0**30)
BUCKET = resource("s3-bucket", filter_id="all")
CUSTOMER = resource("metric:Platform/Business/Uploads", "dhbw")
LOSS = resource("metric:Platform/Data/DataLossEvents", "dhbw")
HEALTH = resource("metric:Platform/Health/SystemAvailability", "dhbw")

CPU = "AWS/ECS CPUUtilization"
ERRORS, CALLS, DURATION = "AWS/Lambda Errors", "AWS/Lambda Invocations", "AWS/Lambda Duration"
CONNECTIONS, FREE = "AWS/RDS DatabaseConnections", "AWS/RDS FreeStorageSpace"
UPLOADS, LOST, UP = (
    "Platform/Business Uploads",
    "Platform/Data DataLossEvents",
    "Platform/Health SystemAvailability",
)


def told(found: Finding) -> tuple[str, str]:
    return found.status, found.summary


@pytest.mark.parametrize(
    ("name", "subject", "series", "expected"),
    [
        pytest.param("ecs-cpu", ECS, {CPU: "50x287"}, ("ok", ""), id="well: nothing is said"),
        pytest.param(
            "ecs-cpu", ECS, {CPU: "50x251 93x34 _"}, ("warning", "CPU 93 % for 3 h, limit 80 %"), id="since three hours"
        ),
        pytest.param(
            "ecs-cpu", ECS, {CPU: "93x287"}, ("warning", "CPU 93 % for 24 h or more, limit 80 %"), id="all day"
        ),
        pytest.param("ecs-cpu", ECS, {CPU: "50x285 93 50"}, ("ok", ""), id="a spike of five minutes"),
        pytest.param("ecs-cpu", ECS, {CPU: "50x285 93x1"}, ("ok", ""), id="the newest point is not settled yet"),
        pytest.param(
            "ecs-cpu", ECS, {CPU: "50x251 _x35"}, ("unknown", "no CPU data for 3 h"), id="silent since three hours"
        ),
        pytest.param("ecs-cpu", ECS, {}, ("unknown", "no CPU data for 24 h or more"), id="silent all day"),
        pytest.param(
            "ecs-cpu",
            ECS,
            {CPU: "50x200 97x7 50x78"},
            ("info", "CPU reached 97 % for 40 min, limit 80 %; within it again for 7 h"),
            id="was too high and is well again",
        ),
        pytest.param(
            "lambda-error-rate",
            FUNCTION,
            {ERRORS: "0x250 72x36", CALLS: "1000x287"},
            ("warning", "errors 7.2 % of 36,000 calls for 3 h, limit 5 %"),
            id="seven percent of many calls",
        ),
        pytest.param(
            "lambda-error-rate",
            FUNCTION,
            {ERRORS: "0x285 1 0", CALLS: "2x287"},
            ("ok", ""),
            id="one error of two calls",
        ),
        pytest.param(
            "lambda-error-rate",
            FUNCTION,
            {ERRORS: "0x250 20x36", CALLS: "1000x287"},
            ("warning", "errors 2 % of 36,000 calls for 3 h, limit 1 %"),
            id="the second warning: a little, for long",
        ),
        pytest.param("lambda-error-rate", FUNCTION, {}, ("ok", ""), id="a function nobody calls"),
        pytest.param(
            "lambda-duration",
            FUNCTION,
            {DURATION: "900x250 28500x36"},
            ("warning", "slowest calls take 28 s of 30 s allowed (95 %) for 3 h, limit 90 %"),
            id="close to the timeout",
        ),
        pytest.param(
            "rds-connections",
            DATABASE,
            {CONNECTIONS: "100x250 412x36"},
            ("warning", "412 of 450 connections in use (92 %) for 3 h, limit 80 %"),
            id="a share of the most allowed",
        ),
        pytest.param(
            "rds-storage",
            DATABASE,
            {FREE: "53687091200x250 6442450944x36"},
            ("critical", "storage 94 % full for 3 h, limit 90 %"),
            id="used is what is not free",
        ),
        pytest.param(
            "s3-5xx",
            BUCKET,
            {"AWS/S3 AllRequests": "1000x287", "AWS/S3 5xxErrors": "_x250 6x35"},
            ("critical", "errors 0.6 % of 34,000 requests for 3 h, limit 0.1 %"),
            id="a count that is only sent when there is one",
        ),
        pytest.param("s3-5xx", BUCKET, {}, ("ok", ""), id="a bucket nobody asks"),
        pytest.param(
            "uploads",
            CUSTOMER,
            {UPLOADS: "100x692 4x3"},
            ("warning", "4 uploads an hour, 4 % of the usual 100 for 4 h, minimum 10 %"),
            id="a share of the usual",
        ),
        pytest.param("uploads", CUSTOMER, {UPLOADS: "3x692 0x3"}, ("ok", ""), id="nothing of almost nothing"),
        pytest.param(
            "uploads",
            CUSTOMER,
            {UPLOADS: "100x100"},
            ("unknown", "uploads not judged: fewer than two of the last 4 weeks have data to compare with"),
            id="too new to compare",
        ),
        pytest.param(
            "uploads",
            CUSTOMER,
            {UPLOADS: "100x690 _x4"},
            ("unknown", "no uploads data for 5 h"),
            id="silent, with a history",
        ),
        pytest.param(
            "data-loss",
            LOSS,
            {LOST: "2 _x180 1 _x90"},
            ("critical", "data loss events in the last 24 h: 3"),
            id="events, hours ago",
        ),
        pytest.param("data-loss", LOSS, {}, ("ok", ""), id="no event"),
        pytest.param(
            "availability",
            HEALTH,
            {UP: "100x250 98.7x35"},
            ("critical", "availability 98.7 % for 3 h, minimum 99 %"),
            id="a little below",
        ),
        pytest.param(
            "availability",
            HEALTH,
            {UP: "100x250 _x35"},
            ("critical", "no availability data for 3 h, which counts as a breach"),
            id="silence is a breach",
        ),
    ],
)
def test_what_is_said(name: str, subject: object, series: dict[str, str], expected: tuple[str, str]) -> None:
    (found,) = look(ships(name), subject, series)  # type: ignore[arg-type]
    assert told(found) == expected


def test_all_that_a_finding_carries() -> None:
    service = resource("ecs-service", "lecture-backend", tags={"team": "backend", "env": "prod"}, running=3.0)
    (found,) = look(ships("ecs-cpu"), service, {CPU: "50x251 93x34 _"})
    assert found.key == "dhbw-prod/ecs-cpu/lecture-backend"
    assert (found.value, found.limit, found.rule, found.hold) == (93.0, 80.0, "> 80 % for 10m", timedelta(minutes=10))
    assert found.since == NOW - timedelta(minutes=36 * 5)
    assert (found.title, found.area, found.runbook, found.owner) == ("ECS CPU", "ecs", "high-load", "backend")
    assert found.means.startswith("Requests wait")
    assert found.labels == (
        ("kind", "ecs-service"),
        ("region", "eu-central-1"),
        ("tag:env", "prod"),
        ("tag:team", "backend"),
        ("tenant", "dhbw"),
        ("tier", "production"),
    )
    evidence = dict(found.evidence)
    assert evidence["metric"] == CPU
    assert evidence["statistic"] == "Average"
    assert evidence["period_seconds"] == 300
    assert evidence["points"] == (93.0, 93.0, 93.0, 93.0)
    assert found.series is not None
    assert (len(found.series.values), found.series.judged, found.series.values[-1]) == (288, 287, None)


def test_evidence_of_a_share() -> None:
    (found,) = look(ships("rds-connections"), DATABASE, {CONNECTIONS: "412x287"})
    evidence = dict(found.evidence)
    assert (evidence["raw"], evidence["of"], evidence["limit_fact"]) == (412.0, 450.0, "max_connections")
    assert evidence["older_than_window"] is True


def test_evidence_of_a_ratio() -> None:
    (found,) = look(ships("lambda-error-rate"), FUNCTION, {ERRORS: "0x275 70x11", CALLS: "1000x287"})
    evidence = dict(found.evidence)
    assert (evidence["errors"], evidence["invocations"]) == (770.0, 11_000.0)
    assert evidence["expression"] == "errors / invocations * 100"


def test_evidence_of_what_is_over() -> None:
    (found,) = look(ships("ecs-cpu"), ECS, {CPU: "50x200 97x7 50x78"})
    evidence = dict(found.evidence)
    assert (evidence["recovered"], evidence["was"]) == (True, "warning")
    assert (found.status, found.value) == (Status.INFO, 50.0)


def test_what_is_well_weighs_little() -> None:
    (found,) = look(ships("ecs-cpu"), ECS, {CPU: "50x287"})
    assert (found.value, found.series, found.evidence, found.means) == (50.0, None, (), "")


IGNORING = """
where = { service = "ecs" }
metric = "AWS/ECS CPUUtilization"
noun = "CPU"
warning = "> 80 %"
missing = "ignore"
"""


@pytest.mark.parametrize(
    ("series", "before", "expected"),
    [
        pytest.param({}, Status.WARNING, ("warning", "no new CPU data; still warning as last seen"), id="kept"),
        pytest.param({}, Status.OK, ("ok", ""), id="was well"),
        pytest.param(
            {CPU: "50x10 93 _x40"}, Status.OK, ("warning", "CPU 93 %, limit 80 %"), id="the samples know better"
        ),
        pytest.param({CPU: "50x50 _x40"}, Status.WARNING, ("ok", ""), id="and they were well"),
    ],
)
def test_ignore_keeps_what_was(series: dict[str, str], before: Status, expected: tuple[str, str]) -> None:
    (found,) = look(check(IGNORING), ECS, series, history={"dhbw-prod/test/one": before})
    assert told(found)[0] == expected[0]
    assert told(found)[1].startswith(expected[1])


LIMITED = """
where = { service = "lambda" }
metric = "AWS/Lambda Duration"
limit = "timeout_seconds"
noun = "duration"
warning = "> 90 %"
"""


def test_a_limit_nobody_knows_is_unknown_unless_it_may_be_absent() -> None:
    bare = resource("lambda-function")
    (found,) = look(check(LIMITED), bare, {DURATION: "1x287"})
    assert told(found) == ("unknown", "limit not known: AWS did not tell its timeout_seconds")
    assert look(check(LIMITED + "limit_optional = true"), bare, {DURATION: "1x287"}) == ()


def test_dimensions_are_added_from_facts() -> None:
    text = """
    where = { service = "s3" }
    metric = "AWS/S3 AllRequests"
    dimensions = { FilterId = "{fact:filter_id}", Region = "{region}" }
    warning = "> 5"
    """
    (found,) = look(check(text), BUCKET, {"AWS/S3 AllRequests all": "9x287"})
    assert found.value == 9.0
    (unasked,) = look(check(text), resource("s3-bucket"), {"AWS/S3 AllRequests": "9x287"})
    assert told(unasked) == ("unknown", "not asked: the resource has no {fact:filter_id}")


def test_what_a_resource_must_have() -> None:
    aurora = resource("rds-instance", "a", engine="aurora-postgresql", allocated_bytes=1.0)
    unknown = resource("rds-instance", "b", allocated_bytes=1.0)
    found = look(ships("rds-storage"), [aurora, unknown, DATABASE], {})
    assert [one.resource for one in found] == ["b", "one"]
    assert look(ships("s3-5xx"), resource("s3-bucket", request_metrics=0.0), {}) == ()
    assert look(ships("ecs-cpu"), resource("ecs-service", running=0.0, desired=3.0), {}) == ()
