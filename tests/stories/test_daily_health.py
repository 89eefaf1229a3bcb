"""The morning health check, from an empty home to people being told, on real AWS traffic."""

from __future__ import annotations

import email
import json
from email import policy
from pathlib import Path
from typing import Any

import pytest

from opsbot.replica import mail, slack
from opsbot.replica.world import Incident, World
from tests.stories.conftest import House

AT = "2026-11-20T07:00:00+00:00"


def _is_about(finding: dict[str, Any], incident: Incident) -> bool:
    named = incident.resource == "*" or incident.resource in finding["resource"]
    return finding["environment"] == incident.environment and named


# Planted among the scenario's [[trends]]: it fills up, and the capacity job says when it will be full.
FULL_SOON = "dataplat-prod/service-quota-used/Running On-Demand Standard instances"


def test_every_planted_incident_is_found_and_healthy_resources_stay_silent(house: House, world: World) -> None:
    told = house.started("run", "daily_health", "--at", AT, "--format", "json", "--dry-run")
    found = [f for f in told.json["findings"] if f["status"] != "info" and f["key"] != FULL_SOON]
    missed = [i.story for i in world.incidents if not any(_is_about(f, i) for f in found)]
    false_alarms = [f["key"] for f in found if not any(_is_about(f, i) for i in world.incidents)]
    assert len(world.incidents) >= 12
    assert (missed, false_alarms) == ([], [])
    assert (told.code, told.json["verdict"]) == (1, "action")
    assert told.json["coverage"]["expected"] > 1000


def test_the_same_time_gives_the_same_answer(house: House) -> None:
    words = ("run", "daily_health", "--at", AT, "--format", "json", "--dry-run", "--env", "dhbw-*")
    first, second = house.opsbot(*words).json, house.opsbot(*words).json
    for answer in (first, second):
        del answer["run_id"]
    assert first == second


def test_one_account_whose_role_cannot_be_assumed_leaves_the_others_reported(house: House, world: World) -> None:
    account = next(e.account for e in world.environments if e.name == "gva-prod")
    config = house.path / "config.toml"
    config.write_text(config.read_text().replace(f"{account}:role/opsbot", f"{account}:role/deleted"))
    told = house.opsbot("run", "daily_health", "--at", AT, "--format", "json", "--dry-run").json
    blind = [f for f in told["findings"] if f["environment"] == "gva-prod"]
    assert [f["check"] for f in blind] == ["credentials"]
    assert "sts:AssumeRole" in blind[0]["summary"]
    assert {f["environment"] for f in told["findings"]} > {"gva-prod", "dhbw-prod"}
    assert any(m["environment"] == "gva-prod" for m in told["coverage"]["missing"])


def test_a_denied_service_is_unknown_and_names_the_missing_action(house: House) -> None:
    house.fault(service="rds", operation="DescribeDBInstances", fault="access_denied")
    told = house.opsbot("run", "daily_health", "--at", AT, "--format", "json", "--dry-run", "--env", "dhbw-prod").json
    blind = [f for f in told["findings"] if f["check"] == "discovery"]
    assert blind
    assert all("rds:DescribeDBInstances" in f["summary"] for f in blind)
    assert all(f["status"] == "unknown" for f in blind)


def test_without_any_credentials_there_is_no_trustworthy_answer(house: House) -> None:
    house.fault(service="sts", fault="expired_credentials")
    told = house.opsbot("run", "daily_health", "--at", AT)
    assert told.code == 3
    assert "expired" in told.out


def test_throttling_loses_nothing_silently(house: House) -> None:
    words = ("run", "daily_health", "--at", AT, "--format", "json", "--dry-run", "--env", "dhbw-prod")
    calm = house.opsbot(*words).json
    house.fault(service="cloudwatch", operation="GetMetricData", fault="throttle", rate=0.5)
    stormy = house.opsbot(*words).json
    assert stormy["aws"]["throttled"] > 0
    assert [f["key"] for f in stormy["findings"]] == [f["key"] for f in calm["findings"]]


