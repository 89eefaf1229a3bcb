"""The sentence at the top of the status page, and what it rests on."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from opsbot.model.run import Run, RunState
from opsbot.model.status import Status, Verdict
from opsbot.model.timetable import Clockwork
from opsbot.model.vitals import Beat, Vitals
from opsbot.store.overview import Glance, Overview, Standing
from opsbot.web import environments, jobs, status
from opsbot.web.environments import Estate, estate, places
from opsbot.web.parts import Broken
from opsbot.web.status import Estates
from opsbot.web.strip import strip
from tests.outbox.world import fresh
from tests.web import world
from tests.web.world import DAY, HOUR, MINUTE, NOW, ended, timetable, vitals

DAILY = timetable("daily_health")
STALLED = vitals(beats=(Beat(loop="outbox", period=0.5, age=180.0, error="disk full"),))


def of(known: bool = True, **verdicts: int) -> Estate:
    """An estate with so many environments of each verdict."""
    named = {
        Verdict(name.replace("_", "-")): tuple(f"{name}-{n}" for n in range(size)) for name, size in verdicts.items()
    }
    return Estate(rows=(), groups=(), verdicts=named, known=known)


def line(run: Run | None, now: datetime = NOW, clockwork: Clockwork | None = None) -> jobs.Row:
    return jobs.row(DAILY, clockwork, run, (), now)


FINE = line(ended("R", "daily_health", NOW - HOUR))
FAILED = line(ended("R", "daily_health", NOW - HOUR, state=RunState.FAILED, reason="it raised ValueError"))


@pytest.mark.parametrize(
    ("alive", "found", "lines", "troubles", "told"),
    [
        pytest.param(vitals(), of(ok=8), (FINE,), (), ("OK", "Nobody needs to act", "8 environments, every check within its limits."), id="all is well"),
        pytest.param(vitals(), of(), (FINE,), (), ("OK", "Nobody needs to act", "Every check is within its limits."), id="nobody told the names"),
        pytest.param(vitals(), of(action=1, ok=3), (FINE,), (), ("Action", "action-0 needs action", "Of the others 3 are well."), id="one"),
        pytest.param(vitals(), of(action=2), (FINE,), (), ("Action", "action-0 and action-1 need action", ""), id="two are named"),
        pytest.param(
            vitals(), of(action=3, attention=1, no_data=1, ok=1), (FAILED,), ("x",),
            ("Action", "action-0 and 2 others need action", "Of the others 1 needs a look, 1 gives no data and 1 is well."),
            id="the worst first, the others counted",
        ),
        pytest.param(vitals(), of(attention=1, no_data=2), (FINE,), (), ("Attention", "attention-0 needs a look", "Of the others 2 give no data."), id="a look"),
        pytest.param(vitals(), of(no_data=2), (FAILED,), (), ("No data", "daily_health did not end well", "What they look at is not known to be healthy."), id="a failed job is blindness"),
        pytest.param(vitals(), of(no_data=2, ok=1), (FINE,), (), ("No data", "no_data-0 and no_data-1 give no data", "Of the others 1 is well."), id="no data is never OK"),
        pytest.param(vitals(), of(known=False), (line(None),), (), ("No data", "Nothing has run yet", "The first run fills this page."), id="the first morning"),
        pytest.param(vitals(), of(known=False), (), (), ("No data", "Nothing has run yet", "No job has a schedule: see opsbot jobs."), id="an empty home"),
        pytest.param(vitals(), of(ok=2), (FINE,), ("x",), ("Attention", "All environments are well; opsbot needs a look", ""), id="trouble of opsbot's own"),
        pytest.param(vitals(), Broken("it is damaged"), (FINE,), (), ("No data", "The state cannot be read", "it is damaged"), id="no store"),
        pytest.param(
            STALLED, of(ok=8), (FINE,), (),
            ("Action", "opsbot itself is not well", "Until that is mended nothing below is sure, and nothing new may be told."), id="a dead loop before all",
        ),
        pytest.param(Broken("x"), of(ok=8), (FINE,), (), ("Action", "opsbot itself is not well",
            "Until that is mended nothing below is sure, and nothing new may be told."), id="no answer from the daemon"),
    ],
)  # fmt: skip
def test_the_sentence_at_the_top(
    alive: Vitals | Broken,
    found: Estate | Broken,
    lines: tuple[jobs.Row, ...],
    troubles: tuple[str, ...],
    told: tuple[str, str, str],
) -> None:
    word, headline, lede = status.say(alive, found, lines, troubles)
    assert (word.word, headline, lede) == told


def glance(days: float, verdict: str = "ok", state: RunState = RunState.SUCCEEDED) -> Glance:
    return Glance(f"R{days}", state, verdict, NOW - timedelta(days=days))


def standing(environment: str, status: Status, days: float = 0.0, check: str = "cpu") -> Standing:
    return Standing("daily_health", f"{environment}/{check}/x", status, NOW - timedelta(days=days))


RECENT = {"daily_health": (glance(0), glance(1), glance(9))}


@pytest.mark.parametrize(
    ("rows", "order"),
    [
        pytest.param([standing("a", Status.WARNING), standing("b", Status.CRITICAL)], ["b", "a"], id="worst first"),
        pytest.param([standing("a", Status.UNKNOWN), standing("b", Status.WARNING)], ["b", "a"], id="known trouble before blindness"),
        pytest.param(
            [standing("a", Status.WARNING), standing("b", Status.WARNING), standing("b", Status.WARNING, check="disk")], ["b", "a"],
            id="more before fewer",
        ),
        pytest.param([standing("b", Status.WARNING), standing("a", Status.WARNING)], ["a", "b"], id="then by name"),
        pytest.param([standing("a", Status.INFO)], [], id="worth knowing is no trouble"),
        pytest.param([standing("a", Status.CRITICAL, days=7)], ["a"], id="looked at last week"),
        pytest.param([standing("a", Status.CRITICAL, days=8)], [], id="not looked at for longer: forgotten"),
        pytest.param([Standing("gone", "a/b/c", Status.CRITICAL, NOW)], [], id="of a job that is no more"),
    ],
)  # fmt: skip
def test_environments_are_worst_first(rows: list[Standing], order: list[str]) -> None:
    assert [place.name for place in places(rows, RECENT)] == order


def test_five_hundred_environments_in_trouble_are_all_there_and_none_takes_the_page() -> None:
    names = [f"customer-{n:03}-production" for n in range(500)]
    found = places([standing(name, Status.WARNING) for name in names], RECENT)
    shown = estate(found, {}, {}, names, seen=True)
    assert (len(shown.rows), shown.size) == (environments.TOLD, 500)
    assert len(shown.rows) + sum(len(group.names) + group.rest for group in shown.groups) == 500
    assert [group.rest for group in shown.groups] == [0]


def test_names_without_end_are_counted_where_they_find_no_room() -> None:
    names = ["<&>" * 40 + str(n) for n in range(500)]
    shown = estate([], {}, {}, names, seen=True)
    (group,) = shown.groups
    assert 0 < len(group.names) < 500
    assert len(group.names) + group.rest == 500


def test_who_was_never_looked_at_is_not_well() -> None:
    assert estate([], {}, {}, ["a"], seen=False).verdicts == {}


@pytest.mark.parametrize(
    ("cursor", "clockwork", "missed"),
    [
        pytest.param(NOW, {}, None, id="planned just now"),
        pytest.param(NOW - 2 * DAY, {}, datetime(2026, 11, 19, 6, tzinfo=NOW.tzinfo), id="two mornings are missing"),
        pytest.param(NOW - 2 * DAY, {"cron": "0 8 * * *"}, None, id="a changed schedule begins anew"),
        pytest.param(NOW - 2 * DAY, {"paused_until": NOW + HOUR}, None, id="a paused job owes nothing"),
        pytest.param(NOW + HOUR, {}, None, id="a clock that was set back"),
    ],
)
def test_a_forgotten_job_is_noticed(cursor: datetime, clockwork: dict[str, object], missed: datetime | None) -> None:
    known = replace(Clockwork(job="daily_health", cursor=cursor, cron=DAILY.cron), **clockwork)  # type: ignore[arg-type]
    assert line(None, clockwork=known).overdue == missed


def test_a_fire_of_five_minutes_ago_is_not_overdue_yet() -> None:
    fire = datetime(2026, 11, 20, 6, tzinfo=NOW.tzinfo)
    known = Clockwork(job="daily_health", cursor=fire - MINUTE, cron=DAILY.cron)
    assert line(None, now=fire + 5 * MINUTE, clockwork=known).overdue is None
    assert line(None, now=fire + 11 * MINUTE, clockwork=known).overdue == fire


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"paused_until": NOW + DAY, "paused_by": "root", "pause_reason": "freeze"},
            "until 21 Nov 15:03 by root: freeze",
        ),
        ({"paused_until": NOW + HOUR}, "until 16:03"),
        ({"paused_until": NOW.replace(year=9999)}, "until somebody resumes it"),
        ({"paused_until": NOW}, ""),
        ({}, ""),
    ],
)
def test_a_pause_says_until_when_by_whom_and_why(changes: dict[str, object], told: str) -> None:
    assert jobs.pause(Clockwork(job="x", **changes), "Europe/Berlin", NOW) == told  # type: ignore[arg-type]


def test_a_paused_job_runs_next_when_its_pause_is_over() -> None:
    known = Clockwork(job="daily_health", cursor=NOW, cron=DAILY.cron, paused_until=NOW + 10 * DAY)
    assert line(None, clockwork=known).next == datetime(2026, 12, 1, 6, tzinfo=NOW.tzinfo)


def test_the_strip_says_in_words_what_it_draws() -> None:
    newest_first = [
        glance(0, "action"),
        glance(1, "attention"),
        glance(2),
        glance(3),
        glance(4, state=RunState.FAILED),
        glance(5, "nonsense"),
    ]
    drawn = strip(newest_first)
    assert drawn.words == "last 6 runs: 2 OK, 1 with action, 1 with attention, 1 failed and 1 without data"
    assert {css: path.count("z") for css, path in drawn.paths} == {"b0": 2, "b1": 1, "b2": 1, "b3": 1, "b4": 1}
    assert dict(drawn.paths)["b2"] == "M156 0h3v20h-3z"
    assert strip([]).words == "no run yet"


def test_thousands_of_findings_are_read_once_until_a_run_ends() -> None:
    store, moment = fresh(), [world.NOW]
    inside = world.inside(store, now=lambda: moment[0], environments=lambda: ("dhbw-prod", "edt-prod"))
    estates, overview = Estates(), Overview(store)

    def seen() -> Estate:
        return estates.estate(inside, overview, overview.recent(["daily_health"], 40))

    world.keep(
        store, world.ended("A", "daily_health", world.NOW - world.HOUR), world.finding("dhbw-prod", Status.CRITICAL)
    )
    first = seen()
    assert seen() is first
    world.keep(store, world.ended("B", "daily_health", world.NOW), world.finding("edt-prod", Status.WARNING))
    second = seen()
    assert [row.name for row in second.rows] != [row.name for row in first.rows]
    moment[0] += world.MINUTE
    assert seen() is not second
    assert seen() == second
    store.close()
