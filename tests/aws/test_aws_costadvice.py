"""AWS's own advice over the wire: the hub for nothing, Cost Explorer by the page, and notes where there is none."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from opsbot.aws import Aws
from opsbot.evaluate.savings.advice import HUB, PLANS, RESERVATIONS, RIGHTSIZING, Advised
from opsbot.model.environment import Environment
from opsbot.replica import scenario
from opsbot.replica.server import serve
from tests.aws.conftest import NOW, Script, environment
from tests.aws.test_aws_costs import ALONE, Purse

TODAY = NOW.date()


def payer(environments: dict[str, Environment], name: str = "dhbw-prod") -> Environment:
    return replace(environments[name], payer=True)


def test_the_hub_costs_nothing_and_is_read_to_the_last_page(
    cloud: Any, aws: Aws, environments: dict[str, Environment]
) -> None:
    told = aws.advice(payer(environments, "shopai-prod"), TODAY)
    assert (told.payer, told.day, told.covered, told.notes, told.denied) == ("shopai-prod", TODAY, (), (), ())
    assert {one.source for one in told.advised} == {HUB}
    assert all(one.usd_month == pytest.approx(36.5 * 2 ** (one.what.count("xlarge")), rel=0.6) for one in told.advised)
    assert (aws.usage().usd, dict(aws.usage().calls)["cost-optimization-hub:ListRecommendations"]) == (0.0, 1)


def test_coverage_is_charged_by_the_page_and_is_that_of_the_bill(
    cloud: Any, aws: Aws, environments: dict[str, Environment]
) -> None:
    purse = Purse()
    told = aws.advice(payer(environments), TODAY, purse)
    plans, reservations = told.covered
    assert (plans.by, reservations.by, reservations.share) == (PLANS, RESERVATIONS, 0.0)
    assert 0.05 < plans.share < 0.9
    assert (plans.first, plans.end) == (TODAY - timedelta(days=30), TODAY)
    assert plans.on_demand_usd > 100
    # One page each: the hub is there, so that sizes are not asked as well.
    assert (purse.taken, purse.given) == (2, 0)
    assert aws.usage().usd == pytest.approx(0.02)


def test_where_the_hub_is_refused_sizes_stand_in_and_a_note_says_why(
    cloud: Any, aws: Aws, environments: dict[str, Environment]
) -> None:
    hub = aws.advice(payer(environments, "shopai-prod"), TODAY).advised
    cloud.fails({"service": "cost-optimization-hub", "fault": "access_denied"})
    told = aws.advice(payer(environments, "shopai-prod"), TODAY, Purse())
    assert [(one.resource, one.usd_month) for one in told.advised] == [(one.resource, one.usd_month) for one in hub]
    assert {one.source for one in told.advised} == {RIGHTSIZING}
    assert told.denied == ("cost-optimization-hub:ListRecommendations",)
    assert [note.partition(":")[0] for note in told.notes] == [HUB]


def test_a_purse_that_is_empty_is_a_note_and_nothing_is_asked(
    cloud: Any, aws: Aws, environments: dict[str, Environment]
) -> None:
    told = aws.advice(payer(environments), TODAY, Purse(left=0))
    assert told.covered == ()
    assert told.notes == ("coverage by Savings Plans and coverage by reservations: not asked, that was the last one",)
    assert not [name for name, _ in aws.usage().calls if name.startswith("ce:")]
    assert (
        aws.anomalies(payer(environments), TODAY, TODAY, Purse(left=0)).note
        == "anomalies: not asked, that was the last one"
    )


def test_a_request_that_fails_is_given_back(cloud: Any, aws: Aws, environments: dict[str, Environment]) -> None:
    cloud.fails({"service": "ce", "fault": "access_denied"})
    purse = Purse()
    told = aws.advice(payer(environments), TODAY, purse)
    assert (purse.left, purse.taken, purse.given, told.covered) == (10, 2, 2, ())
    assert told.denied == ("ce:GetSavingsPlansCoverage", "ce:GetReservationCoverage")
    assert aws.usage().usd == 0.0


def test_an_account_that_pays_for_nobody_gets_notes(cloud: Any, aws: Aws, environments: dict[str, Environment]) -> None:
    told = aws.advice(payer(environments, "dhbw-staging"), TODAY, Purse())
    assert [note.partition(":")[0] for note in told.notes] == ["coverage by Savings Plans", "coverage by reservations"]


def test_aws_s_own_anomalies_are_a_second_opinion(signed_in: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The night of NAT traffic, told by AWS two days later; what is below its own hundred dollars is not told."""
    world = scenario.load(scenario.SHIPPED, anchor=NOW)
    later = datetime(2026, 11, 22, 9, tzinfo=UTC)
    with serve(world, now=lambda: later) as running:
        monkeypatch.setenv("AWS_ENDPOINT_URL", running.url)
        with Aws(secrets=lambda _: "opsbot-demo", attempts=2) as aws:
            asked = replace(environment(world.environments[0]), payer=True)
            purse = Purse()
            told = aws.anomalies(asked, date(2026, 11, 1), later.date(), purse)
    nat = next(one for one in told.anomalies if one.usage_type.endswith("NatGateway-Bytes"))
    assert (nat.service, nat.region, nat.start, nat.end) == (
        "EC2 - Other",
        "eu-central-1",
        date(2026, 11, 19),
        date(2026, 11, 20),
    )
    assert nat.impact_usd == pytest.approx(140.0) == nat.actual_usd - nat.expected_usd
    assert all(one.impact_usd >= 100 for one in told.anomalies)
    assert (told.note, purse.taken) == ("", 1)


