"""A payer's bill over the wire: leaves that are the embedded AWS's own truth, requests counted, failures as gaps."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pytest

from opsbot.aws import Aws
from opsbot.aws.actions import action_of
from opsbot.aws.costplan import CostLimits, Span, due, further, requests
from opsbot.aws.policy import PAYER, actions, policy
from opsbot.evaluate.costdata import METRICS, CostReading, Metric, Shown
from opsbot.model.environment import Environment
from opsbot.model.period import last
from opsbot.replica import scenario
from opsbot.replica.bill import Books
from opsbot.replica.server import serve
from opsbot.replica.world import World
from tests.aws.conftest import NOW, Script, environment
from tests.outbox.world import fresh

TODAY = NOW.date()
USAGE = ("Usage", "DiscountedUsage", "SavingsPlanCoveredUsage")


@dataclass
class Purse:
    """An allowance in memory."""

    left: int = 10
    taken: int = 0
    given: int = 0
    why: str = "that was the last one"

    def take(self) -> bool:
        if self.left <= 0:
            return False
        self.left, self.taken = self.left - 1, self.taken + 1
        return True

    def give_back(self) -> None:
        self.left, self.given = self.left + 1, self.given + 1


def payer(environments: dict[str, Environment], name: str = "dhbw-prod") -> Environment:
    return replace(environments[name], payer=True)


SHORT, MONTH = CostLimits(depth=0), CostLimits(depth=14)


def test_leaves_are_what_was_used_where(
    cloud: Any, aws: Aws, world: World, environments: dict[str, Environment]
) -> None:
    """Account, service, region and usage type of every dollar, against the lines the embedded AWS made its answers of."""
    shown = aws.bill(payer(environments), TODAY, (), Purse(), SHORT)
    assert shown.gaps == ()
    month = Books(world=world).shown(world.spending.payers[0], date(2026, 11, 1), NOW)
    truth: dict[tuple[str, ...], float] = {}
    for line, row in zip(month.lines, month.unblended[:, 17], strict=True):
        if line.record_type in USAGE and row:
            key = (line.account, line.service, line.region, line.usage_type)
            truth[key] = truth.get(key, 0.0) + row
    (day,) = (one for one in shown.days if one.day == date(2026, 11, 18))
    told = {
        (leaf.account, leaf.service, leaf.region, leaf.usage_type): row[0]
        for leaf, row in zip(day.leaves, day.amounts, strict=True)
        if leaf.record_type in USAGE and row[0]
    }
    assert told.keys() == truth.keys()
    assert sum(told.values()) == pytest.approx(sum(truth.values()), rel=1e-9)
    # Several services share a few usage types in all accounts: those are fitted, everything else is exact.
    wrong = sum(abs(told[key] - truth[key]) for key in truth)
    assert wrong < 0.02 * sum(truth.values())
    assert sum(told[key] == pytest.approx(truth[key], rel=1e-6) for key in truth) > 0.7 * len(truth)


def test_records_stand_apart_and_each_request_is_a_cent(
    cloud: Any, aws: Aws, environments: dict[str, Environment]
) -> None:
    purse = Purse()
    shown = aws.bill(payer(environments), date(2026, 11, 5), (), purse, SHORT)
    first = shown.days[0]
    kinds = {leaf.record_type for leaf in first.leaves}
    assert first.day == date(2026, 11, 1)
    assert {"Tax", "Support", "Credit", "SavingsPlanRecurringFee", "SavingsPlanNegation"} <= kinds
    assert {leaf.account for leaf in first.leaves if leaf.record_type not in USAGE} == {""}
    assert (purse.taken, shown.requests, [day.estimated for day in shown.days]) == (4, 4, [True] * 4)
    usage = aws.usage()
    assert dict(usage.calls)["ce:GetCostAndUsage"] == 4
    assert usage.usd == pytest.approx(0.04)


def test_a_payer_without_permission_is_a_gap_that_names_the_action(
    cloud: Any, aws: Aws, environments: dict[str, Environment]
) -> None:
    cloud.fails({"fault": "access_denied", "service": "ce"})
    purse = Purse()
    shown = aws.bill(payer(environments), TODAY, (), purse)
    (gap,) = shown.gaps
    assert (gap.why, gap.action) == ("ce:GetCostAndUsage is denied", "ce:GetCostAndUsage")
    assert (shown.days, shown.readings, purse.left, aws.usage().usd) == ((), (), 10, 0.0)


def test_an_account_nobody_pays_for_is_a_gap(cloud: Any, aws: Aws) -> None:
    shown = aws.bill(Environment(name="alone", regions=("us-east-1",), payer=True), TODAY, (), Purse())
    assert "DataUnavailableException" in shown.gaps[0].why


def test_the_purse_ends_the_reading_and_says_so(cloud: Any, aws: Aws, environments: dict[str, Environment]) -> None:
    shown = aws.bill(payer(environments), TODAY, (), purse := Purse(left=3), SHORT)
    assert (shown.days, [gap.why for gap in shown.gaps], purse.taken) == ((), ["that was the last one"], 3)


def test_the_past_is_filled_newest_first_within_the_days_requests(
    cloud: Any, aws: Aws, environments: dict[str, Environment]
) -> None:
    """Two mornings of a store's life: what is known makes the next plan, and a second look on one morning asks nothing."""
    store = fresh()
    costs, shop = store.costs(), payer(environments, "shopai-prod")
    first = _morning(aws, costs, shop)
    assert [(one.first, one.end) for one in first.readings[:2]] == [
        (TODAY - timedelta(days=4), TODAY),
        (TODAY - timedelta(days=14), TODAY - timedelta(days=4)),
    ]
    assert costs.requests(shop.name, TODAY)[0] == first.requests <= 10
    assert aws.bill_requests(shop, TODAY, costs.readings(shop.name), MONTH) == 0
    assert _morning(aws, costs, shop).requests == 0
    (bill,) = costs.bills(shop.name, TODAY, TODAY)
    assert not np.isnan(bill.cost).any()
    assert bill.morning == TODAY
    assert bill.cost.shape[1] == sum(one.days for one in first.readings)
    store.close()


