"""Reading metrics end to end: the right points in the right cells, and a reason for every query that has none."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.session
import numpy as np
import pytest

from opsbot.aws import Aws
from opsbot.aws.metrics import ALONE
from opsbot.model.environment import Environment
from opsbot.model.period import Period
from opsbot.ports import Ask, MetricQuery, Reading
from opsbot.replica.world import World

NOW = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
DAY = Period(start=NOW - timedelta(hours=24), end=NOW)
HOUR = Period(start=NOW - timedelta(hours=1), end=NOW)
ALONE_ENV = Environment(name="alone", regions=("eu-central-1", "us-east-1"))


def query(number: int, period: int = 300) -> MetricQuery:
    return MetricQuery("AWS/Lambda", "Duration", (("FunctionName", f"f{number}"),), "Average", period)


def ask(
    count: int, window: Period = HOUR, *, environment: Environment = ALONE_ENV, region: str = "eu-central-1"
) -> Ask:
    return Ask(environment=environment, region=region, window=window, queries=tuple(map(query, range(count))))


def read(aws: Aws, *asks: Ask) -> list[Reading]:
    readings = [reading for part in aws.read(asks) for reading in part]
    for reading in readings:
        wanted = {q for q in reading.ask.queries if q.period == reading.grid.step}
        assert set(reading.rows) | set(reading.gaps) == wanted, "no query is lost"
        assert not set(reading.rows) & set(reading.gaps)
    return readings


# --- against the embedded AWS ---------------------------------------------------------------------------------------


def series_of(world: World, environment: Environment) -> list[tuple[str, str, tuple[tuple[str, str], ...]]]:
    found = world.series(environment.account_id, environment.home_region)
    return sorted((series.namespace, series.name, series.dimensions) for series in found)


def test_every_point_is_where_botocore_itself_would_put_it(
    world: World, cloud: Any, aws: Aws, environments: dict[str, Environment]
) -> None:
    environment = environments["dhbw-prod"]
    queries = tuple(MetricQuery(*series, "Average", 300) for series in series_of(world, environment)[:40])
    [reading] = read(aws, Ask(environment=environment, region="eu-central-1", window=DAY, queries=queries))
    assert not reading.gaps
    assert reading.grid.values.shape == (40, 288)
    expected = _asked_plainly(environment, queries, DAY)
    for query, row in reading.rows.items():
        points = {
            int(time): float(value)
            for time, value in zip(reading.grid.times, reading.grid.values[row], strict=True)
            if not np.isnan(value)
        }
        assert points == pytest.approx(expected[query])
    assert sum(map(len, expected.values())) > 5000
    assert aws.usage().datapoints == sum(map(len, expected.values()))
    assert aws.usage().metrics == 40


def _asked_plainly(
    environment: Environment, queries: tuple[MetricQuery, ...], window: Period
) -> dict[MetricQuery, dict[int, float]]:
    """The same through plain botocore, one GetMetricStatistics each."""
    session = botocore.session.Session()
    role = session.create_client("sts", region_name="eu-central-1").assume_role(
        RoleArn=environment.role_arn, RoleSessionName="test", ExternalId="opsbot-demo"
    )["Credentials"]
    client = session.create_client(
        "cloudwatch",
        region_name=environment.home_region,
        aws_access_key_id=role["AccessKeyId"],
        aws_secret_access_key=role["SecretAccessKey"],
        aws_session_token=role["SessionToken"],
    )
    return {query: _statistics(client, query, window) for query in queries}


def _statistics(client: Any, query: MetricQuery, window: Period) -> dict[int, float]:
    answer = client.get_metric_statistics(
        Namespace=query.namespace,
        MetricName=query.name,
        Dimensions=[{"Name": name, "Value": value} for name, value in query.dimensions],
        StartTime=window.start,
        EndTime=window.end,
        Period=query.period,
        Statistics=[query.statistic],
    )
    return {int(point["Timestamp"].timestamp()): point[query.statistic] for point in answer["Datapoints"]}


def test_asks_that_share_series_share_the_call(
    world: World, cloud: Any, aws: Aws, environments: dict[str, Environment]
) -> None:
    environment = environments["dhbw-prod"]
    one, two, three = (MetricQuery(*series, "Average", 300) for series in series_of(world, environment)[:3])
    asks = [
        Ask(environment=environment, region="eu-central-1", window=DAY, queries=q) for q in ((one, two), (two, three))
    ]
    first, second = sorted(read(aws, *asks), key=lambda reading: asks.index(reading.ask))
    assert dict(aws.usage().calls)["cloudwatch:GetMetricData"] == 1
    assert np.array_equal(first.grid.values[first.rows[two]], second.grid.values[second.rows[two]], equal_nan=True)


def test_several_periods_and_an_empty_ask(
    world: World, cloud: Any, aws: Aws, environments: dict[str, Environment]
) -> None:
    environment = environments["dhbw-prod"]
    series = series_of(world, environment)[0]
    queries = (MetricQuery(*series, "Average", 300), MetricQuery(*series, "Average", 3600))
    empty = Ask(environment=environment, region="eu-central-1", window=DAY, queries=())
    parts = list(aws.read([empty, Ask(environment=environment, region="eu-central-1", window=DAY, queries=queries)]))
    assert [tuple(reading.grid.step for reading in part) for part in parts] == [(), (300, 3600)]
    five, hourly = parts[1]
    assert (five.grid.values.shape, hourly.grid.values.shape) == ((1, 288), (1, 24))


def rule(fault: str, **more: Any) -> dict[str, Any]:
    return {"service": "cloudwatch", "operation": "GetMetricData", "fault": fault, **more}


@pytest.mark.parametrize(
    ("faults", "attempts", "read_rows", "why"),
    [
        pytest.param([rule("throttle", count=1)], 3, 20, None, id="throttled once: tried again"),
        pytest.param([rule("throttle", count=1)], 1, 20, None, id="throttled on every attempt: asked in halves"),
        pytest.param([rule("throttle")], 1, 0, "cloudwatch:GetMetricData was throttled on every attempt", id="throttled for good"),
        pytest.param([rule("server_error", count=1)], 3, 20, None, id="server error once: tried again"),
        pytest.param([rule("server_error")], 1, 0, "cloudwatch:GetMetricData failed at AWS on every attempt (InternalFailure)",
                     id="server error for good"),
        pytest.param([rule("access_denied")], 1, 0, "cloudwatch:GetMetricData is denied", id="denied"),
        pytest.param([rule("slow", seconds=0.3)], 1, 20, None, id="slow"),
        pytest.param([rule("expired_credentials")], 1, 0, "the credentials have expired", id="expired"),
        pytest.param([rule("region_off")], 1, 0, "the credentials were not accepted", id="unknown keys at home"),
        pytest.param([rule("forbidden_query", metric="CPUUtilization")], 1, None,
                     "cloudwatch:GetMetricData is denied for this metric", id="one metric forbidden inside a good answer"),
        pytest.param([rule("internal_error_query", metric="CPUUtilization", count=1)], 1, 20, None,
                     id="CloudWatch failed on a metric once"),
        pytest.param([rule("internal_error_query", metric="CPUUtilization")], 1, None,
                     "CloudWatch failed on this metric twice", id="CloudWatch fails on a metric"),
        pytest.param([{"service": "sts", "operation": "AssumeRole", "fault": "access_denied"}], 1, 0,
                     "sts:AssumeRole is denied", id="the role may not be assumed"),
    ],
)  # fmt: skip
def test_faults(
    world: World,
    cloud: Any,
    environments: dict[str, Environment],
    faults: list[dict[str, Any]],
    attempts: int,
    read_rows: int | None,
    why: str | None,
) -> None:
    """`read_rows` None: all but the metrics named CPUUtilization."""
    environment = environments["dhbw-prod"]
    chosen = [series for series in series_of(world, environment) if series[0] == "AWS/ECS"][:20]
    queries = tuple(MetricQuery(*series, "Average", 300) for series in chosen)
    cloud.fails(*faults)
    with Aws(secrets=lambda _: "opsbot-demo", attempts=attempts) as aws:
        [reading] = read(aws, Ask(environment=environment, region="eu-central-1", window=HOUR, queries=queries))
    bad = {q for q in queries if q.name == "CPUUtilization"} if read_rows is None else set(reading.gaps)
    assert set(reading.gaps) == bad
    assert len(reading.rows) == (len(queries) - len(bad) if read_rows is None else min(read_rows, len(queries)))
    assert all(text.startswith(why or "nothing") for text in reading.gaps.values())
    if read_rows:
        assert not np.isnan(reading.grid.values[:, :6]).all(axis=1).any()


def test_one_account_that_fails_stops_no_other(
    world: World, cloud: Any, aws: Aws, environments: dict[str, Environment]
) -> None:
    cloud.fails(rule("access_denied", account=environments["edt-prod"].account_id))
    asks = [
        Ask(
            environment=environment,
            region=environment.home_region,
            window=HOUR,
            queries=tuple(MetricQuery(*series, "Average", 300) for series in series_of(world, environment)[:5]),
        )
        for environment in environments.values()
    ]
    readings = {reading.ask.environment.name: reading for reading in read(aws, *asks)}
    assert set(readings) == set(environments)
    assert [name for name, reading in readings.items() if reading.gaps] == ["edt-prod"]
    assert set(readings["edt-prod"].gaps.values()) == {"cloudwatch:GetMetricData is denied"}


def test_throttles_are_counted(world: World, cloud: Any, environments: dict[str, Environment]) -> None:
    environment = environments["dhbw-prod"]
    cloud.fails(rule("throttle", count=2))
    queries = tuple(MetricQuery(*series, "Average", 300) for series in series_of(world, environment)[:5])
    with Aws(secrets=lambda _: "opsbot-demo", attempts=4) as aws:
        read(aws, Ask(environment=environment, region="eu-central-1", window=HOUR, queries=queries))
    assert aws.usage().throttled == 2
    assert dict(aws.usage().calls) == {
        "cloudwatch:GetMetricData": 3, "sts:AssumeRole": 1, "sts:GetCallerIdentity": 1
    }  # fmt: skip


def test_the_wrong_account_is_never_read(
    world: World, cloud: Any, aws: Aws, environments: dict[str, Environment]
) -> None:
    right = environments["dhbw-prod"]
    wrong = Environment(name="wrong", regions=right.regions, account_id="999999999999", role_arn=right.role_arn,
                        external_id=right.external_id)  # fmt: skip
    [reading] = read(aws, ask(3, environment=wrong))
    assert set(reading.gaps.values()) == {
        f"the credentials belong to account {right.account_id}, expected 999999999999"
    }
    assert "cloudwatch:GetMetricData" not in dict(aws.usage().calls)


# --- against a scripted CloudWatch ----------------------------------------------------------------------------------


def answered(request: dict[str, Any], **more: Any) -> tuple[int, bytes]:
    """Every query complete, with the query's place as its value."""
    return 200, json.dumps({"MetricDataResults": [good(q) for q in request["MetricDataQueries"]], **more}).encode()