# ---- answers that no AWS would give on request ---------------------------------------------------------------

Answer = Callable[[dict[str, Any]], tuple[int, bytes]]


@pytest.fixture
def odd(script: Script, monkeypatch: pytest.MonkeyPatch) -> Script:
    for service in ("COST_EXPLORER", "COST_OPTIMIZATION_HUB"):
        monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", script.url)
    return script


def hub(*items: dict[str, Any], **more: Any) -> tuple[int, bytes]:
    return 200, json.dumps({"items": list(items), **more}).encode()


ITEM = {"recommendationId": "r-1", "resourceId": "i-1", "actionType": "PurchaseSavingsPlans"}
ODD: list[tuple[str, Answer, list[Advised], str]] = [
    ("nothing in it", lambda asked: (200, b"{}"), [], "an answer opsbot does not understand"),
    ("a bare one", lambda asked: hub(ITEM), [Advised(source=HUB, account="", region="", resource="i-1", kind="", what="purchase savings plans", usd_month=None)], ""),
    ("no name at all", lambda asked: hub({"actionType": "Stop"}), [], "an answer opsbot does not understand"),
    ("not a number", lambda asked: hub({**ITEM, "estimatedMonthlySavings": "NaN"}), [], "an answer opsbot does not understand"),
    ("not JSON", lambda asked: (200, b"<html>"), [], "an answer opsbot does not understand"),
    ("not enrolled", lambda asked: (400, b'{"__type": "AccessDeniedException", "message": "AWS account is not enrolled for recommendations"}'), [], "not switched on for this account; enrolling in its console costs nothing"),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "advised", "note"), [pytest.param(*rest, id=story) for story, *rest in ODD])
def test_an_odd_hub_is_a_note_and_never_an_error(
    odd: Script, aws: Aws, answer: Answer, advised: list[Advised], note: str
) -> None:
    odd.answers = [answer]
    told = aws.advice(ALONE, TODAY)
    assert list(told.advised) == advised
    assert note in "".join(told.notes)
    assert len(told.notes) == (1 if note else 0)


def test_a_hub_without_an_end_is_left_after_twenty_pages(odd: Script, aws: Aws) -> None:
    odd.answers = [lambda asked: hub(ITEM, nextToken="again")]
    assert len(aws.advice(ALONE, TODAY).advised) == 20


def test_a_page_of_cost_explorer_that_comes_again_is_not_paid_for_ever(odd: Script, aws: Aws) -> None:
    odd.answers = [lambda asked: (200, json.dumps({"Anomalies": [], "NextPageToken": "again"}).encode())]
    purse = Purse()
    told = aws.anomalies(ALONE, TODAY, TODAY, purse)
    assert "the same next page again and again" in told.note
    assert purse.taken == 2