def test_the_estimate_is_what_the_run_then_asks(house: House) -> None:
    priced = house.opsbot("run", "daily_health", "--at", AT, "--estimate", "--format", "json").json
    ran = house.opsbot("run", "daily_health", "--at", AT, "--format", "json", "--dry-run").json
    assert priced["metrics"] == ran["aws"]["metrics_requested"]
    assert priced["calls"]["cloudwatch:GetMetricData"] == ran["aws"]["calls"]["cloudwatch:GetMetricData"]
    assert priced["calls"]["logs:StartQuery"] == ran["aws"]["calls"]["logs:StartQuery"]
    # What logs cost is guessed from what their groups store; here they hold far less.
    without_logs = priced["usd"] - priced["log_bytes"] * 0.005 / 1e9
    assert 0 <= ran["aws"]["usd"] - without_logs < 0.1 * without_logs


def test_a_plan_that_is_too_dear_is_refused_before_it_costs_anything(house: House) -> None:
    config = house.path / "config.toml"
    config.write_text(config.read_text() + "\n[defaults]\nmax_usd_per_run = 0.001\n")
    told = house.opsbot("run", "daily_health", "--at", AT)
    assert told.code == 3
    assert "max_usd_per_run" in told.out


def test_deliver_tells_slack_and_mail_once_and_keeps_the_report(
    telling: House, slack_server: slack.Running, mail_server: mail.Running
) -> None:
    told = telling.started("run", "daily_health", "--at", AT, "--format", "json", "--deliver").json
    assert {(d["channel"], d["state"]) for d in told["deliveries"]} == {("ops-slack", "sent"), ("managers", "sent")}
    first = next(m for m in slack_server.messages if not m.get("thread_ts"))
    assert told["headline"] in first["text"]
    assert len(mail_server.messages) == 1
    letter = email.message_from_bytes(mail_server.messages[0].content, policy=policy.default)
    assert told["headline"] in letter["subject"]
    assert letter.get_body(("plain",)) is not None
    assert letter.get_body(("html",)) is not None
    kept = telling.started("reports", "show", "last", "--format", "json").json
    assert (kept["run_id"], kept["exit_code"]) == (told["run_id"], 1)
    assert telling.started("outbox", "list").out == ""


def test_the_log_is_json_with_the_run_on_every_line(telling: House) -> None:
    told = telling.opsbot(
        "--log-format", "json", "run", "daily_health", "--env", "gva-prod", "--format", "json", "--deliver"
    )
    lines = [json.loads(line) for line in told.err.splitlines() if line.startswith("{")]
    assert {line["event"] for line in lines} == {"run finished", "message sent"}
    assert {line["run"] for line in lines} == {told.json["run_id"]}


def test_a_run_without_deliver_tells_nobody(telling: House, slack_server: slack.Running) -> None:
    told = telling.opsbot("run", "daily_health", "--env", "gva-prod", "--format", "json")
    assert list(slack_server.messages) == []
    assert len(told.json["at"]) == len("2026-11-20T07:00:00Z"), "to the second, so that it can be typed again"


@pytest.mark.parametrize("format_", ["text", "markdown", "html", "slack", "json"])
def test_every_format_carries_verdict_and_coverage(house: House, format_: str, tmp_path: Path) -> None:
    target = tmp_path / "report"
    told = house.opsbot(
        "run",
        "daily_health",
        "--at",
        AT,
        "--env",
        "dhbw-prod",
        "--format",
        format_,
        "--output",
        str(target),
        "--dry-run",
    )
    text = target.read_text(encoding="utf-8")
    assert told.out == ""
    assert "evaluated" in text
    if format_ in ("json", "slack"):
        json.loads(text)


def test_validate_online_tries_roles_and_channels(telling: House, world: World) -> None:
    assert telling.opsbot("validate", "--online").code == 0
    account = next(e.account for e in world.environments if e.name == "gva-prod")
    config = telling.path / "config.toml"
    text = config.read_text().replace(f"{account}:role/opsbot", f"{account}:role/deleted")
    config.write_text(
        text.replace('"managers"]', '"post"]').replace("[channels.managers]", "[channels.post]\ntimeout = 1")
    )
    config.write_text(config.read_text().replace('host = "127.0.0.1"', 'host = "127.0.0.2"'))
    told = telling.opsbot("validate", "--online")
    assert told.code == 2
    assert "config.toml.environments.gva-prod: sts:AssumeRole is denied" in told.err
    assert "config.toml.channels.post" in told.err
