"""What probes come to: states, outages, accounts, tiles of time."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsbot.checks.uptime_account import hundred
from opsbot.evaluate import slo, uptime
from opsbot.model.period import Period
from opsbot.model.probe import ProbeState
from opsbot.model.status import Status
from opsbot.model.uptime import Bucket, Certified, Sample, Standing
from tests.uptime.kept import DAY, FIVE, HOUR, MINUTE, NOW, certified, probe

UP, DEGRADED, DOWN, UNSURE = ProbeState.UP, ProbeState.DEGRADED, ProbeState.DOWN, ProbeState.UNSURE
STATES = {"u": UP, "g": DEGRADED, "d": DOWN, "?": UNSURE}


def standing(state: ProbeState = UP, **changes: object) -> Standing:
    made = Standing(probe="api", state=state, since=NOW - HOUR, seen=NOW - MINUTE)
    return replace(made, **changes)  # type: ignore[arg-type]


def samples(written: str) -> list[Sample]:
    """A letter a minute, the last one a minute ago."""
    first = NOW - len(written) * MINUTE
    return [
        Sample(probe="api", at=first + n * MINUTE, state=STATES[letter], reason="tcp.refused" if letter == "d" else "")
        for n, letter in enumerate(written)
    ]


@pytest.mark.parametrize(
    ("found", "status"),
    [
        (standing(), Status.OK),
        (standing(DEGRADED), Status.WARNING),
        (standing(DOWN), Status.CRITICAL),
        (standing(UNSURE), Status.UNKNOWN),
        (standing(DOWN, blamed="vpn"), Status.INFO),
        (standing(seen=NOW - 3 * MINUTE), Status.OK),
        (standing(seen=NOW - 4 * MINUTE), Status.UNKNOWN),
        (standing(DOWN, seen=NOW - HOUR), Status.UNKNOWN),
        (None, Status.UNKNOWN),
    ],
)
def test_a_standing_is_a_status(found: Standing | None, status: Status) -> None:
    assert uptime.status_of(probe(), found, NOW) is status


def test_a_heartbeat_by_a_timetable_has_no_interval_to_be_silent_for() -> None:
    quiet = standing(seen=NOW - 20 * DAY)
    assert not uptime.silent(replace(probe(), every=0.0), quiet, NOW)
    assert uptime.silent(probe(), quiet, NOW)


@pytest.mark.parametrize(
    ("written", "outages"),
    [
        ("uuuuuu", []),
        ("uuduuu", []),  # one is not enough
        ("uudduu", [(4, 2, 2, 2, DOWN)]),
        ("uudddd", [(4, 0, 4, 4, DOWN)]),
        ("uddudduu", [(7, 2, 4, 5, DOWN)]),  # one good probe ends nothing
        ("udd?dduu", [(7, 2, 4, 4, DOWN)]),  # what the prober could not tell breaks no row
        ("ud?duu", [(5, 2, 2, 2, DOWN)]),
        ("uggguu", [(5, 2, 3, 3, DEGRADED)]),
        ("ugdguu", [(5, 2, 3, 3, DOWN)]),
        ("dduudduu", [(8, 6, 2, 2, DOWN), (4, 2, 2, 2, DOWN)]),
        ("dudududu", []),
        ("", []),
    ],
)
def test_outages_follow_the_probe_s_own_thresholds(written: str, outages: list[tuple[object, ...]]) -> None:
    found = [
        (
            (NOW - one.start) // MINUTE,
            (NOW - one.end) // MINUTE if one.end else 0,
            one.failed,
            one.probes,
            one.state,
        )
        for one in uptime.outages(probe(), samples(written))
    ]
    assert found == outages


def test_the_reason_is_the_one_seen_most() -> None:
    mixed = [replace(one, reason="dns.timeout" if n == 1 else one.reason) for n, one in enumerate(samples("uddduu"))]
    assert [one.reason for one in uptime.outages(probe(), mixed)] == ["tcp.refused"]


@pytest.mark.parametrize(
    ("written", "now", "state", "since"),
    [
        ("uuuudddd", NOW - 2 * MINUTE, DOWN, 4),
        ("uuuudddd", NOW - 6 * MINUTE, UP, 8),
        ("dduuuuuu", NOW, UP, 6),
    ],
)
def test_an_earlier_moment_is_read_from_its_samples(written: str, now: datetime, state: ProbeState, since: int) -> None:
    today = standing(DOWN, since=NOW + MINUTE)
    found = uptime.standing_at(probe(), today, samples(written), now)
    assert found is not None
    assert (found.state, (NOW - found.since) // MINUTE) == (state, since)


def test_a_standing_that_held_already_is_taken_as_it_is() -> None:
    assert uptime.standing_at(probe(), standing(DOWN), [], NOW) == standing(DOWN)
    assert uptime.standing_at(probe(), standing(DOWN, since=NOW + HOUR), [], NOW) is None


def hour(ago: int, **counts: int) -> Bucket:
    return Bucket(probe="api", start=NOW - ago * HOUR, length=HOUR, **counts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("hours", "status"),
    [
        ([hour(2, up=60), hour(1, up=60)], Status.OK),
        ([hour(2, up=59, down=1), hour(1, up=59, down=1)], Status.CRITICAL),
        ([hour(2, up=60), hour(1, up=50, down=10)], Status.OK),
        ([hour(2, up=59, missing=1), hour(1, up=59, missing=1)], Status.CRITICAL),
        ([hour(2, missing=60), hour(1, missing=60)], Status.UNKNOWN),  # the prober was away: blind, not down
        ([hour(1, up=60)], Status.UNKNOWN),
        ([hour(2, degraded=60), hour(1, degraded=60)], Status.OK),
        ([hour(2, up=30, excused=30), hour(1, up=30, unsure=30)], Status.OK),
    ],
)
def test_availability_below_99_for_two_hours_is_critical(hours: list[Bucket], status: Status) -> None:
    assert uptime.availability_status(uptime.availability(hours, NOW)) is status


@pytest.mark.parametrize(
    ("days", "status", "limit"),
    [
        (90, Status.OK, None), (30.1, Status.OK, None), (30, Status.INFO, 30), (14.5, Status.INFO, 30),
        (14, Status.WARNING, 14), (3.5, Status.WARNING, 14), (3, Status.CRITICAL, 3), (-1, Status.CRITICAL, 3),
    ],
)  # fmt: skip
def test_a_certificate_is_told_at_30_14_and_3_days(days: float, status: Status, limit: int | None) -> None:
    shown: Certified = certified(probe(), days)
    assert uptime.certificate_status(shown, NOW) == (status, limit)


@pytest.mark.parametrize(
    ("left", "burn", "status"),
    [
        (0.5, None, Status.OK), (0.5, slo.SLOW, Status.WARNING), (0.5, slo.FAST, Status.CRITICAL),
        (0.0, None, Status.CRITICAL), (-2.0, slo.SLOW, Status.CRITICAL), (None, None, Status.UNKNOWN),
    ],
)  # fmt: skip
def test_a_budget_is_judged_by_what_is_left_and_how_fast_it_goes(
    left: float | None, burn: slo.Burn | None, status: Status
) -> None:
    level = slo.Level(good=1, bad=0, left_out=0, availability=None if left is None else 0.999, budget_left=left)
    assert uptime.slo_status(level, burn) is status


def test_a_budget_in_minutes() -> None:
    objective = slo.Objective(target=0.999)
    level = slo.Level(good=1, bad=0, left_out=0, availability=0.9995, budget_left=0.5)
    assert uptime.minutes(objective, level) == pytest.approx((43.2, 21.6))


def test_tiles_are_days_hours_and_five_minutes() -> None:
    period = Period(start=NOW - 2 * DAY - 90 * MINUTE, end=NOW + 7 * MINUTE)
    told = [(length, (part.end - part.start) // length) for part, length in uptime.tiles(period)]
    # From 05:30 on: half an hour and the rest of that day, a day, seven hours of today and ten minutes.
    assert told == [(FIVE, 6), (HOUR, 18), (DAY, 1), (HOUR, 7), (FIVE, 2)]


@given(st.integers(0, 10**6), st.integers(1, 10**5))
def test_tiles_cover_every_moment_once(start: int, minutes: int) -> None:
    begin = datetime(2026, 1, 1, tzinfo=NOW.tzinfo) + start * MINUTE
    found = list(uptime.tiles(Period(start=begin, end=begin + minutes * MINUTE)))
    assert found[0][0].start <= begin < found[0][0].start + FIVE
    assert found[-1][0].end - FIVE < begin + minutes * MINUTE <= found[-1][0].end
    for (before, length), (after, _) in zip(
        found, [*found[1:], (Period(start=found[-1][0].end, end=begin), DAY)], strict=True
    ):
        assert before.end == after.start
        assert (before.end - before.start) % length == timedelta(0)


@given(st.lists(st.integers(0, 10**7), min_size=1, max_size=6).filter(any))
def test_shares_add_up_to_100_whatever_they_are(numbers: list[int]) -> None:
    assert round(sum(float(share) for share in hundred(numbers)), 6) == 100.0


def test_days_are_whole_and_the_last_is_today() -> None:
    chance = random.Random(4)
    buckets = [hour(ago, up=60, down=chance.choice([0, 0, 5])) for ago in range(1, 24 * 5)]
    found = uptime.days(buckets, NOW, 6)
    assert [day.start for day in found] == [NOW.replace(hour=0) - n * DAY for n in range(5, -1, -1)]
    assert sum(day.tally.asked for day in found if day.tally) == uptime.tally(buckets).asked
    assert uptime.days([], NOW, 2)[0].tally is None


def test_phases_stand_against_their_own_median() -> None:
    usual = [replace(one, phases=(("dns", 0.002), ("connect", 0.01))) for one in samples("uuuuuuuu")]
    late = replace(usual[-1], state=DOWN, phases=(("dns", 0.9),))
    found = {one.phase: (one.now, one.usual) for one in uptime.phases([*usual[:-1], late], late.at)}
    assert found == {"dns": (0.9, 0.002), "connect": (None, 0.01)}
