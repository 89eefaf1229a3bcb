"""Checks on what describe calls tell."""

from __future__ import annotations

import pytest

from opsbot.model.period import epoch
from tests.checks.looks import check, look, resource, ships
from tests.fakes import NOW

HOUR = 3600
THEN = epoch(NOW) - 3 * HOUR


@pytest.mark.parametrize(
    ("name", "kind", "facts", "expected"),
    [
        pytest.param(
            "ecs-tasks",
            "ecs-service",
            {"running": 0, "desired": 3},
            ("critical", "0 of 3 tasks running"),
            id="nobody is there",
        ),
        pytest.param(
            "ecs-tasks",
            "ecs-service",
            {"running": 1, "desired": 3},
            ("warning", "1 of 3 tasks running"),
            id="fewer than half",
        ),
        pytest.param("ecs-tasks", "ecs-service", {"running": 2, "desired": 3}, ("ok", ""), id="a deployment"),
        pytest.param(
            "ecs-tasks", "ecs-service", {"running": 0, "desired": 0}, ("ok", ""), id="switched off on purpose"
        ),
        pytest.param(
            "batch-failed-jobs",
            "batch-queue",
            {"failed_24h": 2, "last_failure": "exit 137", "last_failure_at": THEN},
            ("warning", "2 failed in 24 h: exit 137"),
            id="failed jobs and why",
        ),
        pytest.param("batch-failed-jobs", "batch-queue", {"failed_24h": 0}, ("ok", ""), id="none failed"),
        pytest.param("batch-failure-rate", "batch-queue", {}, ("ok", ""), id="nothing finished"),
        pytest.param(
            "glue-crawler-failed",
            "glue-crawler",
            {"failed": 1},
            ("warning", "the last crawl failed"),
            id="no reason told",
        ),
        pytest.param(
            "certificate-expiry",
            "acm-certificate",
            {"days_left": 8.2, "domain": "a.org"},
            ("warning", "certificate expires in 8 days: a.org"),
            id="in eight days",
        ),
        pytest.param(
            "certificate-expiry",
            "acm-certificate",
            {"days_left": 2.0},
            ("critical", "certificate expires in 2 days"),
            id="in two days",
        ),
        pytest.param(
            "certificate-expiry",
            "acm-certificate",
            {"days_left": 29.6},
            ("info", "certificate expires in 29.6 days"),
            id="not yet",
        ),
        pytest.param("certificate-expiry", "acm-certificate", {"days_left": 90}, ("ok", ""), id="long"),
        pytest.param(
            "certificate-expiry", "acm-certificate", {}, ("unknown", "AWS did not tell its days_left"), id="not told"
        ),
        pytest.param(
            "cloudwatch-alarm",
            "cloudwatch-alarm",
            {"in_alarm": 1, "since": THEN, "reason": "Threshold\n Crossed"},
            ("warning", "in ALARM for 3 h: Threshold Crossed"),
            id="somebody's alarm",
        ),
        pytest.param(
            "cloudwatch-alarm-blind",
            "cloudwatch-alarm",
            {"insufficient": 1, "since": THEN},
            ("ok", ""),
            id="blind for three hours",
        ),
        pytest.param(
            "cloudwatch-alarm-blind",
            "cloudwatch-alarm",
            {"insufficient": 1, "since": THEN - 24 * HOUR},
            ("warning", "in INSUFFICIENT_DATA for 27 h: it watches nothing"),
            id="blind for longer than the rule holds",
        ),
        pytest.param(
            "cloudwatch-alarm",
            "cloudwatch-alarm",
            {"in_alarm": 1, "since": 1e300},
            ("warning", "in ALARM"),
            id="a time that is none",
        ),
    ],
)
def test_what_is_said(name: str, kind: str, facts: dict[str, str | float], expected: tuple[str, str]) -> None:
    (found,) = look(ships(name), resource(kind, **facts))
    assert (found.status, found.summary) == expected


def test_what_a_finding_carries() -> None:
    facts: dict[str, str | float] = {"failed_24h": 2, "last_failure": "exit 137", "last_failure_at": THEN}
    (found,) = look(ships("batch-failed-jobs"), resource("batch-queue", **facts))
    assert dict(found.evidence) == facts
    assert found.since is not None
    assert epoch(found.since) == THEN


def test_a_long_reason_is_cut() -> None:
    (found,) = look(ships("glue-crawler-failed"), resource("glue-crawler", failed=1, last_failure="x" * 500))
    assert len(found.summary) < 230


def test_what_is_not_told_can_be_a_breach() -> None:
    text = 'fact = "days_left"\nwhere = { service = "acm" }\nunit = "days"\ncritical = "< 3"\nmissing = "breaching"'
    (found,) = look(check(text), resource("acm-certificate"))
    assert (found.status, found.summary) == ("critical", "AWS did not tell its days_left, which counts as a breach")
