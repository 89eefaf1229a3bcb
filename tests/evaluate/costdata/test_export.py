"""Bills read from files: CUR, CUR 2.0, FOCUS and a plain table, streamed; and what is said of files that are none."""

from __future__ import annotations

import gzip
import tracemalloc
from collections.abc import Iterator
from datetime import date

import pytest

from opsbot.evaluate.cost.bill import Leaf
from opsbot.evaluate.costdata import METRICS, ExportError, Metric, Shown, read_export

MORNING = date(2026, 11, 20)
CUR = """identity/LineItemId,lineItem/UsageAccountId,lineItem/LineItemType,lineItem/UsageStartDate,lineItem/ProductCode,\
lineItem/UsageType,lineItem/UsageAmount,lineItem/CurrencyCode,lineItem/UnblendedCost,product/ProductName,product/region,\
savingsPlan/SavingsPlanEffectiveCost,savingsPlan/TotalCommitmentToDate,savingsPlan/UsedCommitment
1,1,Usage,2026-11-18T00:00:00Z,AmazonS3,EUC1-Requests-Tier1,1000,USD,0.0054,Amazon Simple Storage Service,eu-central-1,,,
2,1,Usage,2026-11-18T01:00:00Z,AmazonS3,EUC1-Requests-Tier1,1000,USD,0.0054,Amazon Simple Storage Service,eu-central-1,,,
3,2,SavingsPlanCoveredUsage,2026-11-18T01:00:00Z,AWSLambda,EUC1-Lambda-GB-Second,9,USD,10,AWS Lambda,,7.2,,
4,2,SavingsPlanNegation,2026-11-18T01:00:00Z,AWSLambda,EUC1-Lambda-GB-Second,9,USD,-10,AWS Lambda,,,,
5,9,SavingsPlanRecurringFee,2026-11-18T01:00:00Z,ComputeSavingsPlans,ComputeSP:1yr,1,USD,8,Savings Plans for AWS Compute usage,,,8,7.2
6,9,Tax,2026-11-01T00:00:00Z,AmazonS3,,,USD,19.5,,,,,
"""
FOCUS = """BillingCurrency,BilledCost,EffectiveCost,ChargeCategory,ChargePeriodStart,ServiceName,SubAccountId,RegionId,x_UsageType,\
ConsumedQuantity,CommitmentDiscountId,CommitmentDiscountType,CommitmentDiscountStatus
USD,0.0108,0.0108,Usage,2026-11-18T00:00:00Z,Amazon Simple Storage Service,1,eu-central-1,EUC1-Requests-Tier1,2000,,,
USD,0,7.2,Usage,2026-11-18T00:00:00Z,AWS Lambda,2,eu-central-1,EUC1-Lambda-GB-Second,9,sp-1,Compute Savings Plan,Used
USD,0,0.8,Usage,2026-11-18T00:00:00Z,AWS Lambda,9,,ComputeSP:1yr,,sp-1,Compute Savings Plan,Unused
USD,19.5,19.5,Tax,2026-11-01T00:00:00Z,Tax,9,,,,,,
"""
PLAIN = "date,account,service,usage_type,cost\n2026-11-18,1,S3,EUC1-Requests-Tier1,1.5\n2026-11-18,1,S3,EUC1-Requests-Tier1,0.5\n"


def read(text: str | bytes, *, piece: int = 7) -> Shown:
    body = text.encode() if isinstance(text, str) else text
    return read_export(
        (body[n : n + piece] for n in range(0, len(body), piece)), payer="shop", morning=MORNING, name="bill.csv"
    )


def told(shown: Shown, metric: Metric) -> dict[tuple[str, str, str], float]:
    column = METRICS.index(metric)
    return {
        (day.day.isoformat()[8:], leaf.service, leaf.record_type): round(float(row[column]), 6)
        for day in shown.days
        for leaf, row in zip(day.leaves, day.amounts, strict=True)
    }


S3, LAMBDA, PLAN = "Amazon Simple Storage Service", "AWS Lambda", "Savings Plans for AWS Compute usage"


def test_cur_is_added_up_by_leaf_and_day_charged_and_spread() -> None:
    shown = read(CUR)
    assert told(shown, Metric.UNBLENDED) == {
        ("01", "AmazonS3", "Tax"): 19.5, ("18", S3, "Usage"): 0.0108, ("18", LAMBDA, "SavingsPlanCoveredUsage"): 10.0,
        ("18", LAMBDA, "SavingsPlanNegation"): -10.0, ("18", PLAN, "SavingsPlanRecurringFee"): 8.0,
    }  # fmt: skip
    spread = told(shown, Metric.AMORTIZED)
    assert (spread["18", LAMBDA, "SavingsPlanCoveredUsage"], spread["18", PLAN, "SavingsPlanRecurringFee"]) == (
        7.2,
        0.8,
    )
    assert spread["18", LAMBDA, "SavingsPlanNegation"] == 0.0
    assert Leaf("1", S3, "eu-central-1", "EUC1-Requests-Tier1") in shown.days[1].leaves
    assert (shown.currency, shown.requests, [day.estimated for day in shown.days]) == ("USD", 0, [True, True])


