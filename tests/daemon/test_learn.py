"""Learning a home: by a copy, in a child, and never from a file that is half written."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from opsbot.daemon import learn
from opsbot.errors import OpsbotError
from tests.daemon.test_orders import JOB, home


def test_a_home_is_learnt_from_a_copy_that_is_named_after_its_content(tmp_path: Path) -> None:
    place = home(tmp_path, 'timezone = "Europe/Berlin"\n', mine=JOB + "print('noise at import')\n")
    lesson = learn.learn(place)
    assert lesson.orders.zone == "Europe/Berlin"
    assert {"daily_health", "mine"} <= {timetable.job for timetable in lesson.orders.timetables}
    assert lesson.copy == tmp_path / "var" / "home" / lesson.orders.hash
    assert (lesson.copy / "jobs" / "mine.py").read_text() == (tmp_path / "jobs" / "mine.py").read_text()
    assert lesson.orders.store_url == f"sqlite:///{tmp_path}/var/opsbot.db"


def test_reading_a_home_that_takes_for_ever_is_given_up_with_what_to_look_for(tmp_path: Path) -> None:
    place = home(tmp_path, "", slow=JOB + "import time; time.sleep(60)\n")
    with pytest.raises(OpsbotError, match="took more than 1 s") as raised:
        learn.learn(place, patience=1.0)
    assert "job file" in raised.value.hint


def test_a_home_whose_reading_dies_is_told_with_its_last_words(tmp_path: Path) -> None:
    place = home(tmp_path, "", odd=JOB + "import os, sys; sys.stderr.write('oh no'); sys.stderr.flush(); os._exit(7)\n")
    with pytest.raises(OpsbotError, match="exit code 7; it said: oh no"):
        learn.learn(place)


def test_a_state_folder_that_cannot_be_written_is_told_with_what_to_do(tmp_path: Path) -> None:
    place = home(tmp_path)
    (tmp_path / "var").write_text("a file where a folder belongs")
    with pytest.raises(OpsbotError, match="the home cannot be copied there"):
        learn.learn(place)


@pytest.mark.parametrize(
    ("path", "changes"),
    [
        pytest.param("config.toml", True, id="the configuration"),
        pytest.param("jobs/new.py", True, id="a new job"),
        pytest.param("runbooks/deep/page.md", True, id="a page in a folder of a folder"),
        pytest.param("jobs/.new.py.swp", False, id="an editor's own file"),
        pytest.param("jobs/new.py~", False, id="an editor's copy"),
        pytest.param("jobs/__pycache__/new.pyc", False, id="bytecode"),
        pytest.param("notes.txt", False, id="what is no part of a home"),
    ],
)
def test_the_stamp_changes_with_the_home_and_with_nothing_else(tmp_path: Path, path: str, changes: bool) -> None:
    place = home(tmp_path)
    before = learn.stamp(place)
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_text("# changed\n")
    assert (learn.stamp(place) != before) == changes


def test_old_copies_go_and_the_newest_stay(tmp_path: Path) -> None:
    place = home(tmp_path)
    for age in range(5):
        copy = learn.copies(place) / f"copy-{age}"
        copy.mkdir(parents=True)
        moment = (datetime(2026, 11, 20) - timedelta(hours=age)).timestamp()  # noqa: DTZ001
        os.utime(copy, (moment, moment))
    learn.forget(place, learn.copies(place) / "copy-4")
    assert sorted(path.name for path in learn.copies(place).iterdir()) == ["copy-0", "copy-1", "copy-4"]
