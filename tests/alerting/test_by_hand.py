"""An incident that a person opened: how long it took to tell of it, or that nobody was told."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from opsbot import incidents
from opsbot.cli import incident_lines as lines
from opsbot.incidents import By
from opsbot.model.actor import Actor
from opsbot.model.finding import Finding
from opsbot.model.incident import Incident, times
from opsbot.model.status import Priority
from tests.alerting.world import Night, finding


@pytest.fixture
def night(tmp_path: Path) -> Night:
    return Night(tmp_path)


def opened(night: Night, *about: Finding) -> Incident:
    by = By(actor=Actor(login="ana@laptop"), now=night.now)
    return night.store.incidents().open(*incidents.opened(by, "login fails", Priority.P1, findings=about))[0]


def now(night: Night) -> Incident:
    (found,) = night.store.incidents().incidents()
    return found


def test_of_one_that_no_message_is_about_nobody_was_told(night: Night) -> None:
    opened(night)
    night.sees(backend="critical")
    one = now(night)
    assert (one.told_at, times(one).tell) == (None, None)
    assert any("detect -   not told   acknowledge" in line for line in lines.shown(one, (), "UTC"))
    assert "| tell | not told |" in list(lines.markdown(one, ()))
    assert "| acknowledge | not yet, or not known |" in list(lines.markdown(one, ()))


def test_the_first_notice_of_any_of_its_alerts_ends_it_counted_from_the_opening(night: Night) -> None:
    """The finding is two hours older than the incident."""
    seen = finding("warning")
    night.now += timedelta(hours=2)
    opened(night, seen)
    night.now += timedelta(minutes=3)
    night.look(finding("warning"))
    night.now += timedelta(seconds=20)
    assert night.arrived() == ["chat trigger"]
    one = now(night)
    assert times(one).tell == timedelta(minutes=3, seconds=20)
    assert any("tell 3 min 20 s" in line for line in lines.shown(one, (), "UTC"))
    assert [entry.text for entry in night.store.incidents().timeline(1)][-1] == "told chat"
    night.now += timedelta(hours=1)
    night.sees(backend="critical")
    assert now(night).told_at == one.told_at


def test_a_notice_of_something_else_tells_nobody_of_it(night: Night) -> None:
    opened(night, finding("critical"))
    night.sees(other="critical")
    assert now(night).told_at is None
    night.look(finding("ok"))
    night.arrived()
    assert now(night).told_at is None
