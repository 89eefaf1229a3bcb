"""Savings as a run looks for them: the embedded AWS over HTTP, its leftovers found, priced, and told beside AWS's advice."""

from __future__ import annotations

import json
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from opsbot.aws import Aws
from opsbot.aws.actions import action_of
from opsbot.aws.policy import actions
from opsbot.checks.savings import Thrift, savings, savings_section
from opsbot.checks.savings.rules import KINDS
from opsbot.evaluate.costdata.verdicts import Meaning, Verdict
from opsbot.job import Context
from opsbot.model.environment import Environment
from opsbot.model.finding import Finding
from opsbot.model.period import last
from opsbot.model.report import Prose, Table
from opsbot.model.run import Usage
from opsbot.model.status import Status
from opsbot.ports import Looking
from opsbot.replica import scenario
from opsbot.replica.server import Running, serve
from opsbot.store.sql import SqlStore
from tests.outbox.world import fresh

NOW = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
SHOP = Environment(
    name="shop-prod",
    regions=("eu-central-1", "us-east-1"),
    account_id="300000000001",
    role_arn="arn:aws:iam::300000000001:role/opsbot",
    payer=True,
)


@pytest.fixture(scope="module")
def replica() -> Iterator[Running]:
    world = scenario.load(Path(__file__).parent / "shop.toml", anchor=NOW)
    with serve(world, now=lambda: NOW) as running:
        yield running


@pytest.fixture(scope="module")
def aws(replica: Running) -> Iterator[Aws]:
    """One for all tests: making clients is what takes time."""
    demo = {"AWS_ACCESS_KEY_ID": "demo", "AWS_SECRET_ACCESS_KEY": "demo", "AWS_EC2_METADATA_DISABLED": "true"}
    with pytest.MonkeyPatch.context() as patch, Aws(attempts=2) as made:
        for name, value in {**demo, "AWS_CONFIG_FILE": "/nonexistent", "AWS_ENDPOINT_URL": replica.url}.items():
            patch.setenv(name, value)
        patch.delenv("AWS_PROFILE", raising=False)
        yield made


@dataclass
class Shop:
    """What a run looks through, what it has asked so far, and how to make its AWS fail."""

    aws: Aws
    store: SqlStore
    url: str
    before: Usage

    def context(self, now: datetime = NOW, **more: Any) -> Context:
        looking = Looking(cloud=self.aws, bills=self.aws, costs=self.store.costs())
        known: dict[str, Any] = {"now": now, "window": last(hours=24, now=now), "environments": (SHOP,), "checks": {}}
        return Context(**{**known, "looking": looking, **more})

    def fails(self, **rule: str) -> None:
        self.control("POST", [rule])

    def control(self, method: str, document: object) -> None:
        body = json.dumps(document).encode()
        asked = urllib.request.Request(f"{self.url}/_control/faults", data=body, method=method)
        urllib.request.urlopen(asked).close()

    def calls(self) -> Mapping[str, int]:
        return Counter(dict(self.aws.usage().calls)) - Counter(dict(self.before.calls))


@pytest.fixture
def shop(replica: Running, aws: Aws) -> Iterator[Shop]:
    store = fresh(None)
    made = Shop(aws, store, replica.url, aws.usage())
    yield made
    made.control("DELETE", None)
    store.close()
    assert replica.unknown == []


def by_key(found: tuple[Finding, ...], status: Status = Status.INFO) -> dict[str, Finding]:
    return {f"{one.check} {one.resource}": one for one in found if one.status is status}


def told(one: Finding, name: str) -> Any:
    return dict(one.evidence).get(name)


# Dearest first: USD a month, how sure, and the computation.
FOUND = [
    ("saving-idle-ec2 old-import", 167.9, "medium", "0.23 USD/h x 730 h x 1, if it is stopped; a size smaller saves half"),
    ("saving-loose-volume old-data", 59.5, "high", "0.119 USD/GB x 500 GB"),
    ("saving-idle-ec2 gpu-trial", 36.5, "medium", "told by Cost Optimization Hub"),
    ("saving-idle-nat nat-old-vpc@us-east-1", 32.85, "high", "0.045 USD/h x 730 h x 1"),
    ("saving-gp2 db-data", 29.6, "medium", "(0.119 - 0.0952) USD/GB x 2000 GB - 0.006 USD x 3000 IOPS"),
    ("saving-idle-balancer old-web", 19.71, "high", "0.027 USD/h x 730 h x 1"),
    ("saving-idle-nlb old-mqtt", 19.71, "high", "0.027 USD/h x 730 h x 1"),
    ("saving-log-retention /app/web", 8.26, "medium", "0.0324 USD/GB x 300.0 GB x 85 % older than 90 days"),
    ("saving-log-retention /aws/lambda/old", 7.72, "medium", "0.0324 USD/GB x 300.0 GB x 79 % older than 90 days"),
    ("saving-old-snapshot vol-000004eb1f2cf9427", 7.02, "medium", "0.054 USD/GB x 130 GB: what the largest holds"),
    ("saving-idle-ec2 bastion-1", 4.38, "low", "0.006 USD/h x 730 h x 1"),
    ("saving-loose-address 192.0.2.10", 3.65, "high", "0.005 USD/h x 730 h x 1"),
    ("saving-commitment compute", None, "medium", "AWS gave no figure: see its purchase advice"),
]  # fmt: skip
WELL = {
    "saving-idle-ec2 web-1", "saving-gp2 new-data", "saving-loose-address 192.0.2.11", "saving-idle-balancer web",
    "saving-idle-nlb mqtt", "saving-idle-nat nat-main", "saving-old-snapshot b1", "saving-old-snapshot c1",
    "saving-log-retention /app/kept", "saving-lambda-memory mail",
}  # fmt: skip


