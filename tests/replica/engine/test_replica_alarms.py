"""Alarms: CloudWatch's table of missing data, and states that follow the world."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from opsbot.replica.alarmrule import read_rule
from opsbot.replica.alarmstate import evaluate
from opsbot.replica.codec import Fault
from tests.replica.engine.engine_world import NOW, REGION, SETTLE, TENANT, Aws

TREATMENTS = ("missing", "ignore", "breaching", "notBreaching")
# The user guide's two tables, "Configuring how CloudWatch alarms treat missing data"; N = 3, five points in range.
TABLE = [
    (3, "0-X-X", ("OK", "OK", "OK", "OK")),
    (3, "0----", ("OK", "OK", "OK", "OK")),
    (3, "-----", ("INSUFFICIENT_DATA", "kept", "ALARM", "OK")),
    (3, "0XX-X", ("ALARM", "ALARM", "ALARM", "ALARM")),
    (3, "--X--", ("ALARM", "kept", "ALARM", "OK")),
    (2, "0-X-X", ("ALARM", "ALARM", "ALARM", "ALARM")),
    (2, "00X0X", ("ALARM", "ALARM", "ALARM", "ALARM")),
    (2, "0-X--", ("OK", "OK", "ALARM", "OK")),
    (2, "----0", ("OK", "OK", "ALARM", "OK")),
    (2, "---X-", ("ALARM", "kept", "ALARM", "OK")),
]
CELLS = [(m, points, t, s) for m, points, states in TABLE for t, s in zip(TREATMENTS, states, strict=True)]


@pytest.mark.parametrize(("m", "points", "treatment", "state"), CELLS)
def test_the_forty_cells(m: int, points: str, treatment: str, state: str) -> None:
    assert evaluate(points, m=m, n=3, missing=treatment, current="kept") == state


def described(aws: Aws, **asked: Any) -> dict[str, Any]:
    answer = aws.tenant_client("cloudwatch").describe_alarms(**asked)
    return {alarm["AlarmName"]: alarm for kind in ("CompositeAlarms", "MetricAlarms") for alarm in answer[kind]}


BOTH = {"AlarmTypes": ["MetricAlarm", "CompositeAlarm"]}


def test_states_follow_the_world(aws: Aws) -> None:
    states = {name: alarm["StateValue"] for name, alarm in described(aws, **BOTH).items()}
    wanted = {"high": "ALARM", "low": "OK", "dark": "INSUFFICIENT_DATA", "tail": "OK", "both": "ALARM"}
    assert states == wanted


def test_the_state_says_since_when_and_why(aws: Aws) -> None:
    high = described(aws)["high"]
    # The newest settled step breaches: it ended, and was final, one settle delay later.
    assert high["StateUpdatedTimestamp"] == NOW - timedelta(seconds=SETTLE) + timedelta(seconds=SETTLE)
    assert "[100]" in high["StateReason"]
    assert "(50)" in high["StateReason"]


def test_an_alarm_shows_how_it_is_configured(aws: Aws) -> None:
    alarms = described(aws)
    assert alarms["tail"]["ExtendedStatistic"] == "p99"
    assert alarms["tail"]["Dimensions"] == [{"Name": "FunctionName", "Value": "hours"}]
    shown = {key: alarms["high"][key] for key in ("Statistic", "Period", "Threshold", "AlarmDescription", "AlarmArn")}
    assert shown == {
        "Statistic": "Average",
        "Period": 300,
        "Threshold": 50.0,
        "AlarmDescription": "it is high",
        "AlarmArn": f"arn:aws:cloudwatch:{REGION}:{TENANT}:alarm:high",
    }


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        pytest.param({}, ["dark", "high", "low", "tail"], id="without types composites are left out"),
        pytest.param({"AlarmTypes": ["CompositeAlarm"]}, ["both"], id="composites alone"),
        pytest.param({"AlarmNames": ["low", "gone"]}, ["low"], id="by name"),
        pytest.param({"AlarmNamePrefix": "d"}, ["dark"], id="by prefix"),
        pytest.param({"StateValue": "ALARM", **BOTH}, ["both", "high"], id="by state"),
    ],
)
def test_filters(aws: Aws, asked: dict[str, Any], names: list[str]) -> None:
    assert list(described(aws, **asked)) == names


def test_pages(aws: Aws) -> None:
    paginator = aws.tenant_client("cloudwatch").get_paginator("describe_alarms")
    answers = list(paginator.paginate(**BOTH, PaginationConfig={"PageSize": 2}))
    sizes = [len(a["MetricAlarms"]) + len(a["CompositeAlarms"]) for a in answers]
    assert sizes == [2, 2, 1]


def test_names_and_prefix_exclude_each_other(aws: Aws) -> None:
    with pytest.raises(ClientError, match="cannot be given together"):
        described(aws, AlarmNames=["a"], AlarmNamePrefix="b")


def test_history_tells_the_changes_newest_first(aws: Aws) -> None:
    items = aws.tenant_client("cloudwatch").describe_alarm_history(AlarmName="low")["AlarmHistoryItems"]
    summaries = [item["HistorySummary"] for item in items]
    assert summaries[:2] == ["Alarm updated from ALARM to OK", "Alarm updated from OK to ALARM"]
    assert [items[0]["Timestamp"], items[1]["Timestamp"]] == [NOW, NOW - timedelta(minutes=15)]


def test_a_state_that_never_changed_is_no_history(aws: Aws) -> None:
    client = aws.tenant_client("cloudwatch")
    assert client.describe_alarm_history(AlarmName="tail")["AlarmHistoryItems"] == []
    # As far back as states are followed: the midnight three days ago.
    assert described(aws)["tail"]["StateUpdatedTimestamp"] == NOW.replace(hour=0) - timedelta(days=3)


def test_a_composite_changes_with_what_it_names(aws: Aws) -> None:
    items = aws.tenant_client("cloudwatch").describe_alarm_history(AlarmTypes=["CompositeAlarm"])["AlarmHistoryItems"]
    assert [(item["AlarmName"], item["Timestamp"]) for item in items] == [("both", NOW)]


def test_history_by_time(aws: Aws) -> None:
    client = aws.tenant_client("cloudwatch")
    items = client.describe_alarm_history(StartDate=NOW, EndDate=NOW, ScanBy="TimestampAscending")["AlarmHistoryItems"]
    assert [item["AlarmName"] for item in items] == ["high", "low"]


@pytest.mark.parametrize(
    ("rule", "holds"),
    [
        ('ALARM("a b")', True),
        ("ALARM(a) OR OK(b)", True),
        ("ALARM(a) AND OK(b)", False),
        ("NOT ALARM(a) AND OK(b)", True),
        ("NOT (ALARM(a) OR OK(b))", False),
        ("INSUFFICIENT_DATA(c) AND TRUE", True),
        ("FALSE OR OK(arn:aws:cloudwatch:eu-central-1:1:alarm:b)", True),
    ],
)
def test_composite_rules(rule: str, holds: bool) -> None:
    states = {"a b": "ALARM", "a": "OK", "b": "OK", "c": "INSUFFICIENT_DATA"}
    assert read_rule(rule)(states.__getitem__) is holds


@pytest.mark.parametrize("rule", ["", "ALARM", "ALARM(a) AND", "(ALARM(a)", "ALARM(a) ALARM(b)", "MAYBE(a)", "NOT"])
def test_broken_rules_are_refused(rule: str) -> None:
    with pytest.raises(Fault, match="AlarmRule cannot be read"):
        read_rule(rule)
