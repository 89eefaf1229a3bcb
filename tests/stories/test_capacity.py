"""The capacity job from an empty store to its track record, on real AWS traffic."""

from __future__ import annotations

import json
import os
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from opsbot import app
from opsbot.model.run import Usage
from opsbot.model.status import Status
from opsbot.render import html, text
from opsbot.replica import scenario
from opsbot.replica.server import Running, serve
from opsbot.runner import Result, estimate, execute

NOW = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
HERE = Path(__file__).parent
GOLDEN = HERE.parent / "golden" / "capacity_trends.txt"


@dataclass
class Clock:
    at: datetime = NOW


@dataclass
class Shop:
    """A home whose AWS is on loopback, and the day it is."""

    path: Path
    aws: Running
    clock: Clock

    def run(self, days: int = 0) -> Result:
        self.clock.at = NOW + timedelta(days=days)
        house = app.load(self.path)
        request = house.request("capacity_trends", at=self.clock.at)
        with app.world(house) as world:
            return execute(request, world)

    def fault(self, **rule: object) -> None:
        body = json.dumps([rule] if rule else []).encode()
        method = "POST" if rule else "DELETE"
        asked = urllib.request.Request(f"{self.aws.url}/_control/faults", data=body, method=method)
        urllib.request.urlopen(asked).close()


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Running, Clock]]:
    clock = Clock()
    with serve(scenario.load(HERE / "capacity.toml", anchor=NOW), now=lambda: clock.at) as running:
        yield running, clock
        assert running.unknown == []


@pytest.fixture
def shop(served: tuple[Running, Clock], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    aws, clock = served
    for name, value in {
        "AWS_ENDPOINT_URL": aws.url,
        "AWS_ACCESS_KEY_ID": "demo",
        "AWS_SECRET_ACCESS_KEY": "demo",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    text = scenario.opsbot_config(scenario.load(HERE / "capacity.toml"))
    (tmp_path / "config.toml").write_text(f"{text}\n[jobs.capacity_trends]\ndays = 200\n", encoding="utf-8")
    home = Shop(path=tmp_path, aws=aws, clock=clock)
    yield home
    home.fault()


def status(result: Result) -> dict[str, Status]:
    return {f"{one.check}/{one.resource}": one.status for one in result.findings}


def calls(result: Result) -> dict[str, int]:
    return dict(result.run.usage.calls)


def test_a_morning_in_words(shop: Shop) -> None:
    told = shop.run()
    assert told.run.verdict == "attention"
    assert told.report.headline == "shop-prod RDS storage orders-db runs out first, around 23 Dec"
    about = replace(told.about, run_id="RUN", seconds=1.0, version="0", usage=Usage())
    shown = text.render(told.report, about, colour=False)
    if os.environ.get("OPSBOT_UPDATE_GOLDEN"):
        GOLDEN.write_text(shown, encoding="utf-8")
    assert shown == GOLDEN.read_text(encoding="utf-8"), "look at it, then: OPSBOT_UPDATE_GOLDEN=1"
    page = html.render(told.report, about, app.templates(app.load(shop.path).house.home)[0])
    assert page.count("<img") == 2


def test_the_second_day_asks_for_one_day_and_the_month_after_has_a_track_record(shop: Shop) -> None:
    first = shop.run()
    next_day = shop.run(1)
    assert next_day.run.usage.datapoints < first.run.usage.datapoints / 50
    assert calls(next_day)["cloudwatch:GetMetricData"] <= calls(first)["cloudwatch:GetMetricData"] + 2
    later = shop.run(37)
    (method,) = [section for section in later.report.sections if section.id == "method"]
    said = " ".join(getattr(block, "text", "") for block in method.blocks)
    # The shop's database ran full in between, as was said; nothing else did.
    assert "met the limit" in said
    assert "Too few to judge by." in said
    assert status(later)["capacity-rds-storage/orders-db"] is Status.CRITICAL


def test_what_the_role_may_not_do_is_named_and_the_rest_goes_on(shop: Shop) -> None:
    shop.fault(service="service-quotas", operation="ListServiceQuotas", fault="access_denied")
    told = shop.run()
    found = status(told)
    assert found["discovery/service-quota@eu-central-1"] is Status.UNKNOWN
    assert found["capacity-rds-storage/orders-db"] is Status.WARNING
    (blind,) = [one for one in told.findings if one.check == "discovery"]
    assert "servicequotas:ListServiceQuotas" in blind.summary


def test_the_price_is_known_before_anything_is_asked(shop: Shop) -> None:
    house = app.load(shop.path)
    with app.world(house) as world:
        told = estimate(house.request("capacity_trends", at=NOW), world)
    asked: dict[str, Any] = dict(told.calls)
    assert 0 < told.usd < 0.001
    assert asked["servicequotas:ListServiceQuotas"] == 8
    assert told.metrics == shop.run().run.usage.metrics


def test_the_role_is_allowed_what_the_job_asks(shop: Shop) -> None:
    allowed = set(app.load(shop.path).role_policy()["Statement"][0]["Action"])
    (shop.path / "config.toml").write_text(scenario.opsbot_config(scenario.load(HERE / "capacity.toml")))
    without = set(app.load(shop.path).role_policy()["Statement"][0]["Action"])
    assert allowed - without >= {
        "application-autoscaling:DescribeScalableTargets",
        "autoscaling:DescribeAutoScalingGroups",
        "dynamodb:DescribeTable",
        "elasticfilesystem:DescribeFileSystems",
    }
    assert allowed >= {"logs:DescribeLogGroups", "servicequotas:ListServiceQuotas"}