def test_leftovers_are_found_and_priced_the_dearest_first_and_what_is_used_is_well(shop: Shop) -> None:
    found = savings(shop.context())
    assert list(by_key(found)) == [key for key, *_ in FOUND]
    for (key, usd, sure, how), one in zip(FOUND, by_key(found).values(), strict=True):
        assert one.value == (usd if usd is None else pytest.approx(usd, abs=0.005)), key
        assert told(one, "saving_usd_month") == (usd if usd is None else pytest.approx(usd, abs=0.005))
        assert told(one, "confidence") == sure
        assert str(told(one, "how")).startswith(how)
        assert (one.area, one.environment, str(one.unit)) == ("cost", "shop-prod", "usd")
    assert by_key(found, Status.OK).keys() == WELL
    assert by_key(found, Status.UNKNOWN) == {}


def test_it_costs_a_hundredth_of_a_cent_a_thing_and_describe_calls_are_free(shop: Shop) -> None:
    savings(shop.context())
    usage = shop.aws.usage()
    # Four machines with two metrics, seven things with one; five statistics of a metric cost as one.
    assert usage.metrics - shop.before.metrics == 15
    paid = {name: count for name, count in shop.calls().items() if name.startswith("ce:")}
    assert paid == {"ce:GetSavingsPlansCoverage": 1, "ce:GetReservationCoverage": 1}
    assert usage.usd - shop.before.usd == pytest.approx(15 * 0.00001 + 2 * 0.01)


def test_aws_s_own_advice_is_counted_once_beside_ours(shop: Shop) -> None:
    found = by_key(savings(shop.context()))
    machine = found["saving-idle-ec2 old-import"]
    assert told(machine, "aws_usd_month") == 73.0
    assert (
        told(machine, "aws_says")
        == "rightsize: m5.xlarge -> the next smaller size: 73.00 USD a month (Cost Optimization Hub)"
    )
    assert not [key for key in found if key.startswith("saving-aws")]
    # Of a type without a list price AWS's figure is what is told.
    assert (
        told(found["saving-idle-ec2 gpu-trial"], "basis") == "AWS's estimate, after your discounts where it knows them"
    )


def test_what_only_aws_saw_is_told_as_its_own(shop: Shop) -> None:
    busy = Thrift(cpu=0.0)
    found = by_key(savings(shop.context(), busy))
    ours = {key: one.value for key, one in found.items() if key.startswith("saving-aws")}
    # By the names that people gave them, where opsbot listed them itself.
    assert ours == {"saving-aws old-import": 73.0, "saving-aws gpu-trial": 36.5}
    assert {told(one, "source") for key, one in found.items() if key in ours} == {"Cost Optimization Hub"}


def test_without_the_hub_an_unknown_type_has_no_figure_and_why_is_said_once(shop: Shop) -> None:
    shop.fails(service="cost-optimization-hub", fault="access_denied")
    shop.fails(service="ce", fault="access_denied")
    found = savings(shop.context())
    machine = by_key(found)["saving-idle-ec2 gpu-trial"]
    assert (machine.value, told(machine, "how")) == (
        None,
        "no list price is known for p9.large in eu-central-1, if it is stopped; a size smaller saves half",
    )
    (note,) = (one for one in found if one.check == "saving-advice")
    assert note.status is Status.OK
    assert note.summary.count("Cost Optimization Hub:") == 1
    assert told(note, "actions") == (
        "cost-optimization-hub:ListRecommendations",
        "ce:GetRightsizingRecommendation",
        "ce:GetSavingsPlansCoverage",
        "ce:GetReservationCoverage",
    )
    assert sum(text.count("Cost Optimization Hub:") for text in texts(found)) == 1


def test_where_the_hub_is_not_there_cost_explorer_s_sizes_stand_in(shop: Shop) -> None:
    shop.fails(service="cost-optimization-hub", fault="access_denied")
    machine = by_key(savings(shop.context()))["saving-idle-ec2 old-import"]
    assert "Cost Explorer's rightsizing" in str(told(machine, "aws_says"))
    assert shop.calls()["ce:GetRightsizingRecommendation"] == 1