def _morning(aws: Aws, costs: Any, shop: Environment) -> Shown:
    allowance = costs.allowance(shop.name, TODAY, per_day=10, per_month=200)
    shown = aws.bill(shop, TODAY, costs.readings(shop.name), allowance, MONTH)
    costs.keep(shown)
    return shown


def test_budgets_are_read_with_what_is_spent_and_foreseen(
    cloud: Any, aws: Aws, environments: dict[str, Environment]
) -> None:
    read = aws.budgets(payer(environments))
    assert [(one.name, one.limit, one.currency, one.unit) for one in read.budgets] == [
        ("lecture-platform", 31000.0, "USD", "MONTHLY"),
        ("lecture-americas", 9500.0, "USD", "MONTHLY"),
    ]
    americas = read.budgets[1]
    assert americas.about.startswith("LinkedAccount 205000000001, ")
    assert 0 < americas.spent < (americas.foreseen or 0)
    cloud.fails({"fault": "access_denied", "service": "budgets"})
    denied = aws.budgets(payer(environments))
    assert (denied.budgets, denied.action) == ((), "budgets:ViewBudget")


def test_what_is_called_for_a_payer_is_allowed_and_nothing_else(
    cloud: Any, aws: Aws, environments: dict[str, Environment]
) -> None:
    aws.bill(payer(environments), TODAY, (), Purse(), SHORT)
    aws.budgets(payer(environments))
    aws.advice(payer(environments), TODAY, Purse())
    aws.anomalies(payer(environments), TODAY, TODAY, Purse())
    aws.writes(payer(environments), "eu-central-1", last(days=2, now=NOW))
    cloud.fails({"service": "cost-optimization-hub", "fault": "access_denied"})
    aws.advice(payer(environments), TODAY, Purse())
    called = {action_of(name) for name, _ in aws.usage().calls if not name.startswith("sts:")}
    assert called == set(PAYER) == set(actions([], False, payer=True)) - set(actions([], False))
    told = policy(["ce:GetCostAndUsage"], ["s3://billing/exports/daily", "/srv/bill.csv"])["Statement"]
    assert [(one["Action"], one["Resource"]) for one in told[1:]] == [
        (["s3:ListBucket"], ["arn:aws:s3:::billing"]),
        (["s3:GetObject"], ["arn:aws:s3:::billing/exports/daily*"]),
    ]


