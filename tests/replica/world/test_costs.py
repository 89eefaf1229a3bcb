"""The bill of the embedded AWS: usage x price = cost, one truth in every grouping, shown as late as the real one is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from opsbot.replica import scenario, server
from opsbot.replica.bill import Books
from opsbot.replica.codec import Request
from opsbot.replica.services import costexplorer
from opsbot.replica.signals import DAY
from opsbot.replica.state import State
from opsbot.replica.world import SeriesId, World
from tests.replica.world.test_describe import entered

NOW = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
PAYER, MEMBER = "dhbw-prod", "edt-prod"
LAST_DAYS = {"Start": "2026-11-16", "End": "2026-11-20"}
OCTOBER = {"Start": "2026-10-01", "End": "2026-11-01"}
Ask = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def world() -> World:
    return scenario.load(scenario.SHIPPED, anchor=NOW)


@pytest.fixture(scope="module")
def ask(world: World) -> Iterator[Ask]:
    def asked(
        who: str = PAYER, *, by: tuple[str, ...] = (), tags: tuple[str, ...] = (), period: object = None, **more: Any
    ) -> dict[str, Any]:
        groups = [{"Type": "DIMENSION", "Key": key} for key in by] + [{"Type": "TAG", "Key": key} for key in tags]
        wanted = {"TimePeriod": period or LAST_DAYS, "Granularity": "DAILY", "Metrics": ["UnblendedCost"], **more}
        answer: dict[str, Any] = clients[who].get_cost_and_usage(**wanted, **({"GroupBy": groups} if groups else {}))
        return answer

    with server.serve(world, now=lambda: NOW) as running:
        specs = [spec for spec in world.environments if spec.name in (PAYER, MEMBER)]
        clients = {spec.name: entered(running.url, spec)("ce") for spec in specs}
        yield asked


def amounts(answer: dict[str, Any], metric: str = "UnblendedCost") -> dict[tuple[str, ...], float]:
    """By day and group keys."""
    found = {}
    for period in answer["ResultsByTime"]:
        day = period["TimePeriod"]["Start"]
        if period["Total"]:
            found[(day,)] = float(period["Total"][metric]["Amount"])
        for group in period["Groups"]:
            found[day, *group["Keys"]] = float(group["Metrics"][metric]["Amount"])
    return found


def by_day(told: dict[tuple[str, ...], float]) -> dict[str, float]:
    sums: dict[str, float] = {}
    for key, amount in told.items():
        sums[key[0]] = sums.get(key[0], 0.0) + amount
    return sums


@pytest.mark.parametrize(
    ("by", "tags"),
    [
        pytest.param(("SERVICE",), (), id="service"),
        pytest.param(("LINKED_ACCOUNT", "USAGE_TYPE"), (), id="account x usage type"),
        pytest.param(("SERVICE", "USAGE_TYPE"), (), id="service x usage type"),
        pytest.param(("RECORD_TYPE", "SERVICE"), (), id="record type x service"),
        pytest.param(("REGION", "OPERATION"), (), id="region x operation"),
        pytest.param(("LINKED_ACCOUNT",), ("team",), id="account x tag"),
    ],
)
def test_every_grouping_adds_up_to_the_same(ask: Ask, by: tuple[str, ...], tags: tuple[str, ...]) -> None:
    metrics = ["UnblendedCost", "AmortizedCost", "NetAmortizedCost", "UsageQuantity"]
    whole, grouped = ask(Metrics=metrics), ask(by=by, tags=tags, Metrics=metrics)
    for metric in metrics:
        told = by_day(amounts(whole, metric))
        assert by_day(amounts(grouped, metric)) == pytest.approx(told, rel=1e-9)
        assert min(told.values()) > 0


def test_filters_take_a_bill_apart_and_nothing_is_lost(ask: Ask) -> None:
    lambda_only = {"Dimensions": {"Key": "SERVICE", "Values": ["AWS Lambda"]}}
    one = by_day(amounts(ask(Filter=lambda_only)))
    rest = by_day(amounts(ask(Filter={"Not": lambda_only})))
    both = by_day(amounts(ask(Filter={"Or": [lambda_only, {"Not": lambda_only}]})))
    none = by_day(amounts(ask(Filter={"And": [lambda_only, {"Not": lambda_only}]})))
    whole = by_day(amounts(ask()))
    assert {day: one[day] + rest[day] for day in whole} == pytest.approx(whole)
    assert both == pytest.approx(whole)
    assert set(none.values()) == {0.0}
    tagged = {"Tags": {"Key": "team", "Values": ["media"]}}
    assert {key[1] for key in amounts(ask(tags=("team",), Filter=tagged))} == {"team$media"}
    begins = {"Dimensions": {"Key": "USAGE_TYPE", "Values": ["EUC1-"], "MatchOptions": ["STARTS_WITH"]}}
    assert {key[1] for key in amounts(ask(by=("REGION",), Filter=begins))} == {"eu-central-1"}


def test_the_month_is_the_sum_of_its_days(ask: Ask) -> None:
    days = amounts(ask(by=("SERVICE",), period=OCTOBER))
    month = amounts(ask(by=("SERVICE",), period=OCTOBER, Granularity="MONTHLY"))
    assert {key[1]: amount for key, amount in month.items()} == pytest.approx(
        {service: sum(a for k, a in days.items() if k[1] == service) for service in {key[1] for key in days}}
    )


def test_what_is_billed_is_what_the_metrics_say(ask: Ask, world: World) -> None:
    """Requests of Lambda on a closed day: the bill's quantity is the sum of Invocations of all functions."""
    only = {"And": [{"Dimensions": {"Key": "LINKED_ACCOUNT", "Values": ["202000000001"]}},
                    {"Dimensions": {"Key": "USAGE_TYPE", "Values": ["EUC1-Request"]}},
                    {"Not": {"Dimensions": {"Key": "RECORD_TYPE", "Values": ["SavingsPlanNegation"]}}}]}  # fmt: skip
    told = ask(
        period={"Start": "2026-10-14", "End": "2026-10-15"}, Filter=only, Metrics=["UsageQuantity", "UnblendedCost"]
    )
    start = int(datetime(2026, 10, 14, tzinfo=UTC).timestamp())
    invocations = sum(
        float((buckets.count * buckets.mean).sum())
        for series, signal in world.series("202000000001", "eu-central-1").items()
        if isinstance(series, SeriesId) and series.name == "Invocations"
        for buckets in [signal.buckets(start, 1, DAY)]
    )
    assert amounts(told, "UsageQuantity") == {("2026-10-14",): pytest.approx(invocations)}
    assert amounts(told) == {("2026-10-14",): pytest.approx(invocations * 0.0000002)}


