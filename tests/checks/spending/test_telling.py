"""Headlines and findings of payers whose bills were written by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, time
from functools import cache

import numpy as np
import pytest

from opsbot.checks.spending import (
    Billed,
    Grave,
    Spending,
    billed,
    cost_findings,
    cost_headline,
    cost_lede,
    cost_sections,
)
from opsbot.checks.spending.budgets import Billing, Budgeted, foreseen, of_own
from opsbot.checks.spending.course import course, months, movers, totals, week_sums
from opsbot.checks.spending.life import Replay
from opsbot.checks.spending.names import Accounts
from opsbot.evaluate.cost import Bill, Leaf, Sensitivity
from opsbot.evaluate.costdata.days import CostGap
from opsbot.model.budget import OwnBudget
from opsbot.model.environment import Environment
from opsbot.model.report import Facts
from opsbot.model.status import Status
from opsbot.render.headline import LIMIT
from tests.evaluate.cost.bills import FIRST, MACHINES, Account, account, day
from tests.fakes import WrittenCloud, context

PAYER = Environment(name="billing", regions=("eu-central-1",), account_id="pay", payer=True)
PROD = Environment(name="shop-prod", regions=("eu-central-1",), account_id="prod", tenant="shop")
ACCOUNTS = Accounts(payer=PAYER, environments=(PAYER, PROD))
NAT = Leaf("prod", "EC2 - Other", "eu-central-1", "EUC1-NatGateway-Bytes")
NOTEBOOK = Leaf("prod", "Amazon SageMaker", "eu-central-1", "EUC1-Notebk:ml.g5.4xlarge")
BUCKET = Leaf("prod", "Amazon Simple Storage Service", "eu-central-1", "EUC1-TimedStorage-ByteHrs")
MORNING = 123


def quiet(_: Account) -> None:
    """Nothing happens."""


def nat(it: Account) -> None:
    it.add(NAT, 122, 110.0, 1)


def nat_for_days(it: Account) -> None:
    it.add(NAT, 118, 110.0, 5)


def nat_since_yesterday_and_notebook(it: Account) -> None:
    nat(it)
    it.add(NOTEBOOK, 122, 60.0, 1)


def nat_is_over(it: Account) -> None:
    it.add(NAT, 114, 110.0, 4)


def spent(story: Callable[[Account], None], morning: int = MORNING, **more: object) -> Spending:
    return replace(_judged(story, morning), **more)  # type: ignore[arg-type]


@cache
def _judged(story: Callable[[Account], None], morning: int) -> Spending:
    it = account()
    story(it)
    replay = Replay(sensitivity=Sensitivity(), key=ACCOUNTS.key, words={})
    for before in range(max(morning - 14, 30), morning + 1):
        replay.morning(it.bill(before))
    bill = it.bill(morning)
    return Spending(
        payer=PAYER, accounts=ACCOUNTS, morning=day(morning), bill=bill, lives=replay.lives, drops=replay.drops,
        judged=replay.judged, mornings=replay.mornings, history=morning, estimated=20, read=True, requests=(4, 40),
        end=foreseen(totals(bill), bill.first),
    )  # fmt: skip


def budget(name: str = "shop", actual: float = 500.0, forecast: float | None = 900.0) -> Budgeted:
    return Budgeted(
        name=name, environment="billing", source="AWS", limit=1000.0, actual=actual, forecast=forecast, currency="USD"
    )


NAT_KEY = "shop-prod/cost-anomaly/ec2-other.natgateway-bytes.eu-central-1"
TOLD = {NAT_KEY: Status.CRITICAL}
OVERSPENT = {"billing/budget-forecast/shop": Status.CRITICAL}


@pytest.mark.parametrize(
    ("seen", "headline"),
    [
        pytest.param(
            lambda: Billed(spending=(spent(nat),)), "$116 over on 7 May in NAT Gateway, one day so far", id="one day"
        ),
        pytest.param(
            lambda: Billed(spending=(spent(nat_for_days),)), "$113 a day over since 3 May in NAT Gateway, steady",
            id="days of it that nobody was told of",
        ),
        pytest.param(
            lambda: Billed(spending=(spent(nat_since_yesterday_and_notebook),)),
            "2 new cost anomalies, $179 a day over: NAT Gateway and SageMaker", id="two",
        ),
        pytest.param(
            lambda: Billed(spending=(spent(nat_for_days),), known=TOLD), "Nothing new; 1 anomaly still open ($113 a day)",
            id="told before",
        ),
        pytest.param(
            lambda: Billed(spending=(spent(nat_for_days),), known=TOLD | OVERSPENT, budgets=(budget(forecast=1400.0),)),
            "Nothing new; 1 anomaly still open ($113 a day), 1 budget will not last", id="all of it told before",
        ),
        pytest.param(
            lambda: Billed(spending=(spent(nat_is_over, morning=121),)), "Over: NAT Gateway; nothing else is unusual", id="over"
        ),
        pytest.param(
            lambda: Billed(spending=(spent(quiet),), budgets=(budget(forecast=1400.0),)),
            "Budget shop will be $400 over, 140 % of it", id="a budget that will not last",
        ),
        pytest.param(
            lambda: Billed(spending=(spent(quiet),), budgets=(budget(forecast=1400.0), budget("web", forecast=1900.0))),
            "2 budgets will not last; web ends $900 over", id="two budgets",
        ),
        pytest.param(
            lambda: Billed(spending=(spent(quiet),), budgets=(budget(actual=850.0),)), "85 % of the budget shop is spent",
            id="nearly spent",
        ),
        pytest.param(
            lambda: Billed(spending=(spent(quiet),)), "Nothing unusual in 1 bill; May ends near $15.8k", id="a quiet morning"
        ),
        pytest.param(
            lambda: Billed(spending=(spent(quiet, read=False, judged=False),)), "The bill of billing could not be read",
            id="not read",
        ),
        pytest.param(
            lambda: Billed(spending=(spent(quiet), spent(quiet, read=False, judged=False))),
            "1 bill of 2 not judged; nothing unusual in the others", id="one of two not read",
        ),
        pytest.param(
            lambda: Billed(spending=(spent(quiet, morning=40),)),
            "No verdict yet: 40 days of history, judged from 6 Mar on", id="too young",
        ),
        pytest.param(lambda: Billed(spending=()), "No payer is configured, so no bill is read", id="no payer"),
    ],
)  # fmt: skip
def test_the_verdict_in_one_sentence(seen: Callable[[], Billed], headline: str) -> None:
    all = seen()
    assert cost_headline(all) == headline
    assert len(headline) <= LIMIT
    assert "None" not in cost_lede(all)


@pytest.mark.parametrize(
    ("story", "grave", "status"),
    [
        pytest.param(nat, Grave(usd_a_day=100, percent=90), Status.CRITICAL, id="large in dollars"),
        pytest.param(nat, Grave(usd_a_day=900, percent=15), Status.CRITICAL, id="large for this payer"),
        pytest.param(nat, Grave(usd_a_day=900, percent=90), Status.WARNING, id="neither"),
        pytest.param(nat_is_over, Grave(usd_a_day=1, percent=1), Status.INFO, id="over is no trouble any more"),
    ],
)
def test_how_bad_an_anomaly_is(story: Callable[[Account], None], grave: Grave, status: Status) -> None:
    morning = 121 if story is nat_is_over else MORNING
    found = cost_findings(Billed(spending=(spent(story, morning=morning),), grave=grave), now(morning))
    assert [one.status for one in found if one.key == NAT_KEY] == [status]


def now(morning: int = MORNING) -> datetime:
    return datetime.combine(day(morning), time(7), UTC)


def test_what_is_well_is_the_coverage() -> None:
    found = cost_findings(Billed(spending=(spent(quiet),), budgets=(budget(),)), now())
    assert {one.key: str(one.status) for one in found} == {
        "billing/bill/all accounts": "ok",
        "billing/budget-actual/shop": "ok",
        "billing/budget-forecast/shop": "ok",
        "billing/cost-anomaly/account dev": "ok",
        "shop-prod/cost-anomaly/whole account": "ok",
    }


def test_why_a_bill_could_not_be_read_and_what_to_do() -> None:
    gap = CostGap(
        why="denied to the role", first=day(1), end=day(5), action="ce:GetCostAndUsage", hint="see iam-policy"
    )
    one = spent(quiet, read=False, judged=False, gaps=(gap,))
    (bill,) = [f for f in cost_findings(Billed(spending=(one,)), now()) if f.check == "bill"]
    assert bill.status is Status.UNKNOWN
    assert bill.summary == "the bill could not be read: denied to the role; allow ce:GetCostAndUsage; see iam-policy"


def test_budgets_that_cannot_be_read_are_unknown() -> None:
    all = Billed(spending=(spent(quiet),), unread_budgets=(("billing", "denied; allow budgets:ViewBudget"),))
    (one,) = [f for f in cost_findings(all, now()) if f.check == "budget-actual"]
    assert (one.status, one.summary) == (Status.UNKNOWN, "cannot be read: denied; allow budgets:ViewBudget")


OWN = OwnBudget(name="own", usd=1000.0)


@pytest.mark.parametrize(
    ("own", "leaves"),
    [
        pytest.param(OWN, None, id="everything"),
        pytest.param(replace(OWN, payer="billing"), None, id="a payer"),
        pytest.param(replace(OWN, payer="other"), (), id="another payer"),
        pytest.param(replace(OWN, tenant="shop"), "prod", id="a tenant"),
        pytest.param(replace(OWN, environment="shop-prod", service="EC2"), (MACHINES.service,), id="by its short name"),
        pytest.param(replace(OWN, service="Amazon Kendra"), (), id="a service nobody uses"),
    ],
)
def test_what_a_budget_of_our_own_counts(own: OwnBudget, leaves: str | Sequence[str] | None) -> None:
    bill = account().bill(MORNING)
    counted = list(of_own([own], [Billing(payer=PAYER, accounts=ACCOUNTS, bill=bill)]))
    mine = [row for row, leaf in enumerate(bill.leaves) if _is(leaf, leaves)]
    this_month = bill.cost[mine][:, -day(MORNING - 1).day :].sum()
    assert [round(one.actual, 2) for one in counted] == ([round(float(this_month), 2)] if mine else [])


def _is(leaf: Leaf, wanted: str | Sequence[str] | None) -> bool:
    if wanted is None:
        return True
    return leaf.account == wanted if isinstance(wanted, str) else leaf.service in wanted and leaf.account == "prod"


@pytest.mark.parametrize(
    ("usd", "statuses"),
    [
        pytest.param(100_000.0, ("ok", "ok"), id="plenty"),
        pytest.param(14_000.0, ("ok", "critical"), id="will not last"),
        pytest.param(3_000.0, ("warning", "critical"), id="gone already"),
    ],
)
def test_a_budget_of_our_own_is_judged_by_what_is_spent_and_what_will_be(usd: float, statuses: tuple[str, str]) -> None:
    one = spent(quiet)
    assert one.bill is not None
    budgets = tuple(of_own([replace(OWN, usd=usd)], [Billing(payer=PAYER, accounts=ACCOUNTS, bill=one.bill)]))
    found = {f.check: str(f.status) for f in cost_findings(Billed(spending=(one,), budgets=budgets), now())}
    assert (found["budget-actual"], found["budget-forecast"]) == statuses


def test_the_band_is_what_was_usual_before() -> None:
    one = spent(lambda it: it.add(MACHINES, 120, 200.0, 3))
    (life,) = one.lives
    assert one.bill is not None
    drawn = course(one.bill, life.anomaly)
    seen = dict(zip(drawn.series.times, drawn.series.values, strict=True))
    inside = [
        low <= value <= high
        for low, value, high in zip(drawn.band.low, seen.values(), drawn.band.high, strict=True)
        if low is not None and value is not None and high is not None
    ]
    assert np.mean(inside[:-3]) > 0.9
    assert inside[-3:] == [False, False, False]
    assert (drawn.first, drawn.series.judged) == (day(MORNING - 35), 33)


def test_weeks_and_months_that_are_not_whole_say_so() -> None:
    cost = np.ones((1, 40))
    cost[0, 30] = np.nan
    bill = Bill(first=FIRST, leaves=(MACHINES,), cost=cost)
    assert week_sums(totals(bill), 6) == (None, 7.0, 7.0, 7.0, None, 7.0)
    assert [(m.first.month, m.cost, m.days, m.of) for m in months([bill])] == [(2, 12.0, 12, 28), (1, 27.0, 27, 31)]


def test_movers_come_with_the_week_before() -> None:
    it = account()
    it.add(BUCKET, 114, 30.0, 9)
    first = movers(it.bill(MORNING))[0]
    assert (first.service, round(first.change, -1)) == ("S3", 210)


def facts(sections: Sequence[object]) -> Mapping[str, str]:
    blocks = [block for section in sections for block in section.blocks if isinstance(block, Facts)]  # type: ignore[attr-defined]
    return dict(pair for block in blocks for pair in block.pairs)


def test_an_anomaly_says_how_to_close_it() -> None:
    all = Billed(spending=(spent(nat),))
    told = facts(cost_sections(all, cost_findings(all, now())))
    assert told["Close it"].startswith(f"opsbot ack {NAT_KEY} --as expected")
    assert told["If it goes on"].startswith("May ends $2.")
    assert "NAT gateway" in told["Look first"]


def test_names_from_the_bill_are_cleaned() -> None:
    evil = Leaf("prod", "Amazon \x1b[31mEvil", "eu-central-1", "\u202ereversed")
    all = Billed(spending=(spent(lambda it: it.add(evil, 122, 110.0, 1)),))
    told = f"{cost_headline(all)}{cost_lede(all)}{cost_findings(all, now())!r}"
    assert "\\x1b" not in told
    assert "\\u202e" not in told


def test_a_payer_in_another_currency_says_so() -> None:
    one = spent(nat)
    assert one.bill is not None
    euros = replace(one, bill=replace(one.bill, currency="EUR"))
    all = Billed(spending=(euros,))
    assert cost_headline(all) == "116 EUR over on 7 May in NAT Gateway, one day so far"
    assert not list(of_own([OWN], [Billing(payer=PAYER, accounts=ACCOUNTS, bill=euros.bill or one.bill)]))


def test_without_a_payer_nothing_is_read_and_that_is_said() -> None:
    all = billed(context(WrittenCloud({}), ()))
    assert (all.spending, all.budgets) == ((), ())
    sections = cost_sections(all, cost_findings(all, now()))
    assert [(section.id, section.status) for section in sections] == [("coverage", Status.OK)]


def test_settings_of_a_payer_that_is_none_are_told() -> None:
    all = Billed(spending=(spent(quiet),), strangers=("biling",))
    assert facts(cost_sections(all, cost_findings(all, now())))["Settings"].endswith("names biling, which is no payer")


def test_many_new_ones_are_told_by_the_dearest() -> None:
    many = tuple(Leaf("prod", f"Amazon Thing{number}", "eu-central-1", f"EUC1-Use{number}") for number in range(8))

    def all_at_once(it: Account) -> None:
        for number, leaf in enumerate(many):
            it.add(leaf, 122, 40.0 + 10 * number, 1)

    all = Billed(spending=(spent(all_at_once),))
    sections = cost_sections(all, cost_findings(all, now()))
    told = [section.title for section in sections if section.id.startswith("anomaly-")]
    assert told[0] == "shop-prod: Thing7, opened"
    assert len(told) == 5
    assert [section.title for section in sections if section.id == "more"] == ["3 more"]
    assert cost_headline(all).startswith("8 new cost anomalies, $")