# ---- answers that no AWS would give on request ---------------------------------------------------------------


def group(*keys: str, amount: str = "1.5", unit: str = "USD") -> dict[str, Any]:
    metrics = {metric.value: {"Amount": amount, "Unit": unit} for metric in METRICS}
    return {"Keys": list(keys), "Metrics": metrics}


def page(*groups: dict[str, Any], day: str = "2026-11-19", **more: Any) -> tuple[int, bytes]:
    period = {"TimePeriod": {"Start": day, "End": day}, "Groups": list(groups), "Estimated": True}
    return 200, json.dumps({"ResultsByTime": [period], **more}).encode()


@pytest.fixture
def ce(script: Script, monkeypatch: pytest.MonkeyPatch) -> Script:
    monkeypatch.setenv("AWS_ENDPOINT_URL_COST_EXPLORER", script.url)
    return script


def tables(request: dict[str, Any], unit: str = "USD", **more: Any) -> tuple[int, bytes]:
    """A bill of one leaf in whatever tables it is asked."""
    value = {"LINKED_ACCOUNT": "1", "USAGE_TYPE": "Req", "SERVICE": "S3", "RECORD_TYPE": "Usage"}
    return page(group(*(value[one["Key"]] for one in request["GroupBy"]), unit=unit), **more)


ALONE = Environment(name="alone", regions=("eu-central-1",), payer=True)


def odd_currency(request: dict[str, Any]) -> tuple[int, bytes]:
    return tables(request, unit="INR" if request["GroupBy"][0]["Key"] == "SERVICE" else "USD")


def unlike(request: dict[str, Any]) -> tuple[int, bytes]:
    if request["GroupBy"][0]["Key"] == "RECORD_TYPE":
        return page(group("Usage", "S3", amount="9.0"))
    return tables(request)


TROUBLE: list[tuple[str, Callable[[dict[str, Any]], tuple[int, bytes]], str]] = [
    ("two currencies", odd_currency, "amounts came in INR, USD: expected one currency"),
    ("the same page for ever", lambda asked: tables(asked, NextPageToken="again"), "the same next page again and again"),
    ("a day nobody asked", lambda asked: tables(asked, day="2025-01-01"), "told of 2025-01-01, which was not asked"),
    ("no number", lambda asked: page(group("1", "Req", amount="many")), "an answer opsbot does not understand"),
    ("not a number", lambda asked: page(group("1", "Req", amount="NaN")), "gave 'NaN' for an amount"),
    ("one key too few", lambda asked: page(group("1")), "an answer opsbot does not understand"),
    ("nothing", lambda asked: (200, b"{}"), "an answer opsbot does not understand"),
    ("not JSON", lambda asked: (200, b"<html>"), "an answer opsbot does not understand"),
    ("throttled for ever", lambda asked: (400, b'{"__type": "LimitExceededException", "message": "slow"}'), "throttled on every attempt"),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "why"), [pytest.param(*rest, id=story) for story, *rest in TROUBLE])
def test_an_answer_that_cannot_be_trusted_is_a_gap(
    ce: Script, aws: Aws, answer: Callable[[dict[str, Any]], tuple[int, bytes]], why: str
) -> None:
    ce.answers = [answer]
    shown = aws.bill(ALONE, TODAY, (), Purse(), SHORT)
    assert (shown.days, len(shown.gaps)) == ((), 1)
    assert why in shown.gaps[0].why


