"""Where the report's figures come from: weeks in a zone, means, changes, targets, money, decisions, advice."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from opsbot.checks.weekly.advise import advice
from opsbot.checks.weekly.calendar import calendar
from opsbot.checks.weekly.course import Course, means, ratio, sums
from opsbot.checks.weekly.kpi import Aim, Kpi
from opsbot.checks.weekly.week import Week
from opsbot.model.status import Priority, Status
from opsbot.model.units import Unit
from opsbot.store.sql import SqlStore
from tests.checks.weekly.estate import (
    NOW,
    TODAY,
    Payers,
    Written,
    alert,
    alerted,
    bill,
    finding,
    fleet,
    foreseen,
    incident,
    look,
    steady,
)
from tests.checks.weekly.stories import BUSY_WEEK, THURSDAY, busy
from tests.outbox.world import fresh


@pytest.fixture
def store() -> Iterator[SqlStore]:
    opened = fresh()
    yield opened
    opened.close()


def kpi(week: Week, id: str) -> Kpi:
    return next(one for one in week.kpis if one.id == id)


@pytest.mark.parametrize(
    ("now", "zone", "title", "hours"),
    [
        (NOW, "Europe/Berlin", "W46, 9 Nov to 15 Nov 2026", 168),
        (datetime(2026, 11, 18, 12, tzinfo=UTC), "UTC", "7 days, 11 Nov to 17 Nov 2026", 168),
        (datetime(2026, 10, 26, 7, tzinfo=UTC), "Europe/Berlin", "W43, 19 Oct to 25 Oct 2026", 169),
        (datetime(2026, 11, 15, 16, tzinfo=UTC), "Asia/Tokyo", "W46, 9 Nov to 15 Nov 2026", 168),
        (datetime(2027, 1, 4, 7, tzinfo=UTC), "UTC", "W53, 28 Dec to 3 Jan 2027", 168),
    ],
    ids=["a Monday", "a Wednesday", "clocks went back", "Monday already, in Tokyo", "over New Year"],
)
def test_a_week_is_seven_whole_days_of_its_readers(now: datetime, zone: str, title: str, hours: int) -> None:
    found = calendar(now, zone)
    this = found.this
    assert found.title == title
    assert (this.end.astimezone(UTC) - this.start.astimezone(UTC)) == timedelta(hours=hours)
    assert len(found.weeks) == 12
    assert found.last_year.start.weekday() == found.this.start.weekday()


def test_weeks_are_added_up_and_weighed_and_gaps_are_no_zeros() -> None:
    rows = [np.array([1.0, 1.0, np.nan, np.nan, 4.0, 8.0])]
    assert sums(rows, (0, 2, 4, 6)) == (2.0, None, 12.0)
    assert means(rows, (0, 2, 4, 6), [np.array([1.0, 1, 1, 1, 3, 1])]) == (1.0, None, 5.0)
    assert means([], (0, 2)) == (None,)
    assert ratio((None, 1.0), (4.0, 0.0), 100.0) == (0.0, None)


BEFORE = (100.0, 101.0, 100.0, 101.0, 100.0)


@pytest.mark.parametrize(
    ("one", "change", "status"),
    [
        (Kpi(id="x", name="", course=Course(weeks=(*BEFORE, 101.0)), high=110), "≈ flat", Status.OK),
        (Kpi(id="x", name="", course=Course(weeks=(*BEFORE, 130.0)), high=110), "▲ 30 worse", Status.WARNING),
        (Kpi(id="x", name="", course=Course(weeks=(*BEFORE, 90.0)), high=110), "▼ 10 better", Status.OK),
        (Kpi(id="x", name="", course=Course(weeks=(*BEFORE, None))), "", Status.UNKNOWN),
        (Kpi(id="x", name="", course=Course(weeks=(7.0,)), high=0), "first known", Status.WARNING),
        (Kpi(id="a", name="", course=Course(weeks=(99.95, 99.82)), unit=Unit.PERCENT, aim=Aim.UP, low=99.9), "▼ 0.13 pt worse", Status.WARNING),
        (Kpi(id="u", name="", course=Course(weeks=(60.0, 72.0)), unit=Unit.PERCENT, aim=Aim.WITHIN, low=70, high=80), "▲ 12 pt better", Status.OK),
        (Kpi(id="u", name="", course=Course(weeks=(72.0, 76.0)), unit=Unit.PERCENT, aim=Aim.WITHIN, low=70, high=80), "▲ 4 pt", Status.OK),
        (Kpi(id="spend", name="", course=Course(weeks=(100.0, 106.1)), unit=Unit.USD, currency="USD"), "▲ 6.1 % worse", Status.OK),
        (Kpi(id="cost_per_record", name="", course=Course(weeks=(0.2, 0.21)), unit=Unit.USD, currency="USD"), "▲ 5.0 % worse", Status.OK),
        (Kpi(id="e", name="", course=Course(weeks=(0.051, 0.048)), unit=Unit.PERCENT, high=0.1), "≈ flat", Status.OK),
        (Kpi(id="e", name="", course=Course(weeks=(0.051, 0.04)), unit=Unit.PERCENT, high=0.1), "▼ 0.01 pt better", Status.OK),
    ],
    ids=["usual", "up", "down", "gone", "new", "nines", "into the band", "within the band", "money", "cents",
         "less than its figures show", "as little as they show"],
)  # fmt: skip
def test_direction_is_not_judgement(one: Kpi, change: str, status: Status) -> None:
    assert (one.change, one.status) == (change, status)


def test_the_busy_week_in_figures(store: SqlStore) -> None:
    week = busy(store)
    known = {one.id: one.course.now for one in week.kpis}
    # 2 hours of 8,000 errors in an API that is asked 9,000 times an hour, one of eight.
    assert known["error_rate"] == pytest.approx(100 * (8 * 168 * 4.5 + 2 * 8000) / (8 * 168 * 9000), rel=0.05)
    assert known["availability"] == pytest.approx(100 - (known["error_rate"] or 0), abs=0.005)
    # Six of seven days are billed: 8 x 40 USD a day, and three more quarters of one's RDS for three days.
    assert known["spend"] == pytest.approx(6 * 320 + 3 * 60, rel=0.02)
    assert known["incidents"] == 1
    slow = next(one for one in week.services if one.environment == "northlake-prod")
    assert slow.over == (106, 0)


def test_the_last_year_is_the_same_weekdays_and_fees_are_of_no_week(store: SqlStore) -> None:
    places = fleet()
    bill(store, places, days=400)
    week = look(Written(), places, store)
    spend = week.spent.course(None, week.calendar)
    assert spend.year == pytest.approx(6 * 320, rel=0.01)
    assert max(value or 0 for value in spend.weeks) < 6 * 325, "the fee of 800 USD on the first is in no week"
    assert week.spent.whole.sum() - week.spent.of().sum() == pytest.approx(13 * 800)


@pytest.mark.parametrize(
    ("read", "days"), [(TODAY, 6), (TODAY - timedelta(days=3), 3), (TODAY - timedelta(days=9), 0)], ids=str
)
def test_a_week_is_compared_by_the_days_that_are_billed(read: date, days: int, store: SqlStore) -> None:
    places = fleet()
    bill(store, places, read=read)
    week = look(Written(), places, store)
    assert week.spent.days == days
    now, before = (getattr(kpi(week, "spend").course, name) for name in ("now", "before"))
    assert (now is None) == (days == 0)
    assert days == 0 or now == pytest.approx(before, rel=0.02)


def test_utilisation_below_its_band_is_told_and_weighs_nothing() -> None:
    week = look(Written({"CPUUtilization": steady(20.0)}), fleet())
    one = kpi(week, "utilisation")
    assert (one.status, one.weighs) == (Status.WARNING, False)
    assert "paid for and not used" in one.note


def test_the_most_urgent_five_are_decided_and_the_rest_is_counted(store: SqlStore) -> None:
    places = fleet()
    for number, place in enumerate(places):
        foreseen(store, place, "db", days=9 + number)
    ill = {f"{name} HTTPCode_Target_5XX_Count": steady(2000.0) for name in ("harbor", "summit", "valemont", "meridian")}
    week = look(Written(ill), places, store)
    told = week.decisions
    assert len(told) == 5
    assert len(week.waiting) > 12
    assert [one.by for one in told] == sorted(one.by for one in told)
    assert sum(one.broken for one in told) == 3
    assert all(one.finding.owner for one in told)
    assert all("decide by" in one.finding.summary for one in told)


def test_a_forecast_that_is_old_is_none(store: SqlStore) -> None:
    places = fleet()
    foreseen(store, places[0], "db", days=18, made=TODAY - timedelta(days=11))
    assert look(Written(), places, store).outlooks.made is None
    foreseen(store, places[0], "db", days=18, made=TODAY - timedelta(days=7))
    assert look(Written(), places, store).outlooks.made == TODAY - timedelta(days=7)


def test_what_nobody_needed_is_what_ended_without_anybody(store: SqlStore) -> None:
    places, soon = fleet(), timedelta(minutes=5)
    mine = [finding("summit-prod", f"job-{number}") for number in range(5)]
    alerted(
        store, alert(mine[0], THURSDAY, soon, times=4), alert(mine[1], THURSDAY, soon, ack="ada"),
        alert(mine[2], THURSDAY, None), alert(mine[3], THURSDAY, 2 * soon), alert(mine[4], THURSDAY - timedelta(days=20), None),
    )  # fmt: skip
    week = look(Written(), places, store)
    (needless,) = week.told.needless
    assert (needless.times, needless.resources, needless.longest) == (5, 2, 2 * soon)
    assert (week.told.fired, len(week.told.open)) == (4, 2)


def test_grave_incidents_are_counted_by_week_from_the_first_that_is_known(store: SqlStore) -> None:
    places = fleet()
    incident(store, places[0], "slow", THURSDAY - timedelta(weeks=4), priority=Priority.P3)
    incident(store, places[1], "down", THURSDAY)
    week = look(Written(), places, store)
    assert week.told.grave.weeks == (None,) * 7 + (0.0, 0.0, 0.0, 0.0, 1.0)
    assert [one.title for one in week.told.incidents or ()] == ["down"]


def test_advice_is_ranked_by_effect_for_effort(store: SqlStore) -> None:
    places = fleet()
    alerted(store, alert(finding("summit-prod", "job"), THURSDAY, timedelta(minutes=5), times=9))
    week = look(Written(BUSY_WEEK), places, store)
    ranked = advice(week.savings, week.told.needless, week.findings, page_usd=25.0)
    assert [one.where for one in ranked] == ["summit-prod", "oakfield-prod"]
    quiet = advice(week.savings, week.told.needless, week.findings, page_usd=0.01)
    assert [one.where for one in quiet] == ["oakfield-prod", "summit-prod"]


def test_it_asks_few_metrics_and_no_bill(store: SqlStore) -> None:
    """Twelve weeks and one of last year, of seven series an environment."""
    cloud, places = Written(), fleet()
    bill(store, places)
    look(cloud, places, store, payers=Payers(limit=1000.0))
    days = calendar(NOW, "Europe/Berlin")
    series = [query for ask in cloud.asked if ask.window in (days.all, days.last_year) for query in ask.queries]
    assert len(series) == 2 * 7 * len(places)
