"""GetMetricData through boto3, against what AWS documents."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opsbot.replica.codec import Fault, Request
from opsbot.replica.getmetricdata import get_metric_data_json
from tests.replica.engine.engine_world import CALLER, NOW, REGION, SETTLE, Aws, many_series, start, tiny_world

KEYS = ["MetricDataQueries", "Id", "MetricStat", "Metric", "Namespace", "MetricName", "Dimensions", "Name", "Value"]
KEYS += ["Period", "Stat", "Expression", "Label", "ReturnData", "StartTime", "EndTime", "NextToken", "MaxDatapoints"]
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def query(id_: str = "a", name: str = "Invocations", function: str | None = "hours", **more: Any) -> dict[str, Any]:
    stat, period, namespace = more.pop("stat", "Average"), more.pop("period", 3600), more.pop("namespace", "AWS/Lambda")
    dimensions = [] if function is None else [{"Name": "FunctionName", "Value": function}]
    metric = {"Namespace": namespace, "MetricName": name, "Dimensions": dimensions}
    return {"Id": id_, "MetricStat": {"Metric": metric, "Period": period, "Stat": stat}, **more}


def ask(aws: Aws, *queries: dict[str, Any], start: datetime = NOW - DAY, end: datetime = NOW, **more: Any) -> Any:
    return aws.client("cloudwatch").get_metric_data(
        MetricDataQueries=list(queries), StartTime=start, EndTime=end, **more
    )


def hours(result: dict[str, Any]) -> list[int]:
    return [int((at - NOW).total_seconds()) // 3600 for at in result["Timestamps"]]


def test_newest_comes_first_and_the_end_is_exclusive(aws: Aws) -> None:
    (result,) = ask(aws, query(), start=NOW - 4 * HOUR, end=NOW - HOUR)["MetricDataResults"]
    assert hours(result) == [-2, -3, -4]
    assert result["Values"] == [5.0, 4.0, 3.0]
    assert (result["Id"], result["Label"], result["StatusCode"]) == ("a", "Invocations", "Complete")


def test_scan_by_turns_the_order(aws: Aws) -> None:
    answer = ask(aws, query(), start=NOW - 4 * HOUR, end=NOW - HOUR, ScanBy="TimestampAscending")
    assert answer["MetricDataResults"][0]["Values"] == [3.0, 4.0, 5.0]


def test_start_is_rounded_down_to_the_period(aws: Aws) -> None:
    (result,) = ask(aws, query(), start=NOW - 2 * HOUR + timedelta(minutes=59), end=NOW - HOUR)["MetricDataResults"]
    assert hours(result) == [-2]


@pytest.mark.parametrize(
    ("period", "newest_start"),
    [
        pytest.param(60, timedelta(seconds=SETTLE + 60), id="minutes younger than the settle delay are missing"),
        pytest.param(300, timedelta(seconds=SETTLE + 300), id="so are five minutes"),
        pytest.param(3600, HOUR, id="an hour with some settled minutes is there"),
    ],
)
def test_unsettled_points_are_missing(aws: Aws, period: int, newest_start: timedelta) -> None:
    (result,) = ask(aws, query(period=period), start=NOW - 3 * HOUR)["MetricDataResults"]
    assert result["Timestamps"][0] == NOW - newest_start


def test_dimensions_match_exactly_or_not_at_all(aws: Aws) -> None:
    account_wide = query("a", "ConcurrentExecutions", None)
    more, fewer = query("b", "ConcurrentExecutions", "hours"), query("c", function=None)
    counts = [len(r["Values"]) for r in ask(aws, account_wide, more, fewer)["MetricDataResults"]]
    assert counts == [24, 0, 0]


@pytest.mark.parametrize(
    ("period", "days_back", "points"),
    [
        pytest.param(60, 14, 60, id="minutes are kept 15 days"),
        pytest.param(60, 16, 0, id="and no longer"),
        pytest.param(300, 62, 12, id="five minutes are kept 63 days"),
        pytest.param(300, 64, 0, id="and no longer "),
        pytest.param(3600, 454, 1, id="hours are kept 455 days"),
        pytest.param(3600, 456, 0, id="and no longer  "),
        pytest.param(30, 1, 0, id="thirty seconds are kept three hours"),
    ],
)
def test_old_data_exist_only_at_coarse_periods(aws: Aws, period: int, days_back: int, points: int) -> None:
    begin = NOW - days_back * DAY
    (result,) = ask(aws, query(period=period), start=begin, end=begin + HOUR)["MetricDataResults"]
    assert len(result["Values"]) == points


def test_sub_minute_periods_show_a_point_a_minute(aws: Aws) -> None:
    (result,) = ask(aws, query(period=10), start=NOW - HOUR, end=NOW - HOUR / 2)["MetricDataResults"]
    assert len(result["Values"]) == 30
    assert {at.second for at in result["Timestamps"]} == {0}


def test_periods_mix_in_one_call(aws: Aws) -> None:
    answer = ask(aws, *(query(f"p{p}", period=p, stat="SampleCount") for p in (60, 300, 3600)), end=NOW - HOUR)
    found = {r["Id"]: (len(r["Values"]), r["Values"][0]) for r in answer["MetricDataResults"]}
    assert found == {"p60": (23 * 60, 1.0), "p300": (23 * 12, 5.0), "p3600": (23, 60.0)}


def pages(aws: Aws, *queries: dict[str, Any], **window: Any) -> list[Any]:
    answers = [ask(aws, *queries, **window)]
    while token := answers[-1].get("NextToken"):
        answers.append(ask(aws, *queries, NextToken=token, **window))
    return answers


def test_more_than_a_page_comes_in_pages_that_add_up(aws: Aws) -> None:
    queries = [query(f"q{n}", period=60 if n % 2 else 300, stat="Sum") for n in range(13)]
    window: dict[str, Any] = {"start": NOW - 10 * DAY, "end": NOW - HOUR}
    answers = pages(aws, *queries, **window)
    total = 6 * 239 * 60 + 7 * 239 * 12
    assert len(answers) == -(-total // 100_800) == 2
    assert all(sum(len(r["Values"]) for r in a["MetricDataResults"]) <= 100_800 for a in answers)
    codes = [{r["StatusCode"] for r in a["MetricDataResults"]} for a in answers]
    assert codes == [{"PartialData"}] * (len(answers) - 1) + [{"Complete"}]
    for n in (0, 1):
        times = [t for a in answers for t in a["MetricDataResults"][n]["Timestamps"]]
        step = timedelta(seconds=60 if n else 300)
        assert times[0] == NOW - HOUR - step
        assert len(times) == 239 * (60 if n else 12)
        assert all(newer - older == step for newer, older in pairwise(times))


def test_pages_of_an_expression_add_up_too(aws: Aws) -> None:
    queries = [query("a", period=300), {"Id": "e", "Expression": "RUNNING_SUM(a)"}]
    window: dict[str, Any] = {"start": NOW - 3 * DAY, "end": NOW - HOUR, "MaxDatapoints": 300}
    answers = pages(aws, *queries, **window)
    whole = ask(aws, *queries, start=window["start"], end=window["end"])["MetricDataResults"]
    assert len(answers) > 3
    for n, result in enumerate(whole):
        assert [v for a in answers for v in a["MetricDataResults"][n]["Values"]] == result["Values"]


def test_pages_stay_as_they_were_when_the_clock_moves(own_aws: Aws) -> None:
    window: dict[str, Any] = {"start": NOW - HOUR, "end": NOW + DAY, "MaxDatapoints": 5}
    first = ask(own_aws, query(period=300), **window)
    own_aws.clock.at += HOUR
    second = ask(own_aws, query(period=300), NextToken=first["NextToken"], **window)
    times = [t for a in (first, second) for t in a["MetricDataResults"][0]["Timestamps"]]
    assert times == [NOW - timedelta(minutes=5 * n) for n in range(3, 3 + len(times))]


@pytest.mark.parametrize("token", ["nonsense", "WzEsMiwzLCJ4Il0=", "e30="])
def test_a_strange_token_is_refused(aws: Aws, token: str) -> None:
    with pytest.raises(aws.client("cloudwatch").exceptions.InvalidNextToken):
        ask(aws, query(), NextToken=token)


def test_five_hundred_queries_are_the_most(aws: Aws) -> None:
    many = [query(f"q{n}") for n in range(501)]
    assert len(ask(aws, *many[:500])["MetricDataResults"]) == 500
    with pytest.raises(ClientError, match=r"ValidationError.*must not have a size greater than 500"):
        ask(aws, *many)


@pytest.mark.parametrize(
    ("queries", "message"),
    [
        pytest.param([], "at least one query", id="no query"),
        pytest.param([query("A")], "Id must match", id="an id in capitals"),
        pytest.param([query("a"), query("a")], "must be unique", id="one id twice"),
        pytest.param([query(period=45)], "multiple of 60", id="a period that does not exist"),
        pytest.param([query(stat="p101")], "p101", id="a percentile above a hundred"),
        pytest.param([query(stat="Median")], "Median", id="an unknown statistic"),
        pytest.param([query(ReturnData=False)], "ReturnData", id="nothing to return"),
        pytest.param([{"Id": "a"}], "MetricStat or Expression", id="neither metric nor expression"),
        pytest.param([{"Id": "a", "Expression": "b"}], "'b' is not the id", id="an id that is not there"),
        pytest.param([{"Id": "a", "Expression": "a+1"}], "refers to itself", id="an expression of itself"),
        pytest.param([{"Id": "a", "MetricStat": {"Stat": "Sum"}}], "needs Metric", id="half a metric"),
    ],
)
def test_wrong_queries_are_refused(aws: Aws, queries: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(ClientError, match=message) as refused:
        ask(aws, *queries)
    assert refused.value.response["Error"]["Code"] == "ValidationError"
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 10**12) | st.floats() | st.sampled_from(["a", "Sum", "p99", "a+1", ""]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(KEYS), JSON, max_size=5), st.sampled_from(KEYS), JSON)
def test_no_request_breaks_it(aws: Aws, asked: dict[str, Any], key: str, value: Any) -> None:
    request = Request(
        account=CALLER, region=REGION, access_key="demo", now=NOW, world=tiny_world(), state=aws.running.state
    )
    window = {"StartTime": (NOW - DAY).timestamp(), "EndTime": NOW.timestamp()}
    for params in (asked, window | {"MetricDataQueries": [query() | {key: value}]}, window | {key: value}):
        try:
            get_metric_data_json(request, params)
        except Fault as fault:
            assert fault.status == 400  # noqa: PT017 - both ends are fine, nothing else is


def test_an_empty_window_is_refused(aws: Aws) -> None:
    with pytest.raises(ClientError, match="StartTime must be less"):
        ask(aws, query(), start=NOW, end=NOW)


def test_another_account_is_forbidden_within_a_good_answer(aws: Aws) -> None:
    answer = ask(aws, query("a"), query("b", AccountId="999999999999"))
    assert [r["StatusCode"] for r in answer["MetricDataResults"]] == ["Complete", "Forbidden"]


def test_return_data_false_is_left_out(aws: Aws) -> None:
    answer = ask(aws, query("a", ReturnData=False), {"Id": "e", "Expression": "a*2", "Label": "twice"})
    assert [(r["Id"], r["Label"]) for r in answer["MetricDataResults"]] == [("e", "twice")]


@pytest.mark.parametrize(
    ("label", "shown"),
    [
        ("${PROP('Dim.FunctionName')} ${LABEL}", "hours Invocations"),
        ("${PROP('Namespace')}/${PROP('MetricName')} ${PROP('Stat')}", "AWS/Lambda/Invocations Average"),
        ("max ${MAX} min ${MIN} last ${LAST}", "max 5 min 3 last 5"),
        ("${NOSUCH} ${PROP('Dim.No')}", "${NOSUCH} --"),
    ],
)
def test_dynamic_labels(aws: Aws, label: str, shown: str) -> None:
    answer = ask(aws, query(Label=label), start=NOW - 4 * HOUR, end=NOW - HOUR)
    assert answer["MetricDataResults"][0]["Label"] == shown


def test_gaps_stay_gaps(aws: Aws) -> None:
    (result,) = ask(aws, query("a", "gaps", None, namespace="Test/Marks", period=300))["MetricDataResults"]
    assert result["Values"] == [1.0, 100.0, 100.0, 1.0]
    newest = NOW - timedelta(seconds=SETTLE + 300)
    assert result["Timestamps"] == [newest - timedelta(minutes=5 * n) for n in (0, 1, 3, 4)]


def test_the_query_protocol_says_the_same_as_json(aws: Aws) -> None:
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials
    from botocore.httpsession import URLLib3Session

    fields = {
        "Action": "GetMetricData",
        "Version": "2010-08-01",
        "StartTime": (NOW - 4 * HOUR).isoformat(),
        "EndTime": (NOW - HOUR).isoformat(),
        "MetricDataQueries.member.1.Id": "a",
        "MetricDataQueries.member.1.MetricStat.Metric.Namespace": "AWS/Lambda",
        "MetricDataQueries.member.1.MetricStat.Metric.MetricName": "Invocations",
        "MetricDataQueries.member.1.MetricStat.Metric.Dimensions.member.1.Name": "FunctionName",
        "MetricDataQueries.member.1.MetricStat.Metric.Dimensions.member.1.Value": "hours",
        "MetricDataQueries.member.1.MetricStat.Period": "3600",
        "MetricDataQueries.member.1.MetricStat.Stat": "Average",
    }
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    request = AWSRequest("POST", aws.running.url + "/", headers=headers, data=fields)
    SigV4Auth(Credentials("demo", "secret"), "monitoring", "eu-central-1").add_auth(request)
    answer = URLLib3Session().send(request.prepare())
    assert answer.status_code == 200
    assert "<Values><member>5.0</member><member>4.0</member><member>3.0</member></Values>" in answer.text


def test_calls_queries_and_datapoints_are_counted() -> None:
    with (aws := start(many_series(20))).running:
        queries = [query(f"q{n}", function=f"fn-{n:05d}", period=300) for n in range(20)]
        answer = ask(aws, *queries, end=NOW - HOUR)
        assert sum(len(r["Values"]) for r in answer["MetricDataResults"]) == 20 * 276
        stats = aws.running.stats()
        assert (stats["calls"], stats["queries"], stats["points"]) == ({"cloudwatch:GetMetricData": 1}, 20, 20 * 276)
