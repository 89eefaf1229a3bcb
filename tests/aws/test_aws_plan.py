"""The planner: every query once, nothing over AWS's limits, hardly a call more than the limits force."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsbot.aws import Aws
from opsbot.aws.plan import MAX_POINTS, MAX_QUERIES, Plan, estimate, plan
from opsbot.errors import PlanTooDear
from opsbot.model.environment import Environment
from opsbot.model.period import Period
from opsbot.ports import Ask, MetricQuery

END = datetime(2026, 11, 20, 7, 3, tzinfo=UTC)
ONE = Environment(name="one", regions=("eu-central-1", "us-east-1"))
TWO = Environment(name="two", regions=("eu-central-1",))


def window(hours: float) -> Period:
    return Period(start=END - timedelta(minutes=round(hours * 60)), end=END)


@cache
def query(number: int, period: int = 300, statistic: str = "Average") -> MetricQuery:
    return MetricQuery("AWS/Lambda", "Duration", (("FunctionName", f"f{number}"),), statistic, period)


def ask(
    queries: list[MetricQuery], *, hours: float = 24, environment: Environment = ONE, region: str = "eu-central-1"
) -> Ask:
    return Ask(environment=environment, region=region, window=window(hours), queries=tuple(queries))


queries = st.builds(
    query,
    st.integers(0, 900),
    st.sampled_from([60, 300, 3600, 86400]),
    st.sampled_from(["Average", "Sum", "Maximum", "p95"]),
)
asks = st.lists(
    st.builds(
        lambda some, many, hours, environment, region: ask(
            some + [query(number) for number in range(many)], hours=hours, environment=environment, region=region
        ),
        st.lists(queries, max_size=20),
        st.sampled_from([0, 0, 0, 1, 351]),
        st.sampled_from([0.2, 1, 24, 168, 720]),
        st.sampled_from([ONE, TWO]),
        st.sampled_from(["eu-central-1", "us-east-1"]),
    ),
    max_size=6,
)


@settings(max_examples=50, deadline=None)
@given(asks)
def test_every_query_once_and_no_call_too_large(wanted: list[Ask]) -> None:
    planned = plan(wanted)
    for batch in planned.batches:
        assert 0 < len(batch.rows) <= MAX_QUERIES
        assert batch.points <= MAX_POINTS or len(batch.rows) == 1
    asked = Counter((id(batch.group), row) for batch in planned.batches for row in batch.rows)
    expected = {(id(group), row) for group in planned.groups if group.count for row in range(len(group.queries))}
    assert set(asked) == expected
    assert set(asked.values()) <= {1}
    _all_answered(planned)


def _all_answered(planned: Plan) -> None:
    for wanted, groups in zip(planned.asks, planned.groups_of, strict=True):
        assert {q for group in groups for q in group.queries} >= set(wanted.queries)
        assert {group.step for group in groups} == {q.period for q in wanted.queries}
        assert all(group.environment == wanted.environment and group.region == wanted.region for group in groups)
    keys = [(g.environment.name, g.region, g.start, g.step, g.count) for g in planned.groups]
    assert len(keys) == len(set(keys)), "one group per environment, region and window: equal queries meet there"


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 4_000), st.sampled_from([12, 24, 288, 336, 1440, 2016]))
def test_calls_stay_at_the_floor(count: int, points: int) -> None:
    planned = plan([ask([query(number) for number in range(count)], hours=points / 12)])
    floor = max(-(-count // MAX_QUERIES), -(-count * points // MAX_POINTS))
    calls = dict(estimate(planned).calls)["cloudwatch:GetMetricData"]
    assert calls == floor


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 4_000), st.integers(1, 9000))
def test_calls_stay_at_what_whole_queries_allow(count: int, points: int) -> None:
    planned = plan([ask([query(number) for number in range(count)], hours=points / 12)])
    assert len(planned.batches) == -(-count // min(MAX_QUERIES, MAX_POINTS // points))


@pytest.mark.parametrize(
    ("wanted", "calls", "metrics", "points"),
    [
        pytest.param([], 0, 0, 0, id="nothing asked"),
        pytest.param([ask([])], 0, 0, 0, id="an ask without queries"),
        pytest.param([ask([query(1)]), ask([query(1)])], 1, 1, 288, id="two checks want the same series"),
        pytest.param([ask([query(1), query(2), query(1)])], 1, 2, 576, id="repeated within an ask"),
        pytest.param([ask([query(1)]), ask([query(1)], environment=TWO)], 2, 2, 576, id="another account is another series"),
        pytest.param([ask([query(n) for n in range(5000)])], 15, 5000, 1_440_000, id="5,000 series of a day fill 15 calls"),
        pytest.param([ask([query(1, 300), query(1, 3600)])], 2, 2, 288 + 24, id="two periods are two groups"),
        pytest.param([ask([query(1)], hours=0.05)], 0, 0, 0, id="a window without a whole period costs nothing"),
        pytest.param(
            [ask([query(1, 300, s) for s in ("Average", "Sum", "p95", "p99", "Maximum")])],
            1, 1, 1440, id="five statistics of one metric are billed once",
        ),
        pytest.param(
            [ask([query(n, 300, s) for s in ("Average", "Sum", "p90", "p95", "p99", "Maximum") for n in (1, 2)])],
            1, 4, 3456, id="six statistics are billed twice",
        ),
        pytest.param([ask([query(1, 60)], hours=24 * 90)], 2, 1, 129_600, id="one series larger than a page has two"),
    ],
)  # fmt: skip
def test_price(wanted: list[Ask], calls: int, metrics: int, points: int) -> None:
    told = estimate(plan(wanted))
    assert (sum(count for _, count in told.calls), told.metrics, told.datapoints) == (calls, metrics, points)
    assert told.usd == pytest.approx(metrics / 1000 * 0.01)


def test_a_large_environment_does_not_keep_a_small_one_waiting() -> None:
    planned = plan([ask([query(n) for n in range(3500)]), ask([query(1)], environment=TWO)])
    assert [batch.group.environment.name for batch in planned.batches][:2] == ["one", "two"]


def test_too_dear_is_said_before_anything_is_asked() -> None:
    wanted = [ask([query(n) for n in range(2000)])]
    with Aws(max_usd=0.01) as aws, pytest.raises(PlanTooDear, match=r"\$0\.0200.*\$0\.0100"):
        aws.read(wanted)
    assert aws.usage().calls == ()
