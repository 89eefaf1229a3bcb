"""What a look at the clock comes to: which fires run, which never will, and what their rows say."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from opsbot.model.run import Cause, Run, RunState
from opsbot.model.timetable import Blackout, CatchUp, Clockwork, Timetable
from opsbot.timetable import KEPT_SKIPS, Due, due, late, next_fire, public_holidays, run_id

# A Friday.
NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def table(cron: str = "0 7 * * *", **changes: object) -> Timetable:
    told: dict[str, object] = {"job": "daily_health", "cron": cron, "zone": "Europe/Berlin"}
    return Timetable(**told | {"timeout": timedelta(minutes=10)} | changes)  # type: ignore[arg-type]


def seen(cursor: datetime, timetable: Timetable, **changes: object) -> Clockwork:
    return Clockwork(job=timetable.job, cursor=cursor, cron=timetable.cron, **changes)  # type: ignore[arg-type]


def look(timetable: Timetable, since: datetime, now: datetime = NOW, **changes: object) -> Due:
    return due(timetable, seen(since, timetable, **changes), now)


def told(found: Due) -> list[str]:
    return [
        f"{run.at:%a %H:%M} {run.state} {run.cause if run.state is RunState.QUEUED else run.reason}".strip()
        for run in found.runs
    ]


def test_a_fire_becomes_a_row_and_the_cursor_moves() -> None:
    found = look(table(), NOW - timedelta(hours=4), datetime(2026, 11, 20, 6, 0, 1, tzinfo=UTC))
    (run,) = found.runs
    assert (run.job, run.state, run.cause, run.attempt) == ("daily_health", RunState.QUEUED, Cause.SCHEDULE, 0)
    assert run.at == run.scheduled_for == datetime(2026, 11, 20, 6, tzinfo=UTC)
    assert found.clockwork.cursor == datetime(2026, 11, 20, 6, 0, 1, tzinfo=UTC)


def test_looking_again_finds_the_same_rows_and_then_nothing() -> None:
    first, again = look(table(), NOW - 3 * DAY), look(table(), NOW - 3 * DAY)
    assert first == again
    assert due(table(), first.clockwork, NOW) == Due(runs=(), clockwork=first.clockwork)


def test_two_replicas_give_a_fire_the_same_id_and_no_other_the_same() -> None:
    ids = {run_id(job, NOW + n * HOUR) for job in ("a", "b") for n in range(1000)}
    assert len(ids) == 2000
    assert sorted(run_id("a", NOW + n * HOUR) for n in range(50)) == [run_id("a", NOW + n * HOUR) for n in range(50)]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (CatchUp.SKIP, ["Wed 06:00 skipped", "Thu 06:00 skipped", "Fri 06:00 skipped"]),
        (CatchUp.LATEST, ["Wed 06:00 skipped", "Thu 06:00 skipped", "Fri 06:00 queued catch-up"]),
        (CatchUp.ALL, ["Wed 06:00 queued catch-up", "Thu 06:00 queued catch-up", "Fri 06:00 queued catch-up"]),
    ],
)
def test_three_days_in_a_drawer(policy: CatchUp, expected: list[str]) -> None:
    reason = f" missed: nobody was there to run it (catch_up = {policy})"
    assert told(look(table(catch_up=policy), NOW - 2 * DAY - 4 * HOUR)) == [
        line + reason if line.endswith("skipped") else line for line in expected
    ]


def test_all_has_a_limit_and_takes_the_newest() -> None:
    found = look(table(catch_up=CatchUp.ALL, catch_up_max=2, catch_up_window=30 * DAY), NOW - 6 * DAY)
    assert [run.state.value for run in found.runs] == ["skipped"] * 4 + ["queued"] * 2


def test_what_is_on_time_runs_whatever_the_policy() -> None:
    just_now = datetime(2026, 11, 20, 6, 0, 59, tzinfo=UTC)
    for policy in CatchUp:
        assert told(look(table(catch_up=policy), just_now - HOUR, just_now)) == ["Fri 06:00 queued schedule"], policy


def test_a_weekly_report_that_slept_through_its_monday_is_still_told() -> None:
    found = look(table("0 8 * * MON"), NOW - 5 * DAY)
    assert told(found) == ["Mon 07:00 queued catch-up"]


def test_what_is_older_than_the_window_never_runs() -> None:
    found = look(table(catch_up=CatchUp.ALL, catch_up_window=DAY), NOW - 2 * DAY - 4 * HOUR)
    assert told(found)[0] == "Wed 06:00 skipped missed, and older than catch_up_window (1d)"
    assert [run.state.value for run in found.runs] == ["skipped", "skipped", "queued"]


@pytest.mark.parametrize(
    ("cursor", "cron"), [(None, ""), (NOW - 30 * DAY, "0 3 * * *")], ids=["new", "its schedule was changed"]
)
def test_a_schedule_that_is_new_begins_now(cursor: datetime | None, cron: str) -> None:
    found = due(table(), Clockwork(job="daily_health", cursor=cursor, cron=cron), NOW)
    assert found.runs == ()
    assert (found.clockwork.cursor, found.clockwork.cron) == (NOW, "0 7 * * *")


def test_switching_a_job_on_again_does_not_replay_the_time_between() -> None:
    off = look(table(enabled=False), NOW - 5 * DAY)
    assert off.runs == ()
    assert due(table(), off.clockwork, NOW + HOUR).runs == ()


def test_paused_fires_are_rows_with_who_and_why_and_are_not_replayed() -> None:
    found = look(table(), NOW - DAY, paused_until=NOW + DAY, paused_by="ana", pause_reason="migration")
    assert told(found) == ["Fri 06:00 skipped paused by ana: migration"]
    later = due(table(), replace(found.clockwork, paused_until=None), NOW + HOUR)
    assert later.runs == ()


def test_a_pause_that_ends_between_two_fires_holds_back_only_the_first() -> None:
    found = look(table("0 * * * *", catch_up=CatchUp.ALL), NOW - 2 * HOUR, paused_until=NOW - HOUR, paused_by="ana")
    assert told(found) == ["Fri 08:00 skipped paused by ana", "Fri 09:00 queued catch-up"]


CHRISTMAS = Blackout(start=NOW - DAY, end=NOW + DAY, reason="year-end freeze", jobs=("daily_*",))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"holidays": (date(2026, 11, 20),)}, "a public holiday"),
        ({"blackouts": (CHRISTMAS,)}, "black-out: year-end freeze"),
        ({"blackouts": (replace(CHRISTMAS, jobs=("cost_*",)),)}, None),
        ({"business_days": True}, None),
    ],
)
def test_days_on_which_it_does_not_run(changes: dict[str, object], reason: str | None) -> None:
    (run,) = look(table(**changes), NOW - 4 * HOUR).runs
    assert (run.state, run.reason) == ((RunState.SKIPPED, reason) if reason else (RunState.QUEUED, ""))


def test_a_holiday_is_a_day_of_the_schedule_s_own_zone() -> None:
    """23:30 UTC on the 24th is the 25th in Berlin."""
    christmas = table("30 0 * * *", holidays=(date(2026, 12, 25),))
    (run,) = look(christmas, datetime(2026, 12, 24, 23, tzinfo=UTC), datetime(2026, 12, 24, 23, 30, tzinfo=UTC)).runs
    assert run.reason == "a public holiday"


def test_business_days_leave_out_the_weekend() -> None:
    monday = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
    found = look(table(business_days=True), NOW, monday)
    assert told(found) == [
        "Sat 06:00 skipped no business day",
        "Sun 06:00 skipped no business day",
        "Mon 06:00 queued schedule",
    ]


def test_what_runs_next_is_what_will_run() -> None:
    rules = table(business_days=True, holidays=(date(2026, 11, 23),))
    assert next_fire(rules, NOW) == datetime(2026, 11, 24, 6, tzinfo=UTC)
    assert next_fire(table(enabled=False), NOW) is None


def test_a_minutely_job_that_slept_for_years_says_so_in_a_hundred_rows() -> None:
    found = look(table("* * * * *"), NOW - 800 * DAY)
    assert len(found.runs) == KEPT_SKIPS + 1
    assert found.runs[0].reason.endswith("as all before it since 2024-09-11 09:30 UTC")
    assert found.runs[-1].state is RunState.QUEUED


def test_jitter_is_the_same_every_time_and_differs_from_job_to_job() -> None:
    at = datetime(2026, 11, 20, 6, tzinfo=UTC)
    starts = [look(table(jitter=10 * HOUR / 60, job=job), at - HOUR, at).runs[0].not_before for job in ("a", "b", "a")]
    assert starts[0] == starts[2] != starts[1]
    assert all(at <= start < at + timedelta(minutes=10) for start in starts if start)


def test_a_late_fire_is_not_held_back_any_longer() -> None:
    (run,) = look(table(jitter=HOUR), NOW - 4 * HOUR).runs
    assert run.not_before is None


def ended(state: RunState, days_ago: int, at: datetime = NOW) -> Run:
    when = at - days_ago * DAY
    return Run(id=f"r{days_ago}", job="daily_health", queued_at=when, at=when, scheduled_for=when, state=state)


@pytest.mark.parametrize(
    ("states", "runs"),
    [
        ([RunState.FAILED] * 3, False),
        ([RunState.LOST, RunState.TIMED_OUT, RunState.FAILED], False),
        ([RunState.FAILED] * 2, True),
        ([RunState.SUCCEEDED, RunState.FAILED, RunState.FAILED, RunState.FAILED], True),
        ([RunState.FAILED, RunState.SUCCEEDED, RunState.FAILED], True),
        ([RunState.CANCELLED, RunState.FAILED, RunState.FAILED, RunState.FAILED], False),
    ],
)
def test_f34_a_job_that_fails_every_time_is_tried_once_a_day(states: list[RunState], runs: bool) -> None:
    hourly = table("0 * * * *")
    last = [ended(state, 0, NOW - n * HOUR) for n, state in enumerate(states)]
    found = due(hourly, seen(NOW - HOUR, hourly), NOW, last)
    assert (found.runs[0].state is RunState.QUEUED) is runs
    tomorrow = due(hourly, seen(NOW + 21 * HOUR, hourly), NOW + 22 * HOUR, last)
    assert tomorrow.runs[0].state is RunState.QUEUED


def test_f34_a_daily_job_is_tried_every_day_however_often_it_failed() -> None:
    last = [ended(RunState.FAILED, n, datetime(2026, 11, 19, 6, tzinfo=UTC)) for n in range(5)]
    assert due(table(), seen(NOW - 4 * HOUR, table()), NOW, last).runs[0].state is RunState.QUEUED


@pytest.mark.parametrize("back", [timedelta(seconds=1), HOUR, 2 * HOUR])
def test_f23_a_clock_set_back_repeats_nothing(back: timedelta) -> None:
    hourly = table("0 * * * *")
    found = look(hourly, NOW, NOW - back)
    assert found == Due(runs=(), clockwork=seen(NOW, hourly))


def test_f23_a_clock_that_had_been_a_month_ahead_does_not_stop_the_schedule_for_a_month() -> None:
    wrong = look(table(), NOW - DAY, NOW + 30 * DAY)
    assert [run.state for run in wrong.runs].count(RunState.QUEUED) == 1
    right = due(table(), wrong.clockwork, NOW)
    assert (right.runs, right.clockwork.cursor) == ((), NOW)
    assert told(due(table(), right.clockwork, NOW + DAY)) == ["Sat 06:00 queued catch-up"]


def test_f23_a_month_ahead_is_one_run_not_thirty() -> None:
    assert [run.state for run in look(table(), NOW, NOW + 30 * DAY).runs].count(RunState.QUEUED) == 1


def test_late_is_told_in_time_not_in_words() -> None:
    run = Run(id="r", job="j", queued_at=NOW, at=NOW, state=RunState.RUNNING, scheduled_for=NOW, started_at=NOW + HOUR)
    assert late(run) == HOUR
    assert late(replace(run, scheduled_for=None)) == timedelta(0)


def test_public_holidays_of_a_part_of_a_country() -> None:
    three_kings = date(2027, 1, 6)
    assert three_kings in public_holidays("DE-BW", range(2027, 2028))
    assert three_kings not in public_holidays("DE", range(2027, 2028))


@pytest.mark.parametrize(("region", "expected"), [("Germny", "such as"), ("DE-XX", "BW"), ("", "such as")])
def test_an_unknown_region_is_told_with_what_is_known(region: str, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        public_holidays(region, range(2027, 2028))
