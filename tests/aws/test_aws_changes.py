"""Who changed what, over the wire: the event that usually begins such a cost first, then all, a few pages of them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from opsbot.aws import Aws
from opsbot.evaluate.costdata.writes import Write
from opsbot.model.environment import Environment
from opsbot.model.period import Period
from opsbot.replica import scenario
from opsbot.replica.server import serve
from tests.aws.conftest import NOW, Script, environment
from tests.aws.test_aws_costs import ALONE

WINDOW = Period(start=NOW - timedelta(days=2), end=NOW)


def test_the_change_behind_a_cost_that_ran_away_is_found(signed_in: None, monkeypatch: pytest.MonkeyPatch) -> None:
    world = scenario.load(scenario.SHIPPED, anchor=NOW)
    place = next(one for one in world.environments if one.name == "dataplat-prod")
    night = datetime(2026, 11, 17, tzinfo=UTC)
    with serve(world, now=lambda: NOW) as running, Aws(secrets=lambda _: "opsbot-demo", attempts=2) as aws:
        monkeypatch.setenv("AWS_ENDPOINT_URL", running.url)
        window = Period(start=night - timedelta(days=1), end=night + timedelta(days=1))
        told = aws.writes(environment(place), "eu-central-1", window, "CreateNotebookInstance")
        elsewhere = aws.writes(environment(place), "eu-west-1", window)
        calls = dict(aws.usage().calls)
    trial = Write(
        at=night - timedelta(hours=2.5), name="CreateNotebookInstance", source="sagemaker", who="jonas.weber",
        about="trial-g5",
    )  # fmt: skip
    assert told.writes.count(trial) == 1
    assert (told.cut, told.why, elsewhere.writes) == (None, "", ())
    assert (calls["cloudtrail:LookupEvents"], aws.usage().usd) == (3, 0.0)


def test_who_may_not_ask_is_told_what_to_allow(cloud: Any, aws: Aws, environments: dict[str, Environment]) -> None:
    cloud.fails({"service": "cloudtrail", "fault": "access_denied"})
    told = aws.writes(environments["shopai-prod"], "eu-central-1", WINDOW)
    assert (told.writes, told.action) == ((), "cloudtrail:LookupEvents")
    assert told.why


# ---- answers that no embedded AWS would give ------------------------------------------------------------------


def raw(number: int, name: str = "RunInstances", **more: Any) -> dict[str, Any]:
    at = (NOW - timedelta(minutes=number)).timestamp()
    return {"EventId": f"e-{number}", "EventName": name, "EventTime": at, "EventSource": "ec2.amazonaws.com", **more}


@pytest.fixture
def odd(script: Script, monkeypatch: pytest.MonkeyPatch) -> Script:
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDTRAIL", script.url)
    return script


@pytest.mark.parametrize(("first", "pages"), [("", 3), ("RunInstances", 3)])
def test_a_few_pages_are_read_and_the_rest_is_said(odd: Script, aws: Aws, first: str, pages: int) -> None:
    asked: list[dict[str, Any]] = []

    def answer(told: dict[str, Any]) -> tuple[int, bytes]:
        asked.append(told)
        return 200, json.dumps({"Events": [raw(len(asked))], "NextToken": f"t{len(asked)}"}).encode()

    odd.answers = [answer]
    told = aws.writes(ALONE, "eu-central-1", WINDOW, first)
    assert (len(asked), len(told.writes)) == (pages, pages)
    assert told.cut == NOW - timedelta(minutes=pages)
    names = [one["LookupAttributes"][0]["AttributeKey"] for one in asked]
    assert names == (["EventName", "ReadOnly", "ReadOnly"] if first else ["ReadOnly"] * 3)


ODD: list[tuple[str, bytes, list[str], bool]] = [
    ("nothing in it", b"{}", [], True),
    ("no events", b'{"Events": []}', [], False),
    ("noise, and what was refused", json.dumps({"Events": [
        raw(1, "AssumeRole"), raw(2, CloudTrailEvent='{"errorCode": "AccessDenied"}'), raw(3, "UpdateFunctionCode20150331v2"),
    ]}).encode(), ["UpdateFunctionCode somebody "], False),
    ("the same one twice", json.dumps({"Events": [raw(1), raw(1)]}).encode(), ["RunInstances somebody "], False),
    ("broken inside", json.dumps({"Events": [raw(1, CloudTrailEvent="[", Username="a\x1b[2Jb", Resources=[{}])]}).encode(),
     ["RunInstances a [2Jb "], False),
    ("no time", json.dumps({"Events": [{"EventId": "1", "EventName": "RunInstances"}]}).encode(), [], True),
    ("not JSON", b"<html>", [], True),
]  # fmt: skip


@pytest.mark.parametrize(("body", "writes", "failed"), [one[1:] for one in ODD], ids=[one[0] for one in ODD])
def test_odd_answers(odd: Script, aws: Aws, body: bytes, writes: list[str], failed: bool) -> None:
    odd.answers = [(200, body)]
    told = aws.writes(ALONE, "eu-central-1", WINDOW)
    assert ([f"{one.name} {one.who} {one.about}" for one in told.writes], bool(told.why)) == (writes, failed)
