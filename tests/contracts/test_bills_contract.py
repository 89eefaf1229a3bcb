"""What every reader of bills promises: nothing is raised, whoever refuses, and no cent is spent that is not allowed."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest

from opsbot.aws import Aws
from opsbot.checks.spending.priced import PricedBills
from opsbot.evaluate.costdata.ports import Bills
from opsbot.model.environment import Environment
from opsbot.model.period import last
from opsbot.replica import scenario
from opsbot.replica.server import Running, serve
from tests.aws.conftest import environment
from tests.aws.test_aws_costs import Purse

NOW = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
TODAY = NOW.date()


@dataclass(frozen=True)
class Place:
    aws: Running
    payer: Environment

    @contextmanager
    def refusing(self) -> Iterator[None]:
        services = ("ce", "budgets", "cost-optimization-hub", "cloudtrail")
        rules = json.dumps([{"service": name, "fault": "access_denied"} for name in services]).encode()
        control = f"{self.aws.url}/_control/faults"
        urllib.request.urlopen(urllib.request.Request(control, data=rules, method="POST")).read()
        yield
        urllib.request.urlopen(urllib.request.Request(control, method="DELETE")).read()


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    world = scenario.load(scenario.SHIPPED, anchor=NOW)
    with serve(world, now=lambda: NOW) as running, pytest.MonkeyPatch.context() as env:
        for name, value in {
            "AWS_ENDPOINT_URL": running.url, "AWS_ACCESS_KEY_ID": "demo", "AWS_SECRET_ACCESS_KEY": "demo",
            "AWS_EC2_METADATA_DISABLED": "true",
        }.items():  # fmt: skip
            env.setenv(name, value)
        known = next(one for one in world.environments if one.name == "shopai-prod")
        yield Place(running, replace(environment(known), payer=True))


@pytest.fixture
def aws() -> Iterator[Aws]:
    with Aws(secrets=lambda _: "opsbot-demo", attempts=1) as opened:
        yield opened


ADAPTERS: dict[str, Callable[[Aws], Bills]] = {"aws": lambda aws: aws, "priced": PricedBills}


@pytest.fixture(params=ADAPTERS)
def bills(request: pytest.FixtureRequest, aws: Aws) -> Bills:
    return ADAPTERS[request.param](aws)


def test_an_empty_purse_spends_nothing(bills: Bills, aws: Aws, place: Place) -> None:
    purse = Purse(left=0)
    assert bills.bill(place.payer, TODAY, (), purse).days == ()
    assert bills.advice(place.payer, TODAY, purse).covered == ()
    told = bills.anomalies(place.payer, TODAY, TODAY, purse)
    assert (told.payer, told.day, told.anomalies, bool(told.note)) == (place.payer.name, TODAY, (), True)
    assert (purse.taken, aws.usage().usd) == (0, 0.0)
    assert not [name for name, _ in aws.usage().calls if name.startswith("ce:")]


def test_who_may_not_ask_gets_answers_and_no_errors(bills: Bills, aws: Aws, place: Place) -> None:
    with place.refusing():
        assert bills.bill(place.payer, TODAY, (), Purse()).days == ()
        assert bills.budgets(place.payer).budgets == ()
        assert bills.advice(place.payer, TODAY, Purse()).advised == ()
        assert bills.anomalies(place.payer, TODAY, TODAY, Purse()).anomalies == ()
        assert bills.writes(place.payer, "eu-central-1", last(days=2, now=NOW), "RunInstances").writes == ()
    assert aws.usage().usd == 0.0


def test_what_changed_costs_nothing_and_lies_in_the_window(bills: Bills, aws: Aws, place: Place) -> None:
    window = last(days=2, now=NOW)
    told = bills.writes(place.payer, "eu-central-1", window, "PutMetricAlarm")
    assert told.why == ""
    assert all(window.start <= one.at <= window.end for one in told.writes)
    assert sorted(told.writes, key=lambda one: one.at, reverse=True) == list(told.writes)
    assert len({(one.at, one.name, one.who, one.about) for one in told.writes}) == len(told.writes)
    assert aws.usage().usd == 0.0