def test_tables_that_disagree_are_kept_and_told(ce: Script, aws: Aws) -> None:
    ce.answers = [unlike]
    shown = aws.bill(ALONE, TODAY, (), Purse(), SHORT)
    assert [day.total() for day in shown.days] == [1.5]
    assert [gap.why for gap in shown.gaps] == ["the tables disagree: 1.50 by usage type, 9.00 by record type"]


def test_the_request_asks_once_for_all_metrics_and_ends_before_this_morning(ce: Script, aws: Aws) -> None:
    ce.answers = [tables]
    assert aws.bill(ALONE, TODAY, (), Purse(), SHORT).requests == 3
    assert [[one["Key"] for one in asked["GroupBy"]] for asked in ce.asked] == [
        ["LINKED_ACCOUNT", "USAGE_TYPE"],
        ["SERVICE", "USAGE_TYPE"],
        ["RECORD_TYPE", "SERVICE"],
    ]
    first = ce.asked[0]
    assert first["TimePeriod"] == {"Start": "2026-11-16", "End": "2026-11-20"}
    assert first["Metrics"] == ["UnblendedCost", "AmortizedCost", "NetAmortizedCost", "UsageQuantity"]
    assert sorted(first["Filter"]["Dimensions"]["Values"]) == ["DiscountedUsage", "SavingsPlanCoveredUsage", "Usage"]
    assert "Filter" not in ce.asked[2]


# ---- the plan --------------------------------------------------------------------------------------------------


def was(morning: str, first: str, *, rows: int = 400, pages: int = 4, page_rows: int = 100) -> CostReading:
    at = date.fromisoformat(morning)
    return CostReading(
        payer="p", morning=at, first=date.fromisoformat(first), end=at, requests=pages, rows=rows, page_rows=page_rows
    )


LONG = was("2026-11-19", "2026-06-01", rows=17_000, pages=10, page_rows=5000)
PLANS = [
    pytest.param("2026-11-20", [], "2026-11-16", "the last days", id="the first morning"),
    pytest.param("2026-11-20", [LONG], "2026-11-16", "the last days", id="every morning"),
    pytest.param("2026-11-20", [LONG, was("2026-11-20", "2026-11-16")], None, "", id="the second time on one morning"),
    pytest.param("2026-11-29", [was("2026-11-28", "2026-11-01")], "2026-11-25", "the last days", id="a day after the open month was read"),
    pytest.param("2026-11-27", [LONG, was("2026-11-26", "2026-11-18")], "2026-11-01", "the open month", id="once a week the open month"),
    pytest.param("2026-12-05", [replace(LONG, morning=date(2026, 12, 4), end=date(2026, 12, 4))], "2026-12-01", "the last days", id="not closed yet"),
    pytest.param("2026-12-06", [replace(LONG, morning=date(2026, 12, 5), end=date(2026, 12, 5))], "2026-11-01", "the month that closed", id="closed on the 6th"),
    pytest.param("2026-12-11", [replace(LONG, morning=date(2026, 12, 10), end=date(2026, 12, 10))], "2026-11-01", "the month that closed", id="and on the 11th"),
    pytest.param("2026-12-12", [replace(LONG, morning=date(2026, 12, 11), end=date(2026, 12, 11))], "2026-12-08", "the last days", id="but once"),
    pytest.param("2026-11-20", [was("2026-11-10", "2026-10-01", pages=4)], "2026-10-01", "the month that closed", id="after ten mornings away"),
    pytest.param("2026-12-04", [was("2026-11-20", "2026-06-01", pages=4)], "2026-11-17", "the last days", id="across the end of a month"),
    pytest.param("2026-11-20", [was("2026-11-19", "2026-11-15", rows=80_000, pages=20, page_rows=5000)], "2026-11-18", "as many of the last days as 10 requests bring", id="too large for the cap"),
]  # fmt: skip