def test_what_is_charged_for_is_asked_once_a_week_and_shown_every_day(shop: Shop) -> None:
    mornings = [by_key(savings(shop.context(NOW + timedelta(days=day)))) for day in (0, 1, 6)]
    assert shop.calls()["ce:GetSavingsPlansCoverage"] == 1
    assert ["saving-commitment compute" in found for found in mornings] == [True, True, True]
    savings(shop.context(NOW + timedelta(days=7)))
    assert shop.calls()["ce:GetSavingsPlansCoverage"] == 2
    assert shop.store.costs().requests("shop-prod", NOW.date()) == (2, 4)


def test_what_was_not_asked_for_want_of_requests_is_asked_the_next_morning(shop: Shop) -> None:
    spent = shop.store.costs().allowance("shop-prod", NOW.date(), per_day=10, per_month=310)
    assert all(spent.take() for _ in range(9))
    first = savings(shop.context())
    (note,) = (one for one in first if one.check == "saving-advice")
    assert note.summary == (
        "coverage by reservations: not asked, 10 requests of Cost Explorer were made on 2026-11-20, which is the limit"
    )
    assert not [one for one in savings(shop.context(NOW + timedelta(days=1))) if one.check == "saving-advice"]
    assert shop.calls()["ce:GetReservationCoverage"] == 1


def test_a_region_that_may_not_be_looked_at_is_unknown_and_the_rest_is_told(shop: Shop) -> None:
    shop.fails(service="ec2", operation="DescribeAddresses", fault="access_denied")
    found = savings(shop.context())
    unseen = by_key(found, Status.UNKNOWN)
    assert unseen.keys() == {"discovery elastic-ip@eu-central-1", "discovery elastic-ip@us-east-1"}
    assert all("ec2:DescribeAddresses" in one.summary for one in unseen.values())
    assert "saving-loose-volume old-data" in by_key(found)


def test_series_that_cannot_be_read_are_unknown_and_what_needs_none_is_told(shop: Shop) -> None:
    shop.fails(service="cloudwatch", operation="GetMetricData", fault="access_denied")
    found = savings(shop.context())
    assert all("cloudwatch:GetMetricData" in one.summary for one in by_key(found, Status.UNKNOWN).values())
    assert len(by_key(found, Status.UNKNOWN)) == 11
    assert "saving-loose-address 192.0.2.10" in by_key(found)


def test_a_plan_that_would_cost_too_much_is_not_asked(shop: Shop) -> None:
    with Aws(attempts=2, max_usd=0.0001) as limited:
        found = savings(shop.context(looking=Looking(cloud=limited)))
    assert {one.summary.split(":")[0] for one in by_key(found, Status.UNKNOWN).values()} == {"not looked for"}
    assert "saving-gp2 db-data" in by_key(found)


def test_what_somebody_answered_for_is_not_told_again(shop: Shop) -> None:
    costs = shop.store.costs()
    said = Verdict(
        key="shop-prod/saving-idle-nat/nat-old-vpc@us-east-1",
        meaning=Meaning.PLANNED,
        who="ann",
        at=NOW,
        reason="standby",
    )
    costs.judge(said)
    found = savings(shop.context())
    assert "saving-idle-nat nat-old-vpc@us-east-1" not in by_key(found)
    assert "Not told again: nat-old-vpc@us-east-1 (planned, says ann: standby)." in texts(found)
    costs.judge(replace(said, meaning=Meaning.REAL, at=NOW + timedelta(minutes=1)))
    assert "saving-idle-nat nat-old-vpc@us-east-1" in by_key(savings(shop.context()))


def test_what_is_called_for_savings_is_allowed_and_nothing_else(shop: Shop) -> None:
    shop.fails(service="cost-optimization-hub", fault="access_denied")
    savings(shop.context())
    shop.aws.anomalies(
        SHOP, NOW.date(), NOW.date(), shop.store.costs().allowance("x", NOW.date(), per_day=1, per_month=1)
    )
    called = {action_of(name) for name in shop.calls() if not name.startswith("sts:")}
    others = {"budgets:ViewBudget", "ce:GetCostAndUsage", "cloudtrail:LookupEvents"}
    assert called == set(actions(KINDS, False, payer=True)) - others


def texts(found: tuple[Finding, ...]) -> list[str]:
    return [block.text for block in savings_section(found).blocks if isinstance(block, Prose)]


def test_the_section_ranks_adds_up_and_says_how(shop: Shop) -> None:
    section = savings_section(savings(shop.context()), shown=3)
    assert (section.id, section.status, section.aside) == ("savings", Status.INFO, "$396.80 a month")
    table = next(block for block in section.blocks if isinstance(block, Table))
    assert [row.cells[2].text for row in table.rows] == ["$167.90", "$59.50", "$36.50"]
    assert table.rows[1].note == "gp2 volume of 500 GB belongs to no instance; 0.119 USD/GB x 500 GB"
    said = [block.text for block in section.blocks if isinstance(block, Prose)]
    assert said == [
        (
            "$396.80 a month could be saved in 13 places, $135.42 of it for certain. 1 place without a figure. "
            "List prices, before your discounts, unless AWS's own figure is named."
        ),
        "And 10 more, worth $132.90 a month together; --format json has them.",
        "Lambda memory: 1 not judged: only Lambda Insights tells how much memory a call used, and it is not switched on.",
    ]
