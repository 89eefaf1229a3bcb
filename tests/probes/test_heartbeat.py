"""Heartbeats: when a job that reports by itself is late, failed or well; and addresses that nobody can guess."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsbot.model.heartbeat import Beat, Pulse
from opsbot.model.probe import ProbeState, Reason
from opsbot.probes import heartbeat
from opsbot.probing import Heartbeat, Probe

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
HOURLY = Probe(name="sync", check="sync", every=3600, heartbeat=Heartbeat(grace=600))
NIGHTLY = Probe(
    name="backup", check="backup", every=0, heartbeat=Heartbeat(grace=1800, cron="0 3 * * *", zone="Europe/Berlin")
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-{text}+00:00")


def pulse(**changes: object) -> Pulse:
    return Pulse(**({"probe": "sync", "known": NOW - 48 * HOUR} | changes))  # type: ignore[arg-type]


UP, LATE, FAILED = None, Reason.HEARTBEAT_LATE, Reason.HEARTBEAT_FAILED
VERDICTS = [
    ("just known, never came", HOURLY, pulse(known=NOW - HOUR), UP, ""),
    ("known too long, never came", HOURLY, pulse(known=NOW - 71 * MINUTE), LATE, "it has never come"),
    ("came in time", HOURLY, pulse(at=NOW - HOUR), UP, ""),
    ("within its grace", HOURLY, pulse(at=NOW - 70 * MINUTE), UP, ""),
    ("late", HOURLY, pulse(at=NOW - 71 * MINUTE), LATE, "expected by 2026-11-20T11:59:00+00:00, now late by 1m; it last came 1h11m ago"),
    ("said that it failed", HOURLY, pulse(at=NOW - MINUTE, ok=False), FAILED, "the job said that it failed, 1m ago"),
    ("failed with a code", HOURLY, pulse(at=NOW, ok=False, exit_code=137), FAILED, "with exit code 137"),
    ("failed long ago and silent since", HOURLY, pulse(at=NOW - 9 * HOUR, ok=False), FAILED, "9h ago"),
    ("failed, and runs again", HOURLY, pulse(at=NOW - MINUTE, ok=False, started=NOW), FAILED, ""),
    ("runs, and is not due", HOURLY, pulse(at=NOW - MINUTE, started=NOW), UP, ""),
    ("began late and is within its grace", HOURLY, pulse(at=NOW - 75 * MINUTE, started=NOW - 9 * MINUTE), UP, ""),
    ("began and hangs", HOURLY, pulse(at=NOW - 3 * HOUR, started=NOW - 2 * HOUR), LATE, "it began 2h ago and did not end"),
    ("began early and hangs", HOURLY, pulse(at=NOW - 71 * MINUTE, started=NOW - 70 * MINUTE), LATE, "began 1h10m ago"),
    ("nightly, came tonight at 3 in Berlin", NIGHTLY, pulse(at=at("20T02:05:00")), UP, ""),
    ("nightly, missed tonight", NIGHTLY, pulse(at=at("19T02:05:00")), LATE, "expected by 2026-11-20T03:30:00+01:00"),
    ("nightly, its clock is half a minute early", NIGHTLY, pulse(at=at("20T01:59:30")), UP, ""),
    ("nightly, came yesterday afternoon by hand", NIGHTLY, pulse(at=at("19T15:00:00")), LATE, "it last came 21h ago"),
    ("nightly, known since this morning", NIGHTLY, pulse(known=at("20T08:00:00")), UP, ""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("probe", "last", "reason", "words"), [row[1:] for row in VERDICTS], ids=[row[0] for row in VERDICTS]
)
def test_a_heartbeat_is_judged_by_when_it_came(probe: Probe, last: Pulse, reason: Reason | None, words: str) -> None:
    result = heartbeat.verdict(probe, last, NOW)
    assert result.reason is reason
    assert result.state is (ProbeState.DOWN if reason else ProbeState.UP)
    assert words in result.why
    assert bool(result.why) is bool(reason)
    assert (result.target, result.kind, result.at) == (probe.name, "heartbeat", NOW)


def cron(text: str) -> Probe:
    return Probe(
        name="sync", check="sync", every=0, heartbeat=Heartbeat(grace=900, cron=text, zone="Europe/Berlin")
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "last", "until"),
    [
        pytest.param("0 * * * *", "10-24T23:00:10", "10-25T00:15", id="the hour that comes twice, the first time"),
        pytest.param("0 * * * *", "10-25T00:00:10", "10-25T01:15", id="and the second"),
        pytest.param("0 * * * *", "10-25T01:00:10", "10-25T02:15", id="the hour after"),
        pytest.param("*/15 * * * *", "10-25T00:45:10", "10-25T01:15", id="every quarter of it"),
        pytest.param("30 2 * * *", "10-25T00:30:10", "10-26T01:45", id="daily in it: came the first time"),
        pytest.param("30 2 * * *", "10-25T01:30:10", "10-26T01:45", id="daily in it: came the second time"),
        pytest.param("30 2 * * *", "10-25T01:05:00", "10-26T01:45", id="daily in it: by hand in between"),
        pytest.param("0 * * * *", "03-29T00:00:10", "03-29T01:15", id="an hour that is left out"),
        pytest.param("30 2 * * *", "03-28T01:30:10", "03-29T01:15", id="daily in it: at the next full hour"),
        pytest.param("30 2 * * *", "03-29T01:00:10", "03-30T00:45", id="daily, the day after"),
    ],
)
def test_clocks_that_change_make_nobody_late(text: str, last: str, until: str) -> None:
    """In Berlin 02:00 to 03:00 comes twice on 2026-10-25 and not at all on 2026-03-29."""
    came, due = (datetime.fromisoformat(f"2026-{each}+00:00") for each in (last, until))
    beat, known = cron(text), pulse(at=came, known=came)
    assert heartbeat.deadline(beat, known).astimezone(UTC) == due
    assert heartbeat.verdict(beat, known, due).state is ProbeState.UP
    assert heartbeat.verdict(beat, known, due + timedelta(seconds=1)).reason is LATE


def test_what_the_job_said_is_shown_when_it_failed_and_only_then() -> None:
    said = pulse(at=NOW, ok=False, said="disk full")
    assert heartbeat.verdict(HOURLY, said, NOW).excerpt == "disk full"
    assert heartbeat.verdict(HOURLY, pulse(at=NOW, said="fine"), NOW).excerpt == ""


def test_a_run_is_measured_from_its_start_to_its_end() -> None:
    begun = heartbeat.after(pulse(), Beat.START, NOW)
    ended = heartbeat.after(begun, Beat.OK, NOW + 90 * MINUTE, text="done")
    assert (begun.started, ended.started, ended.seconds, ended.ok, ended.said) == (NOW, None, 5400.0, True, "done")
    assert heartbeat.verdict(HOURLY, ended, NOW + 91 * MINUTE).seconds == 5400.0


def test_an_end_without_a_start_has_no_length_and_a_clock_that_went_back_none_below_zero() -> None:
    assert heartbeat.after(pulse(), Beat.FAIL, NOW, 2).seconds is None
    assert heartbeat.after(pulse(started=NOW), Beat.OK, NOW - HOUR).seconds == 0.0


def test_looking_at_many_leaves_other_kinds_out() -> None:
    other = Probe(name="api", check="api", every=30)
    results = heartbeat.look([HOURLY, other, NIGHTLY], {"sync": pulse(at=NOW - 9 * HOUR)}, NOW)
    assert [(result.target, result.state) for result in results] == [
        ("sync", ProbeState.DOWN),
        ("backup", ProbeState.UP),
    ]


WORDS = {
    "": (Beat.OK, None), "0": (Beat.OK, 0), "start": (Beat.START, None), "fail": (Beat.FAIL, None),
    "1": (Beat.FAIL, 1), "255": (Beat.FAIL, 255), "256": None, "-1": None, "ok": None, "START": None, "1.0": None,
    "٣": None, "0001": None,
}  # fmt: skip


@pytest.mark.parametrize("word", WORDS)
def test_the_end_of_an_address_says_how_it_went(word: str) -> None:
    assert heartbeat.read(word) == WORDS[word]


@given(st.binary(min_size=32, max_size=32), st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,60}", fullmatch=True))
def test_an_address_leads_to_its_own_heartbeat_and_with_this_key_alone(key: bytes, name: str) -> None:
    made = heartbeat.address(key, name)
    assert heartbeat.whose(key, made) == name
    assert heartbeat.whose(bytes(32) if any(key) else b"x" * 32, made) is None
    assert heartbeat.whose(key, made[:-1] + ("0" if made[-1] != "0" else "1")) is None


@given(st.text(max_size=80))
def test_nothing_else_is_an_address(text: str) -> None:
    assert heartbeat.whose(b"k" * 32, text) is None


def test_what_is_kept_of_a_body_is_short_and_without_secrets() -> None:
    told = heartbeat.said(b"dump ok\nPGPASSWORD=hunter2 AKIAABCDEFGHIJKLMNOP \x1b[31m" + b"x" * 50_000)
    assert "hunter2" not in told
    assert "AKIA" not in told
    assert told.isprintable()
    assert len(told) < 1000