def test_yesterday_is_partly_there_and_is_restated_until_the_month_closes(world: World) -> None:
    state = State()
    asked = {
        "TimePeriod": {"Start": "2026-11-19", "End": "2026-11-20"},
        "Granularity": "DAILY",
        "Metrics": ["UnblendedCost"],
        "Filter": {"Dimensions": {"Key": "RECORD_TYPE", "Values": ["Usage", "SavingsPlanCoveredUsage"]}},
    }
    shown, estimated = [], []
    for days in (0, 1, 4, 17, 40):
        at = NOW + timedelta(days=days)
        request = Request(account="201000000001", region="us-east-1", access_key="", now=at, world=world, state=state)
        answer = costexplorer.get_cost_and_usage(request, asked)
        shown.append(amounts(answer)["2026-11-19",])
        estimated.append(answer["ResultsByTime"][0]["Estimated"])
    final = shown[-1]
    assert 0.45 < shown[0] / final < 0.97
    assert shown[0] < shown[1] < shown[2]
    assert shown[2] / final == pytest.approx(1, abs=0.004)
    assert (shown[3], estimated) == (final, [True, True, True, False, False])


def test_tomorrow_is_not_told(ask: Ask) -> None:
    days = [
        period["TimePeriod"]["Start"]
        for period in ask(period={"Start": "2026-11-18", "End": "2026-12-24"})["ResultsByTime"]
    ]
    assert days == ["2026-11-18", "2026-11-19", "2026-11-20"]


def test_a_commitment_moves_money_and_makes_none(world: World) -> None:
    payer = world.spending.payers[0]
    month = Books(world=world).whole(payer, date(2026, 10, 1))
    assert payer.commitment
    kinds = {
        kind: month.unblended[[line.record_type == kind for line in month.lines]].sum()
        for kind in ("SavingsPlanCoveredUsage", "SavingsPlanNegation", "SavingsPlanRecurringFee")
    }
    assert kinds["SavingsPlanCoveredUsage"] == pytest.approx(-kinds["SavingsPlanNegation"])
    assert kinds["SavingsPlanRecurringFee"] == pytest.approx(payer.commitment * 24 * 31)
    assert month.unblended.sum() == pytest.approx(month.amortized.sum())


def test_an_account_that_does_not_pay_sees_its_own_part_alone(ask: Ask) -> None:
    own = amounts(ask(MEMBER, by=("LINKED_ACCOUNT",)))
    assert {key[1] for key in own} == {"202000000001"}
    assert own == {key: amount for key, amount in amounts(ask(by=("LINKED_ACCOUNT",))).items() if key in own}


def test_long_answers_come_in_pages_that_make_a_whole(ask: Ask) -> None:
    pages, token = [], ""
    while True:
        page = ask(by=("LINKED_ACCOUNT", "USAGE_TYPE"), period=OCTOBER, **({"NextPageToken": token} if token else {}))
        pages.append(page)
        token = page.get("NextPageToken", "")
        if not token:
            break
    groups = [len(one["Groups"]) for page in pages for one in page["ResultsByTime"]]
    assert [sum(len(one["Groups"]) for one in page["ResultsByTime"]) for page in pages[:-1]] == [costexplorer.PAGE] * (
        len(pages) - 1
    )
    assert (len(pages), sum(groups)) == (2, sum({k: 1 for page in pages for k in amounts(page)}.values()))


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"period": {"Start": "2026-11-20", "End": "2026-11-20"}}, "Start date .* should be before end date"),
    ({"period": {"Start": "2024-11-20", "End": "2026-11-20"}}, "historical data beyond 14 months"),
    ({"by": ("SERVICE", "REGION", "OPERATION")}, "at most 2 groups, got 3"),
    ({"by": ("HOROSCOPE",)}, "'HOROSCOPE' is not supported"),
    ({"Metrics": ["Cost"]}, "expected some of"),
    ({"Granularity": "HOURLY"}, "not enabled"),
    ({"Filter": {"And": [{"Dimensions": {"Key": "SERVICE", "Values": ["x"]}}]}}, "at least 2 operands"),
]


@pytest.mark.parametrize(("wrong", "said"), REFUSED, ids=[said for _, said in REFUSED])
def test_what_cost_explorer_refuses(ask: Ask, wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ClientError, match=f"ValidationException.*{said}"):
        ask(**wrong)