def good(query: dict[str, Any], status: str = "Complete", minutes: tuple[int, ...] = (0, 5)) -> dict[str, Any]:
    name = query["MetricStat"]["Metric"]["Dimensions"][0]["Value"]
    times = [HOUR.start.timestamp() + 60 * minute for minute in minutes]
    return {"Id": query["Id"], "StatusCode": status, "Timestamps": times, "Values": [float(name[1:])] * len(times)}


def failing_on(bad: Callable[[str], bool], status: int, code: str) -> Callable[[dict[str, Any]], tuple[int, bytes]]:
    def answer(request: dict[str, Any]) -> tuple[int, bytes]:
        names = [q["MetricStat"]["Metric"]["Dimensions"][0]["Value"] for q in request["MetricDataQueries"]]
        if any(map(bad, names)):
            return status, json.dumps({"__type": code, "message": "no"}).encode()
        return answered(request)

    return answer


def test_a_bad_query_costs_one_query(script: Any, aws: Aws) -> None:
    script.answers = [failing_on(lambda name: name == "f77", 400, "ValidationError")]
    [reading] = read(aws, ask(400))
    assert [q.dimensions[0][1] for q in reading.gaps] == ["f77"]
    assert set(reading.gaps.values()) == {"cloudwatch:GetMetricData was refused: ValidationError no"}
    assert all(reading.grid.values[row][0] == float(q.dimensions[0][1][1:]) for q, row in reading.rows.items())
    assert len(script.asked) < 25


