"""Pacing, on a clock that only moves when somebody waits."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from opsbot.aws.pace import Pace


@dataclass
class Clock:
    at: float = 1000.0

    def now(self) -> float:
        return self.at

    def wait(self, seconds: float) -> None:
        self.at += seconds


def paced() -> tuple[Pace, Clock]:
    clock = Clock()
    return Pace(now=clock.now, wait=clock.wait), clock


def test_a_long_plan_stays_below_the_quota_and_climbs() -> None:
    pace, clock = paced()
    assert pace.expect(14_400_000, recent=False) is False
    began = clock.at
    for _ in range(143):
        pace.before("GetMetricData", points=100_800)
    seconds = clock.at - began
    assert seconds + 1.3 > 14_400_000 / 396_000, "faster than AWS allows, beyond its second of burst"
    assert seconds < 40


def test_a_short_plan_goes_out_at_once() -> None:
    pace, clock = paced()
    assert pace.expect(15 * 100_800 - 1, recent=False) is True
    for _ in range(15):
        pace.before("GetMetricData", points=100_000)
    assert clock.at == 1000.0


@pytest.mark.parametrize(
    ("operation", "calls", "seconds"),
    [
        pytest.param("GetMetricData", 45 * 11, 10, id="45 calls a second"),
        pytest.param("ListMetrics", 20 * 11, 10, id="20 lists a second"),
        pytest.param("DescribeAlarms", 8 * 11, 10, id="8 alarm lists a second"),
        pytest.param("PutMetricAlarm", 1000, 0, id="what has no quota here is not held back"),
    ],
)
def test_calls(operation: str, calls: int, seconds: float) -> None:
    pace, clock = paced()
    for _ in range(calls):
        pace.before(operation)
    assert clock.at - 1000 == pytest.approx(seconds, abs=0.2)


def test_fresh_windows_have_a_smaller_quota() -> None:
    times = {}
    for recent in (False, True):
        pace, clock = paced()
        for _ in range(100):
            pace.before("GetMetricData", points=100_000, recent=recent)
        times[recent] = clock.at - 1000
    assert times[True] == pytest.approx(times[False] * 396 / 180, rel=0.1)


def test_throttling_halves_the_speed_once_for_calls_under_way_together() -> None:
    pace, clock = paced()
    pace.expect(1_000_000, recent=False)
    for _ in range(12):
        pace.throttled("GetMetricData")
    pace.before("GetMetricData", points=297_000)
    began = clock.at
    pace.before("GetMetricData", points=1)
    assert clock.at - began == pytest.approx(2.0, rel=0.05)


def test_speed_comes_back() -> None:
    pace, clock = paced()
    for _ in range(5):
        pace.throttled("GetMetricData")
        clock.wait(2)
    clock.wait(60)
    pace.before("GetMetricData", points=396_000)
    began = clock.at
    pace.before("GetMetricData", points=396_000)
    pace.before("GetMetricData", points=1)
    assert clock.at - began < 1.2 * 2
