"""Planned work: under way to the second, right when clocks change, and of whom it is."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsbot.model.maintenance import PREFIX, Maintenance, covering, planned
from opsbot.model.period import Period, from_epoch

HOUR = timedelta(hours=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def weekly(length: timedelta = 4 * HOUR, cron: str = "0 2 * * SUN", **more: object) -> Maintenance:
    return Maintenance(name="patches", reason="patches", cron=cron, zone="Europe/Berlin", length=length, **more)  # type: ignore[arg-type]


ONCE = Maintenance(
    name="move", reason="move", start=at("2026-12-05T22:00:00+01:00"), end=at("2026-12-06T04:00:00+01:00")
)


@pytest.mark.parametrize(
    ("window", "moment", "found"),
    [
        pytest.param(ONCE, "2026-12-05T20:59:59.999+00:00", None, id="once: not yet"),
        pytest.param(ONCE, "2026-12-05T21:00:00+00:00", ("2026-12-05T21:00Z", "2026-12-06T03:00Z"), id="once: begun"),
        pytest.param(ONCE, "2026-12-06T03:00:00+00:00", None, id="once: its end is not part of it"),
        pytest.param(weekly(), "2026-11-22T01:00:00Z", ("2026-11-22T01:00Z", "2026-11-22T05:00Z"), id="begun"),
        pytest.param(weekly(), "2026-11-22T04:59:59Z", ("2026-11-22T01:00Z", "2026-11-22T05:00Z"), id="last second"),
        pytest.param(weekly(), "2026-11-22T05:00:00Z", None, id="over"),
        pytest.param(weekly(), "2026-11-23T02:00:00Z", None, id="another day"),
        pytest.param(
            weekly(timedelta(seconds=90)), "2026-11-22T01:01:29Z", ("2026-11-22T01:00Z", "2026-11-22T01:01:30Z"),
            id="seconds count",
        ),
        pytest.param(weekly(timedelta(seconds=90)), "2026-11-22T01:01:30Z", None, id="and end"),
        # 02:00 does not exist that morning; cron runs it at 03:00 CEST, which is 01:00 UTC, and four hours are four hours.
        pytest.param(weekly(), "2026-03-29T04:59:00Z", ("2026-03-29T01:00Z", "2026-03-29T05:00Z"), id="clocks forward"),
        pytest.param(weekly(), "2026-03-29T00:59:59Z", None, id="not before they are"),
        # 02:00 comes twice that morning; the window begins with the first.
        pytest.param(weekly(), "2026-10-25T00:00:00Z", ("2026-10-25T00:00Z", "2026-10-25T04:00Z"), id="clocks back"),
        pytest.param(weekly(), "2026-10-25T04:30:00Z", None, id="once, not twice"),
        pytest.param(
            weekly(HOUR, "0 2,3 * * *"), "2026-11-22T02:30:00Z", ("2026-11-22T02:00Z", "2026-11-22T03:00Z"),
            id="windows that follow one another",
        ),
    ],
)  # fmt: skip
def test_a_window_is_under_way(window: Maintenance, moment: str, found: tuple[str, str] | None) -> None:
    expected = Period(start=at(found[0]), end=at(found[1])) if found else None
    assert window.window_at(at(moment)) == expected
    assert window.covers("any", "ecs-cpu", at(moment)) is (found is not None)


@pytest.mark.parametrize(
    ("globs", "checks", "probes"),
    [
        ({}, {"ecs-cpu", "rds-cpu"}, {"api", "shop"}),
        ({"checks": ("rds-*",)}, {"rds-cpu"}, set()),
        ({"probes": ("a*",)}, set(), {"api"}),
        ({"probes": ("a*",), "checks": ("ecs-cpu",)}, {"ecs-cpu"}, {"api"}),
        ({"probes": ("*",)}, set(), {"api", "shop"}),
        ({"environments": ("shop-test",)}, set(), set()),
        ({"environments": ("shop-*",)}, {"ecs-cpu", "rds-cpu"}, {"api", "shop"}),
    ],
)
def test_it_covers_what_its_globs_name(globs: dict[str, tuple[str, ...]], checks: set[str], probes: set[str]) -> None:
    now, window = at("2026-11-22T02:00:00Z"), weekly(**globs)
    assert {name for name in ("ecs-cpu", "rds-cpu") if window.covers("shop-prod", name, now)} == checks
    assert {name for name in ("api", "shop") if window.covers_probe("shop-prod", name, now)} == probes


def test_the_first_that_covers_is_the_one_to_name() -> None:
    other = Maintenance(name="all", reason="all", cron="* * * * *", length=timedelta(seconds=30))
    windows = (weekly(probes=("api",)), other)
    now = at("2026-11-22T02:00:10Z")
    assert [
        one and one.name for one in (covering(windows, "", "api", now, probe=True), covering(windows, "", "api", now))
    ] == [
        "patches",
        "all",
    ]
    assert covering(windows, "", "api", now + timedelta(seconds=20)) is None
    assert (planned(f"{PREFIX}all"), planned("vpn"), planned("")) == ("all", "", "")


@given(
    st.integers(1_735_689_600, 1_893_456_000).map(from_epoch),
    st.integers(1, 14 * 86400 - 1),
)
def test_what_is_under_way_lies_among_the_windows_of_a_period(moment: datetime, seconds: int) -> None:
    window = weekly(timedelta(seconds=seconds), "30 2 */15 * *")
    found, around = window.window_at(moment), window.windows_in(Period(start=moment, end=moment + HOUR))
    if found is None:
        assert all(one.start > moment for one in around)
    else:
        assert found.start <= moment < found.end
        assert around[0].start == found.start
        assert window.window_at(found.end - timedelta(microseconds=1)) is not None


def test_windows_of_a_long_period_are_not_endless() -> None:
    year = Period(start=at("2026-01-01T00:00:00Z"), end=at("2027-01-01T00:00:00Z"))
    assert len(weekly().windows_in(year)) == 52
    assert len(weekly(HOUR, "0 * * * *").windows_in(year)) == 100
    assert ONCE.windows_in(year) == (Period(start=ONCE.start or year.start, end=ONCE.end or year.end),)
    assert ONCE.windows_in(Period(start=year.start, end=at("2026-12-05T21:00:00Z"))) == ()