def test_a_service_that_refuses_everything_is_given_up(script: Any, aws: Aws) -> None:
    script.answers = [failing_on(lambda _: True, 400, "ValidationError")]
    [reading] = read(aws, ask(500))
    assert len(reading.gaps) == 500
    assert len(script.asked) < 500


def test_pages_are_put_together(script: Any, aws: Aws) -> None:
    def first(request: dict[str, Any]) -> tuple[int, bytes]:
        results = [good(q, "PartialData", (0, 5)) for q in request["MetricDataQueries"]]
        return 200, json.dumps({"MetricDataResults": results, "NextToken": "more"}).encode()

    def second(request: dict[str, Any]) -> tuple[int, bytes]:
        assert request["NextToken"] == "more"
        results = [good(q, "Complete", (10, 55)) for q in request["MetricDataQueries"]]
        return 200, json.dumps({"MetricDataResults": results}).encode()

    script.answers = [first, second]
    [reading] = read(aws, ask(3))
    [row] = {tuple(np.flatnonzero(~np.isnan(reading.grid.values[row])).tolist()) for row in reading.rows.values()}
    assert row == (0, 1, 2, 11)
    assert aws.usage().metrics == 3


def statuses(*told: str) -> list[Callable[[dict[str, Any]], tuple[int, bytes]]]:
    """The status of query f1 in each call in turn; all others are complete."""

    def answer(status: str) -> Callable[[dict[str, Any]], tuple[int, bytes]]:
        def page(request: dict[str, Any]) -> tuple[int, bytes]:
            results = []
            for q in request["MetricDataQueries"]:
                mine = q["MetricStat"]["Metric"]["Dimensions"][0]["Value"] == "f1"
                if mine and status == "absent":
                    continue
                results.append(good(q, status if mine else "Complete"))
                if mine and status == "InternalError":
                    results[-1]["Messages"] = [{"Code": "Internal", "Value": "try later"}]
            return 200, json.dumps({"MetricDataResults": results}).encode()

        return page

    return [answer(status) for status in told]


