"""The queries that are written as bytes are, on the wire, what botocore itself would have written of them."""

from __future__ import annotations

from typing import Any

import botocore.session
import pytest

from opsbot.aws.questions import asked, write_queries
from opsbot.ports import MetricQuery

ANSWER = (200, b'{"MetricDataResults":[]}')
NAMES = {
    "plain": "lecture-backend",
    "quotes and backslashes": 'say "hi" \\ \\" \\u0041 \'x\'',
    "our own mark": '"MetricDataQueries": []',
    "breaks and controls": "a\r\nb\tc\x00\x1b[31m\x7f\x85\u2028\u2029",
    "arabic, overrides": "خادم \u202egnp.exe\u2066",
    "chinese": "生产环境数据库",
    "emoji": "👩\u200d👩\u200d👧 🔥",
    "markup": "</td><script>&amp;{{ 7*7 }}%s %d ${x}",
    "long": "ü" * 1024,
}
# The model is what takes time in making a client.
SESSION = botocore.session.Session()


def sent(script: Any, queries: list[MetricQuery], *, by_bytes: bool) -> dict[str, Any]:
    """The body that came over the wire, parsed."""
    client = SESSION.create_client("cloudwatch", region_name="eu-central-1", endpoint_url=script.url)
    script.answers = [ANSWER]
    known = {"StartTime": 1795158000, "EndTime": 1795161600.5, "MaxDatapoints": 100_800}
    if by_bytes:
        write_queries(client)
        with asked(client, queries) as given:
            assert given == [], "the fast way was not taken"
            client.get_metric_data(MetricDataQueries=given, **known)
    else:
        client.get_metric_data(MetricDataQueries=[plain(n, query) for n, query in enumerate(queries)], **known)
    client.close()
    body: dict[str, Any] = script.asked[-1]
    return body


def plain(number: int, query: MetricQuery) -> dict[str, Any]:
    """A query as botocore's documentation has it."""
    dimensions = [{"Name": name, "Value": value} for name, value in query.dimensions]
    metric = {"Namespace": query.namespace, "MetricName": query.name, "Dimensions": dimensions}
    return {"Id": f"m{number}", "MetricStat": {"Metric": metric, "Period": query.period, "Stat": query.statistic}}


def query(name: str, statistic: str = "p99.9") -> MetricQuery:
    return MetricQuery(name, name, (("ClusterName", name), (name, "x")), statistic, 300)


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
def test_the_body_is_the_one_botocore_writes(script: Any, name: str) -> None:
    queries = [query(name), MetricQuery("AWS/Lambda", "Errors", (), "Sum", 60), query(name, 'TM(10%:90%)"')]
    fast, default = sent(script, queries, by_bytes=True), sent(script, queries, by_bytes=False)
    assert fast == default
    assert fast["MetricDataQueries"][0]["MetricStat"]["Metric"]["Dimensions"][0]["Value"] == name


def test_a_whole_batch_too(script: Any) -> None:
    queries = [query(f"{name}{n}") for n in range(40) for name in NAMES.values() if len(name) < 100]
    assert sent(script, queries, by_bytes=True) == sent(script, queries, by_bytes=False)


def test_nothing_is_left_for_the_next_call(script: Any) -> None:
    client = SESSION.create_client("cloudwatch", region_name="eu-central-1", endpoint_url=script.url)
    write_queries(client)
    script.answers = [ANSWER]
    for queries in ([query("first")], [query("second")]):
        with asked(client, queries) as given:
            client.get_metric_data(MetricDataQueries=given, StartTime=0, EndTime=1)
    client.get_metric_data(MetricDataQueries=[], StartTime=0, EndTime=1)
    client.close()
    names = [[q["MetricStat"]["Metric"]["MetricName"] for q in body["MetricDataQueries"]] for body in script.asked]
    assert names == [["first"], ["second"], []]
