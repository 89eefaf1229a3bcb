"""The log on its way to CloudWatch Logs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from opsbot.aws import shipping
from opsbot.aws.shipping import BATCH_EVENTS, KEPT_LINES, Shipper
from tests.aws.conftest import Cloud

NOW = datetime.now(UTC).replace(microsecond=0)
_names = count()


@pytest.fixture
def client(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    return shipping.client()


@pytest.fixture
def shipper(client: Any) -> Shipper:
    return Shipper(client, f"/opsbot/{next(_names)}", "host-1", lambda: NOW)


def line(event: str, **fields: object) -> str:
    return json.dumps({"timestamp": (NOW - timedelta(seconds=5)).isoformat(), "event": event} | fields)


def shipped(client: Any, shipper: Shipper) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = client.get_log_events(**shipper._names, startFromHead=True, limit=10_000)["events"]
    return events


def test_lines_arrive_in_order_at_their_own_time_and_the_group_is_made(client: Any, shipper: Shipper) -> None:
    for n in range(3):
        shipper.add(line(f"run {n}", run="r1") + "\n")
    shipper.add("a line of another program")
    shipper.add("\n")
    assert shipper.flush()
    events = shipped(client, shipper)
    assert [event["message"] for event in events[:3]] == [line(f"run {n}", run="r1") for n in range(3)]
    assert events[0]["timestamp"] == int((NOW - timedelta(seconds=5)).timestamp() * 1000)
    assert [event["message"] for event in events[3:]] == ["a line of another program"]


def test_a_group_and_a_stream_that_are_there_already_are_used(client: Any, shipper: Shipper) -> None:
    again = Shipper(client, shipper._names["logGroupName"], "host-1", lambda: NOW)
    for one in shipper, again:
        one.add(line("hello"))
        assert one.flush()
    assert len(shipped(client, shipper)) == 2


def test_what_aws_does_not_take_waits_and_arrives_once(client: Any, shipper: Shipper, cloud: Cloud) -> None:
    cloud.fails({"service": "logs", "operation": "PutLogEvents", "fault": "access_denied"})
    shipper.add(line("kept"))
    assert not shipper.flush()
    assert "logs:PutLogEvents is denied" in shipper.trouble
    cloud.heal()
    shipper.add(line("after"))
    assert shipper.flush()
    assert [json.loads(event["message"])["event"] for event in shipped(client, shipper)] == ["kept", "after"]
    assert shipper.trouble == ""


def test_what_was_lost_is_told(client: Any, shipper: Shipper) -> None:
    for n in range(KEPT_LINES + 7):
        shipper.add(f"{n}")
    assert shipper.lost == 7
    taken = shipper._take()
    assert (len(taken), taken[0][1]) == (BATCH_EVENTS, "7")
    shipper._waiting.clear()
    shipper._give_back(taken[:1])
    assert shipper.flush()
    told = json.loads(shipped(client, shipper)[-1]["message"])
    assert told == {"event": "log lines were lost before they reached CloudWatch Logs", "lost": 7}


def test_a_batch_stays_inside_the_limits_of_one_call(shipper: Shipper) -> None:
    for _ in range(12):
        shipper.add("x" * 150_000)
    assert [len(shipper._take()), len(shipper._take())] == [6, 6]


def test_a_line_without_end_is_cut(shipper: Shipper) -> None:
    shipper.add("x" * 5_000_000)
    assert len(shipper._take()[0][1]) == shipping.LONGEST


def test_the_process_ships_what_it_was_told_before_its_pipe_closed(client: Any, cloud: Cloud) -> None:
    group = f"/opsbot/{next(_names)}"
    command = [sys.executable, "-m", "opsbot", "_ship", group, "host-1"]
    done = subprocess.run(command, input=line("last words"), text=True, capture_output=True, env=os.environ, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    events = client.get_log_events(logGroupName=group, logStreamName="host-1")["events"]
    assert [json.loads(event["message"])["event"] for event in events] == ["last words"]


def test_without_a_region_it_says_so_in_one_line(signed_in: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    done = subprocess.run(
        [sys.executable, "-m", "opsbot", "_ship", "/a", "b"], input="", capture_output=True, text=True
    )
    assert (done.returncode, done.stderr.count("Traceback")) == (3, 0)
    assert "region" in done.stderr
