"""The fast way of reading GetMetricData says what botocore's own parser says of the same bytes, or steps aside."""

from __future__ import annotations

import json
from typing import Any

import botocore.session
import numpy as np
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from opsbot.aws.answers import Column, columns, notes, read_columns

TIMES = [1795158000.0, 1795157700.0, 1795157400]
SPACED = json.dumps


def tight(document: object) -> str:
    return json.dumps(document, separators=(",", ":"))


def result(
    id: str, values: list[Any], status: str = "Complete", times: list[Any] | None = None, **more: Any
) -> dict[str, Any]:
    moments = TIMES[: len(values)] if times is None else times
    return {"Id": id, "Label": "x", "Timestamps": moments, "Values": values, "StatusCode": status, **more}


PAGE = {
    "MetricDataResults": [
        result("m0", [1.5, 2, 3e-7]),
        result("m1", [4.0, 5.0, 6.0], times=[1795158000, 1795157700, 1795157400]),
        result("m2", [7.0, 8.0], "PartialData", Messages=[{"Code": "Late", "Value": "some points are\nmissing"}]),
        result("m3", [], "InternalError"),
        result("m4", [], "Forbidden"),
        result("m5", [9.0], times=[1795154400.0], Label='a "Timestamps":[1,2] in a label'),
        result("m6", [1.0, 2.0, 3.0]),
    ],
    "Messages": [{"Code": "MaxMetricsExceeded", "Value": "too many"}],
    "NextToken": "abc==",
}


# Loading the model is the slow part of a client, and every session has it anew.
SESSION = botocore.session.Session()


def ask(url: str, *, hooked: bool) -> dict[str, Any]:
    config = Config(retries={"total_max_attempts": 1})
    client = SESSION.create_client("cloudwatch", region_name="eu-central-1", endpoint_url=url, config=config)
    if hooked:
        read_columns(client)
    try:
        page: dict[str, Any] = client.get_metric_data(MetricDataQueries=[], StartTime=0, EndTime=1)
    except ClientError as error:
        page = {"Error": error.response["Error"]}
    finally:
        client.close()
    return page


def shown(found: list[Column]) -> list[tuple[str, list[float], list[float], str, str]]:
    return [(c.id, c.times.tolist(), c.values.tolist(), c.status, c.notes) for c in found]


@pytest.mark.parametrize("dump", [tight, SPACED], ids=["as AWS writes it", "with spaces"])
def test_the_same_as_the_default_parser(script: Any, dump: Any) -> None:
    script.answers = [(200, dump(PAGE).encode())]
    fast, default = ask(script.url, hooked=True), ask(script.url, hooked=False)
    assert "OpsbotColumns" in fast, "the fast way was not taken"
    assert shown(columns(fast)) == shown(columns(default))
    assert len(columns(fast)) == 7
    assert (fast["NextToken"], notes(fast["Messages"])) == (default["NextToken"], notes(default["Messages"]))


def test_pages_and_an_error_are_the_same_too(script: Any) -> None:
    pages = [
        (200, tight({"MetricDataResults": [result("m0", [1.0], "PartialData")], "NextToken": "2"}).encode()),
        (400, tight({"__type": "ValidationError", "message": "too many"}).encode()),
        (500, b"<html>not json</html>"),
        (200, tight({"MetricDataResults": [], "Messages": []}).encode()),
    ]
    for page in pages:
        script.answers = [page]
        fast, default = ask(script.url, hooked=True), ask(script.url, hooked=False)
        assert fast.get("Error") == default.get("Error")
        assert fast.get("NextToken") == default.get("NextToken")
        assert shown(columns(fast)) == shown(columns(default))


@pytest.mark.parametrize(
    "results",
    [
        pytest.param(
            [result("m0", [1.0, 2.0], times=["2026-11-20T07:00:00Z", "2026-11-20T06:55:00Z"])], id="times as text"
        ),
        pytest.param([{k: v for k, v in result("m0", [1.0]).items() if k != "StatusCode"}], id="no status"),
        pytest.param([{"Id": "m0", "StatusCode": "Complete"}], id="no points at all"),
        pytest.param([result("m0", [1.0]) | {"Surprise": {"new": 1}}], id="a field nobody knows"),
        pytest.param([], id="no results"),
    ],
)
def test_what_is_not_known_is_left_to_the_default_parser(script: Any, results: list[Any]) -> None:
    script.answers = [(200, tight({"MetricDataResults": results}).encode())]
    fast, default = ask(script.url, hooked=True), ask(script.url, hooked=False)
    assert shown(columns(fast)) == shown(columns(default))


def test_values_that_do_not_fit_their_times_are_refused(script: Any) -> None:
    script.answers = [(200, tight({"MetricDataResults": [result("m0", [1.0, 2.0], times=[1795158000])]}).encode())]
    with pytest.raises(ValueError, match="1 timestamps for 2 values"):
        columns(ask(script.url, hooked=True))


def test_equal_moments_are_converted_once(script: Any) -> None:
    results = [result(f"m{n}", [1.0, 2.0, 3.0]) for n in range(50)]
    script.answers = [(200, tight({"MetricDataResults": results}).encode())]
    found = columns(ask(script.url, hooked=True))
    assert len({id(column.times) for column in found}) == 1
    assert np.array_equal(found[7].times, TIMES)
