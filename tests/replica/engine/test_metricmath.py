"""Metric math through boto3: each expression over two hours whose values are the hour of the day."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from opsbot.replica.codec import Fault
from opsbot.replica.expressions import parse
from tests.replica.engine.engine_world import NOW, Aws

HOUR = timedelta(hours=1)


def metric(id_: str, namespace: str, name: str, stat: str, period: int, **dimensions: str) -> dict[str, Any]:
    pairs = [{"Name": key, "Value": value} for key, value in dimensions.items()]
    stated = {
        "Metric": {"Namespace": namespace, "MetricName": name, "Dimensions": pairs},
        "Period": period,
        "Stat": stat,
    }
    return {"Id": id_, "MetricStat": stated, "ReturnData": False}


# a: the hour; b: ten times the hour; c: as a by five minutes; g: 1 100 - 100 1; n: never a datum.
METRICS = [
    metric("a", "AWS/Lambda", "Invocations", "Average", 3600, FunctionName="hours"),
    metric("b", "AWS/Lambda", "Duration", "Average", 3600, FunctionName="hours"),
    metric("c", "AWS/Lambda", "Invocations", "Average", 300, FunctionName="hours"),
    metric("g", "Test/Marks", "gaps", "Average", 300),
    metric("n", "AWS/Lambda", "Nothing", "Sum", 3600, FunctionName="hours"),
    metric("u", "AWS/Usage", "ResourceCount", "Maximum", 3600, Service="Lambda", Resource="ConcurrentExecutions"),
]


def work_out(aws: Aws, text: str, hours: int = 2, **more: Any) -> Any:
    answer = aws.client("cloudwatch").get_metric_data(
        MetricDataQueries=[*METRICS, {"Id": "e", "Expression": text, **more}],
        StartTime=NOW - (hours + 1) * HOUR,
        EndTime=NOW - HOUR,
        ScanBy="TimestampAscending",
    )
    return [result["Values"] for result in answer["MetricDataResults"]]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a", [4, 5]),
        ("a+b", [44, 55]),
        ("b-a*2", [32, 40]),
        ("b/a", [10, 10]),
        ("-a^2", [-16, -25]),
        ("2^3^2*a", [2048, 2560]),
        ("(a+1)*.5e1", [25, 30]),
        ("100 - 100*(a/b)", [90, 90]),
        ("a/(a-4)", [5]),
        ("a>4", [0, 1]),
        ("a>=4 && a<5", [1, 0]),
        ("a==4 || b==50", [1, 1]),
        ("a!=4", [0, 1]),
        ("IF(a>4, a, 0)", [0, 5]),
        ("IF(a>4, b)", [50]),
        ("IF(1, a, b)", [4, 5]),
        ("SUM([a,b])", [44, 55]),
        ("AVG([a,b])", [22, 27.5]),
        ("MIN([a,b])", [4, 5]),
        ("MAX([a,b])", [40, 50]),
        ("MAX([a,n])", [4, 5]),
        ("SUM(METRICS('b'))", [40, 50]),
        ("a/SUM(a)", [4 / 9, 5 / 9]),
        ("a-AVG(a)", [-0.5, 0.5]),
        ("a*MAX(a)-MIN(a)", [16, 21]),
        ("RATE(a)*3600", [1]),
        ("DIFF(b)", [10]),
        ("DIFF_TIME(b)", [3600]),
        ("RUNNING_SUM(a)", [4, 9]),
        ("a*PERIOD(a)", [14400, 18000]),
        ("ABS(-a)", [4, 5]),
        ("CEIL(a/3)", [2, 2]),
        ("floor(a/3)", [1, 1]),
        ("TIME_SERIES(7)", [7, 7]),
        ("TIME_SERIES(SUM(a))", [9, 9]),
        ("FILL(n, 3)", [3, 3]),
        ("FILL(n, a)", [4, 5]),
        ("a + FILL(n, 0)", [4, 5]),
        ("a+n", []),
        ("a+c", [8, 10]),
        ("SERVICE_QUOTA(u)/u", [250, 200]),
        ("HOUR(a)", [4, 5]),
        ("METRIC_COUNT(METRICS())*a", [24, 30]),
    ],
)
def test_expressions(aws: Aws, text: str, values: list[float]) -> None:
    (found,) = work_out(aws, text, Period=3600)
    assert found == pytest.approx(values)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("FILL(g, 0)", [0, 0, 1, 100, 0, 100, 1, 0, 0]),
        ("FILL(g, REPEAT)", [1, 100, 100, 100, 1, 1, 1]),
        ("FILL(g, LINEAR)", [1, 100, 100, 100, 1]),
        ("RUNNING_SUM(g)", [1, 101, 201, 202]),
        ("DIFF(g)", [99, 0, -99]),
        ("DIFF_TIME(g)", [300, 600, 300]),
    ],
)
def test_gaps(aws: Aws, text: str, values: list[float]) -> None:
    answer = aws.client("cloudwatch").get_metric_data(
        MetricDataQueries=[*METRICS, {"Id": "e", "Expression": text}],
        StartTime=NOW - timedelta(minutes=45),
        EndTime=NOW,
        ScanBy="TimestampAscending",
    )
    assert answer["MetricDataResults"][0]["Values"] == values


def test_arrays_give_one_result_each_and_labels_tell_them_apart(aws: Aws) -> None:
    answer = aws.client("cloudwatch").get_metric_data(
        MetricDataQueries=[*METRICS, {"Id": "e", "Expression": "[a,b]*2", "Label": "twice"}],
        StartTime=NOW - 2 * HOUR,
        EndTime=NOW - HOUR,
    )
    found = [(r["Id"], r["Label"], r["Values"]) for r in answer["MetricDataResults"]]
    assert found == [("e", "twice Invocations", [10.0]), ("e", "twice Duration", [pytest.approx(100)])]


@pytest.mark.parametrize(
    ("search", "labels"),
    [
        ('{AWS/Lambda,FunctionName} MetricName="Duration"', ["Duration hours", "Duration twin"]),
        ('{AWS/Lambda,FunctionName} FunctionName="hours"', ["Duration hours", "Invocations hours"]),
        ("{AWS/Lambda,FunctionName} twin OR Invocations", ["Duration twin", "Invocations hours"]),
        ('{AWS/Lambda,FunctionName} NOT MetricName="Duration"', ["Invocations hours"]),
        ("{AWS/Lambda,FunctionName} (twin OR hours) AND Dura", ["Duration hours", "Duration twin"]),
        ("{AWS/Lambda}", ["ConcurrentExecutions"]),
        ('Namespace="CWAgent" path="/"', ["disk_used_percent i-1 /"]),
        ("{AWS/Lambda,FunctionName} nowhere", []),
    ],
)
def test_search(aws: Aws, search: str, labels: list[str]) -> None:
    answer = aws.client("cloudwatch").get_metric_data(
        MetricDataQueries=[{"Id": "e", "Expression": f"SEARCH('{search}', 'Average', 3600)"}],
        StartTime=NOW - 2 * HOUR,
        EndTime=NOW - HOUR,
    )
    assert [result["Label"] for result in answer["MetricDataResults"]] == labels
    assert all(len(result["Values"]) == 1 for result in answer["MetricDataResults"])


def test_the_sum_of_a_search(aws: Aws) -> None:
    text = "SUM(SEARCH('{AWS/Lambda,FunctionName} MetricName=\"Duration\"', 'Average', 3600))"
    (values,) = work_out(aws, text)
    assert values == pytest.approx([120, 150])


def test_the_anomaly_band_lies_around_the_usual_day(aws: Aws) -> None:
    high, low = work_out(aws, "ANOMALY_DETECTION_BAND(a, 2)", hours=24)
    assert len(high) == len(low) == 24
    assert all(under <= over for under, over in zip(low, high, strict=True))
    # Every day is the same here, so the band is as narrow as the day itself.
    assert high == pytest.approx([float(h) for h in [*range(6, 24), *range(6)]], abs=0.5)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a+", "ends too early"),
        ("a b", "unexpected 'b'"),
        ("(a", r"expected '\)'"),
        ("a $ b", "unexpected character"),
        ("NOSUCH(a)", "NOSUCH is not known"),
        ("SUM(a)", "time series"),
        ("7", "time series"),
        ("FILL(a)", "FILL takes"),
        ("IF(a)", "2 to 3 arguments"),
        ("RATE(1)", "expected a time series"),
        ("[1]", "array may hold"),
        ("[a,b]+[a,b]", "two arrays"),
        ("a+'x'", "text"),
        ("SERVICE_QUOTA(a)", "AWS/Usage"),
        ("SEARCH('{AWS/Lambda} (', 'Sum', 60)", "cannot be read"),
        ("SEARCH('x', 'Sum', 61)", "multiple of 60"),
        ("(" * 300 + "a" + ")" * 300, "nested too deeply"),
        ("-" * 300 + "a", "nested too deeply"),
        ("a+" * 2000 + "a", "longer than"),
    ],
)
def test_wrong_expressions_are_refused(aws: Aws, text: str, why: str) -> None:
    with pytest.raises(ClientError, match=why) as refused:
        work_out(aws, text)
    assert refused.value.response["Error"]["Code"] == "ValidationError"


@given(st.text(alphabet="ab1.+-*/^()[],<>=!&|'\" SUMIF", max_size=60))
def test_no_text_breaks_the_parser(text: str) -> None:
    with suppress(Fault):
        parse(text)
