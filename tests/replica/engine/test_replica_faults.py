"""Faults on demand, quotas and counts, through the control endpoint and boto3."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import orjson
import pytest
from botocore.exceptions import ClientError
from urllib3 import request

from tests.replica.engine.engine_world import NOW, OFF, REGION, TENANT, Aws

METRIC = {"Namespace": "AWS/Lambda", "Dimensions": [{"Name": "FunctionName", "Value": "hours"}]}
QUERIES = [
    {"Id": id_, "MetricStat": {"Metric": {**METRIC, "MetricName": name}, "Period": 300, "Stat": "Sum"}}
    for id_, name in (("a", "Invocations"), ("b", "Duration"))
]
DAY = timedelta(days=1)


def control(aws: Aws, method: str, what: str, body: object = None) -> Any:
    answer = request(method, f"{aws.running.url}/_control/{what}", body=None if body is None else orjson.dumps(body))
    return answer.status, orjson.loads(answer.data)


def plant(aws: Aws, **rule: Any) -> None:
    assert control(aws, "POST", "faults", [rule]) == (200, {})


def ask(aws: Aws, **more: Any) -> Any:
    window = {"StartTime": NOW - DAY, "EndTime": NOW}
    return aws.client("cloudwatch").get_metric_data(**{"MetricDataQueries": QUERIES} | window | more)


CALLS = {
    "cloudwatch": lambda aws: aws.client("cloudwatch").list_metrics(),
    "sts": lambda aws: aws.client("sts").get_caller_identity(),
    "ec2": lambda aws: aws.client("ec2").describe_instances(),
    "lambda": lambda aws: aws.client("lambda").list_functions(),
    "s3": lambda aws: aws.client("s3").list_buckets(),
}


@pytest.mark.parametrize(
    ("fault", "service", "code", "status"),
    [
        ("throttle", "cloudwatch", "ThrottlingException", 400),
        ("throttle", "sts", "Throttling", 400),
        ("access_denied", "cloudwatch", "AccessDeniedException", 400),
        ("access_denied", "sts", "AccessDenied", 403),
        ("access_denied", "ec2", "UnauthorizedOperation", 403),
        ("access_denied", "lambda", "AccessDeniedException", 403),
        ("access_denied", "s3", "AccessDenied", 403),
        ("server_error", "cloudwatch", "InternalFailure", 500),
        ("server_error", "s3", "InternalFailure", 500),
        ("expired_credentials", "cloudwatch", "ExpiredTokenException", 400),
        ("expired_credentials", "ec2", "ExpiredToken", 403),
        ("region_off", "cloudwatch", "UnrecognizedClientException", 400),
        ("region_off", "ec2", "AuthFailure", 401),
        ("region_off", "sts", "InvalidClientTokenId", 403),
        ("region_off", "lambda", "UnrecognizedClientException", 403),
    ],
)
def test_each_fault_in_each_protocol(own_aws: Aws, fault: str, service: str, code: str, status: int) -> None:
    plant(own_aws, fault=fault, service=service)
    with pytest.raises(ClientError) as refused:
        CALLS[service](own_aws)
    assert refused.value.response["Error"]["Code"] == code
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


def test_denied_names_who_and_what(own_aws: Aws) -> None:
    plant(own_aws, fault="access_denied", service="cloudwatch", operation="ListMetrics")
    with pytest.raises(ClientError, match="assumed-role/open/tests is not authorized to perform: cloudwatch:ListM"):
        own_aws.tenant_client("cloudwatch").list_metrics()


def test_rules_strike_only_what_they_name(own_aws: Aws) -> None:
    plant(own_aws, fault="throttle", operation="ListMetrics", account=TENANT, region=REGION)
    assert CALLS["cloudwatch"](own_aws)["Metrics"]
    assert own_aws.tenant_client("cloudwatch").describe_alarms()["MetricAlarms"]
    with pytest.raises(ClientError, match="Rate exceeded"):
        own_aws.tenant_client("cloudwatch").list_metrics()


def outcomes(aws: Aws, calls: int) -> str:
    told = ""
    for _ in range(calls):
        try:
            CALLS["cloudwatch"](aws)
            told += "."
        except ClientError:
            told += "x"
    return told


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        pytest.param({"rate": 0.25}, "...x...x", id="a quarter, evenly"),
        pytest.param({"rate": 0.0}, "........", id="never"),
        pytest.param({"count": 2}, "xx......", id="twice"),
        pytest.param({"rate": 0.5, "count": 1}, ".x......", id="once in two, once"),
    ],
)
def test_rates_and_counts_are_the_same_each_time(own_aws: Aws, rule: dict[str, Any], told: str) -> None:
    plant(own_aws, fault="server_error", operation="ListMetrics", **rule)
    assert outcomes(own_aws, 8) == told


def test_health_returns(own_aws: Aws) -> None:
    plant(own_aws, fault="server_error")
    assert outcomes(own_aws, 1) == "x"
    assert control(own_aws, "DELETE", "faults") == (200, {})
    assert outcomes(own_aws, 1) == "."


def test_slow_is_slow_but_right(own_aws: Aws) -> None:
    plant(own_aws, fault="slow", seconds=0.2)
    begun = time.monotonic()
    assert CALLS["cloudwatch"](own_aws)["Metrics"]
    assert time.monotonic() - begun >= 0.2


@pytest.mark.parametrize(
    ("fault", "code"), [("internal_error_query", "InternalError"), ("forbidden_query", "Forbidden")]
)
def test_one_query_fails_inside_a_good_answer(own_aws: Aws, fault: str, code: str) -> None:
    plant(own_aws, fault=fault, metric="Duration")
    results = ask(own_aws, MetricDataQueries=[*QUERIES, {"Id": "e", "Expression": "a/b"}])["MetricDataResults"]
    assert [(r["Id"], r["StatusCode"], bool(r["Values"])) for r in results] == [
        ("a", "Complete", True),
        ("b", code, False),
        ("e", code, False),
    ]
    assert results[1]["Messages"][0]["Code"] == code


@pytest.mark.parametrize("operation", ["GetMetricData", "ListMetrics"])
def test_a_token_that_repeats(own_aws: Aws, operation: str) -> None:
    plant(own_aws, fault="repeated_token", operation=operation)
    call = ask if operation == "GetMetricData" else lambda aws, **more: aws.client("cloudwatch").list_metrics(**more)
    tokens = [call(own_aws)["NextToken"]]
    tokens += [call(own_aws, NextToken=tokens[-1])["NextToken"]]
    assert tokens[0] == tokens[1]


def test_a_region_that_is_off_in_the_world(aws: Aws) -> None:
    with pytest.raises(ClientError, match="UnrecognizedClientException"):
        aws.client("cloudwatch", region=OFF).list_metrics()


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ({}, "faults[0].fault: expected one of throttle"),
        ({"fault": "explode"}, "got 'explode'"),
        ({"fault": "slow", "second": 1}, "faults[0].second: unknown key"),
        ({"fault": "slow", "rate": 2}, "from 0 to 1"),
        ({"fault": "slow", "count": "3"}, "faults[0].count: expected int"),
        ("slow", "expected an object, got str"),
    ],
)
def test_wrong_rules_are_explained(aws: Aws, rule: object, problem: str) -> None:
    status, told = control(aws, "POST", "faults", [rule])
    assert status == 400
    assert problem in told["error"]


@pytest.mark.parametrize(
    ("what", "body", "problem"),
    [
        ("limits", {"enabled": "no"}, "limits.enabled"),
        ("limits", {"points": [1]}, "limits.points"),
        ("limits", {"calls": {"a": 0}}, "limits.calls"),
        ("limits", {"speed": 1}, "limits.speed: unknown key"),
        ("limits", [], "expected an object"),
    ],
)
def test_wrong_limits_are_explained(aws: Aws, what: str, body: object, problem: str) -> None:
    status, told = control(aws, "POST", what, body)
    assert status == 400
    assert problem in told["error"]


def test_unknown_control_paths_say_what_there_is(aws: Aws) -> None:
    assert control(aws, "GET", "nothing")[0] == 404
    assert request("POST", f"{aws.running.url}/_control/faults", body=b"{").status == 400


def test_calls_beyond_the_quota_are_throttled_and_counted(own_aws: Aws) -> None:
    control(own_aws, "POST", "limits", {"enabled": True, "calls": {"cloudwatch:ListMetrics": 3}})
    assert outcomes(own_aws, 5).startswith("...x")
    stats = control(own_aws, "GET", "stats")[1]
    assert stats["calls"]["cloudwatch:ListMetrics"] == 5
    assert stats["throttled"]["cloudwatch:ListMetrics"] >= 1


@pytest.mark.parametrize(
    ("start", "limits", "fits"),
    [
        pytest.param(NOW - DAY, [600, 1], True, id="old windows have their own quota"),
        pytest.param(NOW - DAY, [300, 300], False, id="and are throttled by it"),
        pytest.param(NOW - DAY / 24, [1, 600], True, id="recent windows have theirs"),
    ],
)
def test_datapoints_have_a_quota(own_aws: Aws, start: Any, limits: list[int], fits: bool) -> None:
    control(own_aws, "POST", "limits", {"enabled": True, "points": limits})
    ask(own_aws, MaxDatapoints=200, StartTime=start)
    if fits:
        ask(own_aws, MaxDatapoints=200, StartTime=start)
    else:
        with pytest.raises(ClientError, match="Rate exceeded"):
            ask(own_aws, MaxDatapoints=200, StartTime=start)
