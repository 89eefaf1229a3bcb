"""F24, F25: through every clock change, each fire is one row: none doubled, none skipped, as cronsim says.

`make test` walks the zones whose rules are odd; `make soak` (OPSBOT_EXAMPLES) walks every zone to 2037.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import pairwise, takewhile
from zoneinfo import ZoneInfo, available_timezones

import pytest
from cronsim import CronSim

from opsbot.model.timetable import CatchUp, Clockwork, Timetable
from opsbot.timetable import due

SOAK = int(os.environ.get("OPSBOT_EXAMPLES", "0")) > 1000
# Half an hour of change, two changes a year around Ramadan, a date line, changes at midnight and at 24:00, none at all.
ODD = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "America/Santiago",
       "America/Nuuk", "Antarctica/Troll", "Asia/Beirut", "Asia/Kathmandu", "UTC")  # fmt: skip
SCHEDULES = ("*/5 * * * *", "30 * * * *", "0 0 * * *", "30 0 * * *", "30 1 * * *", "0 2 * * *", "30 2 * * *",
             "0 3 * * *", "15 0,2,3 * * *", "0 */2 * * *", "30 2 * * SUN", "59 23 L * *")  # fmt: skip
FIRST, LAST = (2026, 2037) if SOAK else (2026, 2028)
SPAN = timedelta(hours=30)


@cache
def changes(zone: str) -> tuple[datetime, ...]:
    """Moments at which the offset from UTC changes, to the minute."""
    return tuple(_changes(ZoneInfo(zone)))


def _changes(zone: ZoneInfo) -> Iterator[datetime]:
    def offset(moment: datetime) -> timedelta | None:
        return moment.astimezone(zone).utcoffset()

    step, moment = timedelta(days=7), datetime(FIRST, 1, 1, tzinfo=UTC)
    while moment.year <= LAST:
        if offset(moment) != offset(moment + step):
            low, high = moment, moment + step
            while high - low > timedelta(minutes=1):
                middle = low + (high - low) / 2
                low, high = (middle, high) if offset(middle) == offset(low) else (low, middle)
            yield high.replace(second=0, microsecond=0)
        moment += step


def zones() -> list[str]:
    """One of each set of changes: aliases add nothing."""
    named = sorted(available_timezones()) if SOAK else list(ODD)
    return list(
        {
            (changes(zone), str(ZoneInfo(zone).utcoffset(datetime(2026, 1, 1, tzinfo=UTC)))): zone for zone in named
        }.values()
    )


def seen(zone: str, cron: str, start: datetime, end: datetime, step: timedelta) -> list[datetime]:
    """The fires that became rows, by a daemon that looks every `step`."""
    table = Timetable(
        job="j", cron=cron, zone=zone, timeout=timedelta(minutes=1), catch_up=CatchUp.ALL, catch_up_max=100
    )
    clockwork, found, now = Clockwork(job="j", cursor=start, cron=cron), [], start
    while now < end:
        now = min(now + step, end)
        looked = due(table, clockwork, now)
        clockwork = looked.clockwork
        found += [run.at for run in looked.runs]
    return found


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("cron", SCHEDULES)
def test_f24_each_fire_around_each_clock_change_is_one_row(cron: str) -> None:
    for zone in zones():
        for change in changes(zone) or (datetime(2026, 3, 29, 1, tzinfo=UTC),):
            start, end = change - SPAN, change + SPAN
            found = seen(zone, cron, start, end, timedelta(hours=7, minutes=13))
            truth = CronSim(cron, start.astimezone(ZoneInfo(zone)))
            assert found == [fire.astimezone(UTC) for fire in takewhile(end.__ge__, truth)], (
                zone,
                change,
            )
            assert len(set(found)) == len(found)


@pytest.mark.parametrize("cron", ["0 0 * * *", "30 1 * * *", "30 2 * * *", "0 3 * * *"])
def test_f24_a_daily_job_runs_once_on_every_day_of_the_year(cron: str) -> None:
    """Not cronsim's word for it: each local date of a year has exactly one fire."""
    for zone in ODD:
        place = ZoneInfo(zone)
        start, end = datetime(2026, 12, 31, 12, tzinfo=place), datetime(2028, 1, 1, 12, tzinfo=place)
        days = [fire.astimezone(place).date() for fire in seen(zone, cron, start, end, timedelta(days=20))]
        year = [date(2027, 1, 1) + timedelta(days=n) for n in range(365)]
        assert [day for day in days if day.year == 2027] == year, zone


def test_f24_an_hourly_job_runs_every_real_hour() -> None:
    for change in changes("Europe/Berlin"):
        found = seen("Europe/Berlin", "30 * * * *", change - SPAN, change + SPAN, timedelta(hours=5))
        assert {later - earlier for earlier, later in pairwise(found)} == {timedelta(hours=1)}


@pytest.mark.parametrize(
    ("cron", "expected"),
    [
        ("0 6 29 2 *", ["2028-02-29"]),
        ("0 6 31 * *", ["2027-12-31", "2028-01-31", "2028-03-31"]),
        ("0 6 L * *", ["2027-12-31", "2028-01-31", "2028-02-29", "2028-03-31"]),
        ("0 6 1 * *", ["2028-01-01", "2028-02-01", "2028-03-01", "2028-04-01"]),
    ],
    ids=["a leap day comes every four years", "the 31st only where there is one", "L is the last day", "the first"],
)
def test_f25_ends_of_months(cron: str, expected: list[str]) -> None:
    start, end = datetime(2027, 12, 1, 7, tzinfo=UTC), datetime(2028, 4, 2, tzinfo=UTC)
    assert [f"{fire:%Y-%m-%d}" for fire in seen("UTC", cron, start, end, timedelta(days=3))] == expected


def test_f25_a_leap_second_is_no_minute_of_its_own() -> None:
    """POSIX time repeats 23:59:59: the fire at midnight is one row."""
    start = datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert len(seen("UTC", "0 0 * * *", start, start + timedelta(seconds=3), timedelta(seconds=1))) == 1