@pytest.mark.parametrize(
    ("told", "calls", "why"),
    [
        pytest.param(["PartialData", "Complete"], 2, None, id="part of it, then all"),
        pytest.param(["PartialData", "PartialData"], 2, "CloudWatch gave only a part of the points", id="part of it twice"),
        pytest.param(["InternalError", "Complete"], 2, None, id="an internal error, then all"),
        pytest.param(["InternalError", "InternalError"], 2, "CloudWatch failed on this metric twice (Internal: try later)",
                     id="an internal error twice, with what CloudWatch said"),
        pytest.param(["absent", "absent"], 2, "CloudWatch left this metric unanswered", id="not in the answer"),
        pytest.param(["Forbidden"], 1, "cloudwatch:GetMetricData is denied for this metric", id="forbidden is not asked again"),
        pytest.param(["Unheard", "Unheard"], 2, "CloudWatch answered 'Unheard' for this metric", id="a status nobody knows"),
    ],
)  # fmt: skip
def test_status_of_one_query(script: Any, aws: Aws, told: list[str], calls: int, why: str | None) -> None:
    script.answers = statuses(*told)
    [reading] = read(aws, ask(4))
    assert {q.dimensions[0][1]: text for q, text in reading.gaps.items()} == ({} if why is None else {"f1": why})
    assert len(script.asked) == calls
    assert [len(request["MetricDataQueries"]) for request in script.asked][1:] == [1] * (calls - 1), "asked alone"