def test_the_second_cur_and_packed_files_are_the_same_bill() -> None:
    columns, rows = CUR.split("\n", 1)
    snake = (
        columns.replace("lineItem/", "line_item_")
        .replace("savingsPlan/", "savings_plan_")
        .replace("product/", "product_")
    )
    again = "\n".join([snake, rows])
    halves = CUR.encode()[:300], CUR.encode()[300:]
    packed = gzip.compress(halves[0]) + gzip.compress(halves[1])
    for other in (again, packed, b"\xef\xbb\xbf" + CUR.encode(), CUR.replace("\n", "\r\n")):
        assert told(read(other), Metric.AMORTIZED) == told(read(CUR), Metric.AMORTIZED)


def test_focus_tells_commitments_by_their_status() -> None:
    assert told(read(FOCUS), Metric.AMORTIZED) == {
        ("01", "Tax", "Tax"): 19.5, ("18", S3, "Usage"): 0.0108,
        ("18", LAMBDA, "SavingsPlanCoveredUsage"): 7.2, ("18", LAMBDA, "SavingsPlanRecurringFee"): 0.8,
    }  # fmt: skip


def test_a_plain_table_is_a_bill_too() -> None:
    shown = read(PLAIN)
    assert told(shown, Metric.UNBLENDED) == {("18", "S3", "Usage"): 2.0}
    assert shown.days[0].leaves[0].region == "eu-central-1"


def test_a_line_that_comes_twice_counts_once() -> None:
    lines = CUR.splitlines(keepends=True)
    assert told(read(CUR + lines[1] + lines[3]), Metric.UNBLENDED) == told(read(CUR), Metric.UNBLENDED)


def test_what_is_missing_is_told_and_what_is_to_come_left_out() -> None:
    shown = read("date,cost\n2026-11-10,1\n2026-11-13,2\n2026-11-20,9\n2026-11-21,9\n")
    assert [day.day.day for day in shown.days] == [10, 13]
    assert [(gap.first.day, gap.end.day, gap.why) for gap in shown.gaps] == [
        (11, 13, "the export has no row for these days")
    ]
    assert [gap.why for gap in read("date,cost\n").gaps] == ["the export holds no day before this morning"]


WRONG = [
    pytest.param("a,b\n1,2\n", "bill.csv: expected the columns of CUR, CUR 2.0, FOCUS, or a table with date and cost; found a, b", id="columns"),
    pytest.param("", "found nothing", id="empty"),
    pytest.param("date,cost\n2026-11-10,abc\n", "bill.csv, line 2: expected an amount in cost, got 'abc'", id="no number"),
    pytest.param("date,cost\n2026-11-10,inf\n", "expected an amount in cost, got 'inf'", id="infinity"),
    pytest.param("date,cost\n2026-11-10,1,2\n", "line 2: expected 2 cells, got 3", id="cells"),
    pytest.param("date,cost\n10/11/2026,1\n", "line 2: expected a day such as 2026-11-20, got '10/11/2026'", id="day"),
    pytest.param("date,cost,currency\n2026-11-10,1,USD\n2026-11-10,1,EUR\n", "line 3: expected amounts in USD as before, got 'EUR'", id="currencies"),
    pytest.param("date,cost\n2026-11-10,\x001\n", "line 2", id="NUL"),
    pytest.param(b"PAR1\xff\xfe\x00", "expected a CSV file in UTF-8", id="parquet"),
    pytest.param(b"\x1f\x8b\x08\x00rubbish", "cannot be unpacked", id="broken gzip"),
    pytest.param("date,cost\n2026-11-10," + "9" * 200_000 + "\n", "line 2: field larger than", id="a field without end"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), WRONG)
def test_what_is_no_bill_says_where_and_what_was_expected(text: str | bytes, said: str) -> None:
    with pytest.raises(ExportError) as raised:
        read(text, piece=4096)
    assert said in raised.value.message


def test_columns_that_nearly_fit_are_named() -> None:
    with pytest.raises(ExportError) as raised:
        read("ChargePeriodStart,ServiceName\n")
    assert raised.value.hint == "it is nearest to FOCUS, which needs billed_cost or effective_cost as well"


def test_memory_grows_with_leaves_not_with_rows() -> None:
    def rows(count: int) -> Iterator[bytes]:
        yield b"date,service,cost\n"
        line = b"".join(b"2026-11-%02d,service %d,0.5\n" % (n % 19 + 1, n % 10) for n in range(190))
        for _ in range(count // 190):
            yield line

    peaks = []
    for count in (950, 5_700):
        tracemalloc.start()
        shown = read_export(rows(count), payer="shop", morning=MORNING)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert sum(day.total() for day in shown.days) == count / 2
    assert peaks[1] < peaks[0] * 1.5
