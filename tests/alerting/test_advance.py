"""One alert, look by look: what it is afterwards, and what people would hear of."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from opsbot.alerting import Patience, advance
from opsbot.alerting.advance import settle
from opsbot.alerting.flapping import HIGH, LOW, churn
from opsbot.model.alert import Ack, Alert, AlertState
from opsbot.model.finding import Finding
from tests.alerting.world import START, finding

MINUTE = timedelta(minutes=1)
STATUSES = {"c": "critical", "w": "warning", "o": "ok", "?": "unknown", "i": "info"}


def walk(
    story: str, step: timedelta = MINUTE, patience: Patience | None = None, **more: object
) -> tuple[Alert | None, list[str]]:
    """A look a step; what each changed, "" for nothing."""
    alert, told = None, []
    for place, letter in enumerate(story.split()):
        at = START + place * step
        alert, change = advance(alert, finding(STATUSES[letter], at=at, **more), at, patience or Patience())
        told.append(change.kind.value if change else "")
    return alert, told


@pytest.mark.parametrize(
    ("story", "hold", "told", "state"),
    [
        pytest.param("o", 0, [""], None, id="what is well is no alert"),
        pytest.param("i", 0, [""], None, id="a note is no alert"),
        pytest.param("?", 0, [""], None, id="failing to look is no alert"),
        pytest.param("c", 0, ["fired"], "firing", id="without a hold it fires at once"),
        pytest.param("c o", 5, ["", ""], None, id="a blip is never told, and nothing is kept"),
        pytest.param("c c c c c c", 5, ["", "", "", "", "", "fired"], "firing", id="held for five minutes"),
        pytest.param("c c o c c c", 5, [""] * 6, "pending", id="a good look starts the hold anew"),
        pytest.param("c o", 0, ["fired", "resolved"], "resolved", id="fired and over"),
        pytest.param("c o o", 0, ["fired", "resolved", ""], "resolved", id="over is told once"),
        pytest.param("w c w", 0, ["fired", "worsened", "eased"], "firing", id="severity is no part of it"),
        pytest.param("c ? ? ? c", 0, ["fired", "", "", "", ""], "firing", id="blindness does not end it"),
        pytest.param("o ? c", 0, ["", "", "fired"], "firing", id="blindness does not begin it"),
        pytest.param("c o c", 0, ["fired", "resolved", "fired"], "firing", id="back again is a new episode"),
        pytest.param("c i", 0, ["fired", "resolved"], "resolved", id="a note is well"),
    ],
)
def test_stories(story: str, hold: int, told: list[str], state: str | None) -> None:
    alert, heard = walk(story, hold=hold * MINUTE)
    assert (heard, alert and alert.state.value) == (told, state)


@pytest.mark.parametrize(
    ("since", "fires"),
    [
        pytest.param(timedelta(hours=3), True, id="a daily look fires at once on a breach of three hours"),
        pytest.param(10 * MINUTE, True, id="at its hold to the second"),
        pytest.param(10 * MINUTE - timedelta(seconds=1), False, id="a second before it"),
    ],
)
def test_the_samples_say_since_when(since: timedelta, fires: bool) -> None:
    alert, change = advance(None, finding("critical", since=START - since, hold=10 * MINUTE), START)
    assert alert is not None
    assert (alert.fires, change is not None, alert.since) == (fires, fires, START - since)


def test_a_hold_made_longer_does_not_take_back_what_fires() -> None:
    alert, _ = walk("c")
    at = START + MINUTE
    after, change = advance(alert, finding("critical", at=at, hold=timedelta(hours=1)), at)
    assert after is not None
    assert (after.state, change) == (AlertState.FIRING, None)


def test_a_long_time_in_which_nobody_looked_is_no_unbroken_breach() -> None:
    _, often = walk("c c", step=30 * MINUTE, hold=30 * MINUTE)
    _, seldom = walk("c c", step=timedelta(hours=9), hold=30 * MINUTE)
    assert (often, seldom) == (["", "fired"], ["", ""])


@pytest.mark.parametrize(
    ("story", "told", "state"),
    [
        pytest.param("c o", ["fired", ""], "recovering", id="it looks well"),
        pytest.param("c o o o", ["fired", "", "", "resolved"], "resolved", id="and is believed after two minutes"),
        pytest.param("c o c o o", ["fired", "", "", "", ""], "recovering", id="a relapse is the same episode"),
        pytest.param("w o c", ["fired", "", "worsened"], "firing", id="a worse relapse is told"),
        pytest.param("c o ? ? o", ["fired", "", "", "", "resolved"], "resolved", id="blindness does not count as well"),
    ],
)
def test_with_patience_for_two_minutes(story: str, told: list[str], state: str) -> None:
    alert, heard = walk(story, patience=Patience(keep=2 * MINUTE))
    assert alert is not None
    assert (heard, alert.state.value, alert.episode) == (told, state, 1)


def test_time_alone_ends_what_recovers() -> None:
    patience = Patience(keep=10 * MINUTE)
    alert, _ = walk("c o", patience=patience)
    assert alert is not None
    assert settle(alert, START + 10 * MINUTE, patience) == (alert, None)
    after, change = settle(alert, START + 11 * MINUTE, patience)
    assert after is not None
    assert change is not None
    assert (after.state, change.reason) == (AlertState.RESOLVED, "resolved: well for 10m")


@pytest.mark.parametrize(
    ("skew", "heeded"),
    [
        pytest.param(timedelta(0), False, id="a finding from before the last look"),
        pytest.param(timedelta(days=1), True, id="unless that look was by a clock that was ahead"),
    ],
)
def test_an_older_finding_changes_nothing(skew: timedelta, heeded: bool) -> None:
    later = START + skew
    alert, _ = advance(None, finding("critical", at=later), later)
    old = START - MINUTE if not skew else START
    _, change = advance(alert, finding("ok", at=old), START)
    assert (change is not None) is heeded


def test_worse_takes_it_out_of_the_hand_and_eased_does_not() -> None:
    alert, _ = walk("w")
    assert alert is not None
    held = replace(alert, ack=Ack(who="ana", at=START))
    worse, _ = advance(held, finding("critical", at=START + MINUTE), START + MINUTE)
    eased, _ = advance(
        replace(held, finding=finding("critical")), finding("warning", at=START + MINUTE), START + MINUTE
    )
    assert worse is not None
    assert eased is not None
    assert (worse.ack, eased.ack) == (None, Ack(who="ana", at=START))


def test_a_failed_job_is_trouble_by_itself_and_blindness_is_after_three_runs() -> None:
    def own(check: str, place: int, status: str = "unknown") -> Finding:
        return finding(status, "health", check=check, environment="opsbot", at=START + place * MINUTE)

    failed, _ = advance(None, own("job-failed", 0), START)
    assert failed is not None
    assert failed.fires
    blind, fires = None, []
    for place in range(4):
        blind, _ = advance(blind, own("no-data", place), START + place * MINUTE)
        fires.append(blind is not None and blind.fires)
    assert fires == [False, False, True, True]


# Nagios's own arithmetic: 21 states, the newest change weighs 1.25, the oldest 0.75.
@pytest.mark.parametrize(
    ("states", "percent"),
    [
        pytest.param("o" * 21, 0.0, id="quiet"),
        pytest.param("oc" * 10 + "o", 100.0, id="every time another"),
        pytest.param("o" * 15 + "cococo", 35.5, id="the last six changed"),
        pytest.param("o" * 16 + "cococ", 29.9, id="the last five changed"),
        pytest.param("cococo" + "o" * 15, 20.1, id="five changes long ago"),
    ],
)
def test_how_much_comes_and_goes(states: str, percent: float) -> None:
    recent = tuple((START + place * MINUTE, letter == "c") for place, letter in enumerate(states))
    assert churn(recent, START + 21 * MINUTE) == pytest.approx(percent, abs=0.2)
    assert churn(recent, START + timedelta(hours=7)) == 0.0


def test_what_comes_and_goes_is_told_once_and_its_end_when_it_is_calm() -> None:
    alert, told = walk("c o " * 8 + "o " * 20)
    first = told.index("flapping")
    assert told[:first].count("fired") == 3
    assert [word for word in told[first + 1 :] if word] == ["resolved"]
    assert alert is not None
    assert (alert.flapping, alert.state, HIGH > LOW) == (False, AlertState.RESOLVED, True)


def test_what_is_looked_at_once_a_day_never_flaps() -> None:
    _, told = walk("c o " * 10, step=timedelta(days=1))
    assert "flapping" not in told


def test_what_is_only_looked_at_when_it_changes_calms_down_by_itself() -> None:
    alert, told = walk("c o " * 4, step=5 * MINUTE)
    assert told[-1] == ""
    assert alert is not None
    assert alert.flapping
    later = START + timedelta(hours=7)
    after, change = settle(alert, later, Patience())
    assert change is not None
    assert after is not None
    assert (after.state, change.reason) == (AlertState.RESOLVED, "resolved: it has stopped flapping")
