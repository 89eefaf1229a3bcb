"""GetMetricStatistics, ListMetrics and PutMetricData through boto3."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.replica.engine.engine_world import NOW, Aws, many_series, start

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def statistics(aws: Aws, **asked: Any) -> Any:
    base: dict[str, Any] = {
        "Namespace": "AWS/Lambda",
        "MetricName": "Invocations",
        "Dimensions": [{"Name": "FunctionName", "Value": "hours"}],
        "StartTime": NOW - DAY,
        "EndTime": NOW - HOUR,
        "Period": 3600,
        "Statistics": ["Average"],
    }
    return aws.client("cloudwatch").get_metric_statistics(**base | asked)


def test_statistics_of_one_metric(aws: Aws) -> None:
    answer = statistics(aws, Statistics=["Sum", "Average", "SampleCount"], StartTime=NOW - 2 * HOUR)
    (point,) = answer["Datapoints"]
    assert point == {"Timestamp": NOW - 2 * HOUR, "Sum": 300.0, "Average": 5.0, "SampleCount": 60.0, "Unit": "Count"}
    assert answer["Label"] == "Invocations"


def test_points_come_in_no_order(aws: Aws) -> None:
    times = [point["Timestamp"] for point in statistics(aws)["Datapoints"]]
    assert len(times) == 23
    assert times not in (sorted(times), sorted(times, reverse=True))


def test_percentiles_are_extended_statistics(aws: Aws) -> None:
    asked = {"MetricName": "Duration", "Statistics": [], "ExtendedStatistics": ["p50", "p99"]}
    for point in statistics(aws, **asked)["Datapoints"]:
        assert point["ExtendedStatistics"]["p50"] <= point["ExtendedStatistics"]["p99"]
        assert "Average" not in point


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        pytest.param({"Period": 60, "StartTime": NOW - DAY - HOUR - HOUR}, "InvalidParameterCombination", id="1,441"),
        pytest.param({"Statistics": []}, "InvalidParameterCombination", id="no statistic"),
        pytest.param({"Statistics": ["p99"]}, "InvalidParameterValue", id="a percentile as a plain statistic"),
        pytest.param({"EndTime": NOW - DAY}, "InvalidParameterValue", id="an empty window"),
        pytest.param({"Period": 61}, "ValidationError", id="a period that does not exist"),
    ],
)
def test_wrong_questions_are_refused(aws: Aws, asked: dict[str, Any], code: str) -> None:
    with pytest.raises(ClientError) as refused:
        statistics(aws, **asked)
    assert refused.value.response["Error"]["Code"] == code


def test_1440_points_are_the_most(aws: Aws) -> None:
    begin = NOW - HOUR - timedelta(minutes=1440)
    assert len(statistics(aws, Period=60, StartTime=begin)["Datapoints"]) == 1440


def listed(aws: Aws, **asked: Any) -> list[tuple[str, tuple[str, ...]]]:
    metrics = aws.client("cloudwatch").list_metrics(**asked)["Metrics"]
    return [(m["MetricName"], tuple(d["Value"] for d in m["Dimensions"])) for m in metrics]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        pytest.param({"Namespace": "CWAgent"}, [("disk_used_percent", ("i-1", "/"))], id="by namespace"),
        pytest.param({"MetricName": "Duration"}, [("Duration", ("hours",)), ("Duration", ("twin",))], id="by name"),
        pytest.param({"Dimensions": [{"Name": "path"}]}, [("disk_used_percent", ("i-1", "/"))], id="by a dimension"),
        pytest.param(
            {"Dimensions": [{"Name": "FunctionName", "Value": "twin"}]}, [("Duration", ("twin",))], id="and its value"
        ),
        pytest.param({"Namespace": "Test/Marks"}, [("gaps", ()), ("silent", ())], id="a silent metric is listed"),
        pytest.param({"Namespace": "Test/Marks", "RecentlyActive": "PT3H"}, [("gaps", ())], id="but is not active"),
        pytest.param({"Namespace": "Nowhere"}, [], id="nothing"),
    ],
)
def test_lists(aws: Aws, asked: dict[str, Any], found: list[tuple[str, tuple[str, ...]]]) -> None:
    assert listed(aws, **asked) == found


def test_500_metrics_a_page() -> None:
    with (aws := start(many_series(1200))).running:
        answers = list(aws.client("cloudwatch").get_paginator("list_metrics").paginate(MetricName="Invocations"))
        assert [len(a["Metrics"]) for a in answers] == [500, 500, 201]
        names = {m["Dimensions"][0]["Value"] for a in answers for m in a["Metrics"]}
        assert len(names) == 1201


def published(aws: Aws, at: datetime, stat: str, name: str = "Orders") -> list[float]:
    metric = {"Namespace": "Shop", "MetricName": name, "Dimensions": [{"Name": "Customer", "Value": "x"}]}
    query = {"Id": "a", "MetricStat": {"Metric": metric, "Period": 300, "Stat": stat}}
    answer = aws.client("cloudwatch").get_metric_data(
        MetricDataQueries=[query], StartTime=at, EndTime=at + timedelta(minutes=5)
    )
    values: list[float] = answer["MetricDataResults"][0]["Values"]
    return values


def test_what_is_published_is_read_and_listed(own_aws: Aws) -> None:
    at = NOW - HOUR
    datum = {"MetricName": "Orders", "Dimensions": [{"Name": "Customer", "Value": "x"}], "Timestamp": at}
    data = [
        {**datum, "Value": 3.0},
        {**datum, "Values": [1.0, 7.0], "Counts": [2.0, 1.0]},
        {**datum, "StatisticValues": {"SampleCount": 2, "Sum": 10, "Minimum": 4, "Maximum": 6}},
    ]
    own_aws.client("cloudwatch").put_metric_data(Namespace="Shop", MetricData=data)
    assert published(own_aws, at, "Sum") == [3 + 2 + 7 + 10]
    assert published(own_aws, at, "SampleCount") == [6]
    assert listed(own_aws, Namespace="Shop") == [("Orders", ("x",))]
    assert own_aws.tenant_client("cloudwatch").list_metrics(Namespace="Shop")["Metrics"] == []


@pytest.mark.parametrize(
    ("namespace", "datum"),
    [
        pytest.param("AWS/Lambda", {"Value": 1.0}, id="AWS's own namespace"),
        pytest.param("Shop", {}, id="no value"),
        pytest.param("Shop", {"Value": 1.0, "Timestamp": NOW - 15 * DAY}, id="older than two weeks"),
        pytest.param("Shop", {"Value": 1.0, "Timestamp": NOW + 3 * HOUR}, id="more than two hours ahead"),
        pytest.param("Shop", {"Values": [1.0] * 151}, id="151 values"),
        pytest.param("Shop", {"Values": [1.0], "Counts": [1.0, 2.0]}, id="more counts than values"),
        pytest.param("Shop", {"Value": 1.0, "Dimensions": [{"Name": "a", "Value": "b"}] * 31}, id="31 dimensions"),
    ],
)
def test_wrong_data_are_refused_whole(aws: Aws, namespace: str, datum: dict[str, Any]) -> None:
    good = {"MetricName": "Good", "Value": 1.0}
    with pytest.raises(ClientError, match="InvalidParameterValue"):
        aws.client("cloudwatch").put_metric_data(Namespace=namespace, MetricData=[good, {"MetricName": "Bad", **datum}])
    assert listed(aws, MetricName="Good") == []