def test_many_failed_queries_are_asked_again_together(script: Any, aws: Aws) -> None:
    def partly(request: dict[str, Any]) -> tuple[int, bytes]:
        return 200, json.dumps(
            {"MetricDataResults": [good(q, "InternalError") for q in request["MetricDataQueries"]]}
        ).encode()

    script.answers = [partly, answered]
    [reading] = read(aws, ask(ALONE + 20))
    assert not reading.gaps
    assert len(script.asked) == 2


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(lambda n: "same", id="the same token again"),
        pytest.param(lambda n: f"t{n}", id="always another token"),
    ],
)
def test_pages_without_end(script: Any, aws: Aws, token: Callable[[int], str]) -> None:
    def page(request: dict[str, Any]) -> tuple[int, bytes]:
        results = [good(q, "PartialData") for q in request["MetricDataQueries"]]
        return 200, json.dumps({"MetricDataResults": results, "NextToken": token(len(script.asked))}).encode()

    script.answers = [page]
    [reading] = read(aws, ask(2))
    assert all(re.match("CloudWatch (repeated|sent more) ", text) for text in reading.gaps.values())
    assert len(reading.gaps) == 2
    assert len(script.asked) < 100


def one_result(id: str, times: str, values: str) -> bytes:
    return f'{{"MetricDataResults": [{{"Id": {id}, "StatusCode": "Complete", "Timestamps": {times}, "Values": {values}}}]}}'.encode()


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"<html>proxy</html>", id="a proxy's page"),
        pytest.param(one_result('"m9"', "[]", "[]"), id="an id nobody asked"),
        pytest.param(one_result('"x"', "[]", "[]"), id="not our id"),
        pytest.param(one_result('"m0"', "[1, 2]", "[1]"), id="uneven"),
        pytest.param(one_result('"m0"', '["x"]', '["y"]'), id="words"),
        pytest.param(b'{"MetricDataResults": 7}', id="a number"),
        pytest.param(b'{"MetricDataResults": [null]}', id="null"),
    ],
)
def test_nonsense_becomes_a_reason(script: Any, aws: Aws, body: bytes) -> None:
    script.answers = [(200, body)]
    [reading] = read(aws, ask(2))
    assert len(reading.gaps) == 2


def test_points_outside_the_window_and_infinities_are_left_out(script: Any, aws: Aws) -> None:
    def page(request: dict[str, Any]) -> tuple[int, bytes]:
        times = [HOUR.start.timestamp() + 60 * minute for minute in (-5, 0, 5, 55, 60)]
        result = {"Id": "m0", "StatusCode": "Complete", "Timestamps": times, "Values": [1.0, 2.0, 1e400, 4.0, 5.0]}
        return 200, json.dumps({"MetricDataResults": [result]}).replace("Infinity", "1e400").encode()

    script.answers = [page]
    [reading] = read(aws, ask(1))
    if reading.rows:
        kept = reading.grid.values[0]
        assert kept[~np.isnan(kept)].tolist() == [2.0, 4.0]


def test_what_cannot_be_reached_is_said_once_per_place(
    signed_in: None, monkeypatch: pytest.MonkeyPatch, aws: Aws
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH", "http://127.0.0.1:9")
    readings = read(aws, ask(20_000), ask(2, region="us-east-1"))
    assert {text.split(":")[1] for reading in readings for text in reading.gaps.values()} == {
        "GetMetricData could not be reached"
    }
    assert dict(aws.usage().calls)["cloudwatch:GetMetricData"] < 40, "41 calls were planned"


def test_no_credentials_at_all(signed_in: None, monkeypatch: pytest.MonkeyPatch, aws: Aws) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    [reading] = read(aws, ask(2))
    assert set(reading.gaps.values()) == {"no usable AWS credentials: Unable to locate credentials"}


def test_stopping_halfway_leaves_nothing_running(script: Any, aws: Aws) -> None:
    script.answers = [answered]
    parts: Iterator[tuple[Reading, ...]] = aws.read([ask(3), ask(3, region="us-east-1")])
    next(parts)
    parts.close()  # type: ignore[attr-defined]
    assert len(read(aws, ask(3))) == 1