@pytest.mark.parametrize(("morning", "readings", "first", "why"), PLANS)
def test_what_is_due(morning: str, readings: list[CostReading], first: str | None, why: str) -> None:
    end = date.fromisoformat(morning)
    wanted = Span(first=date.fromisoformat(first), end=end, why=why) if first else None
    assert due(end, readings, 10) == wanted


@pytest.mark.parametrize(
    ("readings", "budget", "span"),
    [
        pytest.param([], 10, None, id="nothing is known of its size"),
        pytest.param([was("2026-11-20", "2026-11-16")], 3, None, id="not enough left for one"),
        pytest.param([was("2026-11-20", "2026-11-16")], 6, ("2026-09-15", "2026-11-16"), id="two months at most"),
        pytest.param([was("2026-11-20", "2026-11-16", rows=40_000, pages=9, page_rows=5000)], 6, ("2026-11-14", "2026-11-16"), id="as many as pages bring"),
        pytest.param([was("2026-11-20", "2026-06-20")], 6, ("2026-06-18", "2026-06-20"), id="the rest"),
        pytest.param([was("2026-11-20", "2026-06-01")], 6, None, id="everything is there"),
        pytest.param([replace(LONG, morning=date(2026, 11, 12), end=date(2026, 11, 17)), was("2026-11-20", "2026-11-16", rows=40_000, pages=9, page_rows=5000)], 6, ("2026-11-14", "2026-11-16"), id="the open month in pieces"),
        pytest.param([was("2026-10-20", "2026-06-01"), was("2026-11-20", "2026-11-16")], 6, ("2026-09-15", "2026-11-16"), id="a hole"),
    ],
)  # fmt: skip
def test_what_more_of_the_past(readings: list[CostReading], budget: int, span: tuple[str, str] | None) -> None:
    found = further(date(2026, 11, 20), readings, 155, budget)
    assert (found and (found.first.isoformat(), found.end.isoformat())) == span


def test_the_price_is_told_first_and_never_above_the_cap() -> None:
    morning, limits = date(2026, 11, 20), CostLimits()
    assert [requests(morning, told, limits) for told in ([], [LONG], [LONG, was("2026-11-20", "2026-11-16")])] == [
        10,
        4,
        0,
    ]
    huge = was("2026-11-19", "2026-01-01", rows=9_000_000, pages=10, page_rows=5000)
    assert 4 < requests(morning, [huge], limits) <= 10


# ---- Data Exports ------------------------------------------------------------------------------------------------

EXPORT = "line_item_usage_account_id,line_item_usage_start_date,product_product_name,line_item_usage_type,line_item_unblended_cost,line_item_currency_code\n"  # fmt: skip


def export(*days: str, cost: float = 1.0) -> bytes:
    return (EXPORT + "".join(f"1,{day}T00:00:00Z,S3,Req,{cost},USD\n" for day in days)).encode()


@dataclass
class Bucket:
    client: Any
    place: str = "s3://billing/exports"

    def put(self, key: str, body: bytes) -> None:
        self.client.put_object(Bucket="billing", Key=f"exports/{key}", Body=body)


@pytest.fixture
def bucket(cloud: Any) -> Bucket:
    client = boto3.client("s3", endpoint_url=cloud.url, region_name="us-east-1")
    client.create_bucket(Bucket="billing")
    return Bucket(client)


def from_export(place: str | Path) -> Environment:
    return Environment(name="alone", regions=("us-east-1",), payer=True, cost_export=str(place))


def test_an_export_in_s3_is_read_without_a_request(bucket: Bucket, aws: Aws) -> None:
    month = "data/BILLING_PERIOD=2026-11"
    bucket.put(f"{month}/old-00001.csv.gz", gzip.compress(export("2026-11-18", cost=99)))
    bucket.put(f"{month}/new-00001.csv.gz", gzip.compress(export("2026-11-18")))
    bucket.put(f"{month}/new-00002.csv.gz", gzip.compress(export("2026-11-19", "2026-11-20")))
    bucket.put("data/BILLING_PERIOD=2019-01/x-00001.csv.gz", b"not even gzip")
    named = [f"s3://billing/exports/{month}/new-0000{n}.csv.gz" for n in (1, 2)]
    bucket.put("metadata/BILLING_PERIOD=2026-11/daily-Manifest.json", json.dumps({"dataFiles": named}).encode())
    shown = aws.bill(from_export(bucket.place), TODAY, (), purse := Purse())
    assert ([(day.day.day, day.total()) for day in shown.days], shown.gaps) == ([(18, 1.0), (19, 1.0)], ())
    assert (purse.taken, aws.usage().usd, aws.bill_requests(from_export("/x"), TODAY, ())) == (0, 0.0, 0)
    assert (shown.readings[0].source, shown.readings[0].end) == ("export", TODAY)


def test_an_export_on_this_machine_is_read_and_later_only_what_may_change(tmp_path: Path, aws: Aws) -> None:
    (tmp_path / "a.csv").write_bytes(export("2026-09-30", "2026-10-01", "2026-11-19"))
    shown = aws.bill(from_export(tmp_path), TODAY, (), Purse())
    assert [day.day.isoformat() for day in shown.days] == ["2026-09-30", "2026-10-01", "2026-11-19"]
    again = aws.bill(from_export(tmp_path), TODAY, (was("2026-11-10", "2026-06-01"),), Purse())
    assert [day.day.isoformat() for day in again.days] == ["2026-10-01", "2026-11-19"]


@pytest.mark.parametrize(
    ("file", "body", "why"),
    [
        pytest.param("a.csv", b"x,y\n", "a.csv: expected the columns of CUR", id="columns"),
        pytest.param("a.parquet", b"PAR1", "expected files that end in .csv or .csv.gz, found none", id="parquet"),
        pytest.param(None, b"", "no such file or directory", id="nothing there"),
    ],
)
def test_an_export_that_cannot_be_read_is_a_gap(
    tmp_path: Path, aws: Aws, file: str | None, body: bytes, why: str
) -> None:
    place = tmp_path / "export"
    if file:
        place.mkdir()
        (place / file).write_bytes(body)
    (gap,) = aws.bill(from_export(place), TODAY, (), Purse()).gaps
    assert why in gap.why


def test_a_bucket_that_is_not_there_is_a_gap(cloud: Any, aws: Aws) -> None:
    (gap,) = aws.bill(from_export("s3://another/exports"), TODAY, (), Purse()).gaps
    assert "NoSuchBucket" in gap.why


def test_planted_money_is_on_the_bill_of_the_right_morning(
    cloud: Any, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shipped scenario's run-aways, as the detector will see them: their leaves, their days, their dollars."""
    world = scenario.load(scenario.SHIPPED, anchor=NOW)
    specs = {spec.name: environment(spec) for spec in world.environments}
    with serve(world, now=lambda: NOW) as running:
        monkeypatch.setenv("AWS_ENDPOINT_URL", running.url)
        days = [
            day
            for name in ("dhbw-prod", "shopai-prod")
            for day in aws.bill(payer(specs, name), TODAY, (), Purse(), SHORT).days
        ]
    told = {
        (leaf.service, leaf.usage_type, leaf.account, day.day): row[METRICS.index(Metric.UNBLENDED)]
        for day in days
        for leaf, row in zip(day.leaves, day.amounts, strict=True)
    }
    planted = [one for one in world.spending.runaways if one.expect]
    assert len(planted) == 3
    epoch = date(1970, 1, 1)
    for one in planted:
        before = epoch + timedelta(days=one.begin - 1)
        first = max(epoch + timedelta(days=one.begin), TODAY - timedelta(days=4))
        assert told[one.service, one.usage_type, one.account, first] > 0.4 * one.usd
        assert told.get((one.service, one.usage_type, one.account, before), 0.0) == 0.0
