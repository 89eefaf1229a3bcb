"""A home is found, its files stand before the shipped ones, and no job file brings the others down."""

from __future__ import annotations

from pathlib import Path

import pytest

from opsbot import home
from opsbot.errors import ConfigError
from opsbot.home import Home, JobFile

JOB = """\
from opsbot.job import Job, NoSettings, Outcome

def run(ctx, settings):
    return Outcome()

job = Job(run=run, schedule="@daily", settings=NoSettings)
"""


@pytest.fixture
def place(tmp_path: Path) -> Home:
    (tmp_path / "config.toml").touch()
    (tmp_path / "jobs").mkdir()
    return home.find(tmp_path, {}, Path("/"))


def put(place: Home, name: str, text: str) -> JobFile:
    (place.path / "jobs" / f"{name}.py").write_text(text)
    file = place.job(name)
    assert file is not None
    return file


def refusal(place: Home, text: str | bytes) -> str:
    """What is said of a job file with this text."""
    path = place.path / "jobs" / "backup.py"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    file = place.job("backup")
    assert file is not None
    with pytest.raises(ConfigError) as caught:
        home.load_job(file)
    return caught.value.message


@pytest.mark.parametrize(
    ("option", "environ", "cwd", "found"),
    [
        pytest.param("a", {"OPSBOT_HOME": "b"}, "c", "a", id="the option first"),
        pytest.param(None, {"OPSBOT_HOME": "b"}, "c", "b", id="then the environment"),
        pytest.param(None, {}, "c", "c", id="then the current folder"),
        pytest.param(None, {"OPSBOT_HOME": ""}, "c", "c", id="an empty variable says nothing"),
    ],
)
def test_where_the_home_is(tmp_path: Path, option: str | None, environ: dict[str, str], cwd: str, found: str) -> None:
    for name in "abc":
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.toml").touch()
    environ = {key: str(tmp_path / value) if value else "" for key, value in environ.items()}
    place = home.find(tmp_path / option if option else None, environ, tmp_path / cwd)
    assert (place.path, place.state) == (tmp_path / found, tmp_path / found)


@pytest.mark.parametrize(
    ("option", "environ", "told"),
    [
        (None, {}, "home: {tmp} has no config.toml, and neither --home nor $OPSBOT_HOME names a folder"),
        ("absent", {}, "--home: there is no folder {tmp}/absent"),
        ("bare", {}, "--home: {tmp}/bare has no config.toml"),
        (None, {"OPSBOT_HOME": "absent"}, "$OPSBOT_HOME: there is no folder {tmp}/absent"),
    ],
)
def test_no_home(tmp_path: Path, option: str | None, environ: dict[str, str], told: str) -> None:
    (tmp_path / "bare").mkdir()
    with pytest.raises(ConfigError) as caught:
        home.find(Path(option) if option else None, environ, tmp_path)
    assert caught.value.message == told.format(tmp=tmp_path)
    assert "opsbot init DIR" in caught.value.hint


def test_state_lives_where_it_is_told_to(tmp_path: Path) -> None:
    (tmp_path / "config.toml").touch()
    place = home.find(None, {"OPSBOT_STATE": "state"}, tmp_path)
    assert place.store_url("sqlite:///var/opsbot.db") == f"sqlite:///{tmp_path}/state/var/opsbot.db"
    assert place.store_url("sqlite:////srv/opsbot.db") == "sqlite:////srv/opsbot.db"
    assert home.find(None, {}, tmp_path).store_url("sqlite:///x.db") == f"sqlite:///{tmp_path}/x.db"


def test_shipped_jobs_are_there_without_a_copy(place: Home) -> None:
    file = place.job("daily-health")
    assert file is not None
    assert (file.name, file.shipped, file.shadows) == ("daily_health", True, False)
    assert home.load_job(file).schedule == "0 7 * * MON-FRI"


def test_own_files_stand_before_shipped_ones(place: Home) -> None:
    put(place, "backup", JOB)
    put(place, "daily_health", JOB)
    (place.path / "jobs" / "_shared.py").touch()
    (place.path / "jobs" / "notes.txt").touch()
    whose = {file.name: (file.shipped, file.shadows) for file in place.jobs()}
    assert whose["backup"] == (False, False)
    assert whose["daily_health"] == (False, True)
    assert not {"_shared", "notes"} & whose.keys()
    shadow = place.job("daily_health")
    assert shadow is not None
    assert home.load_job(shadow).schedule == "@daily"
    assert not home.unchanged(shadow)


def test_the_checkout_is_a_home_whose_files_are_the_shipped_ones() -> None:
    place = home.find(home.shipped_home(), {}, Path("/"))
    assert all(file.shipped and not file.shadows for file in place.jobs())


def test_an_own_template_and_runbook_win(place: Home) -> None:
    for folder, name in (
        ("report_templates", "report.html.j2"),
        ("runbooks", "high-load.md"),
        ("runbooks", "README.md"),
    ):
        (place.path / folder).mkdir(exist_ok=True)
        (place.path / folder / name).touch()
    assert place.template("report.html.j2") == place.path / "report_templates" / "report.html.j2"
    assert place.template("absent.j2") is None
    runbooks = {file.name: file.path for file in place.runbooks()}
    assert runbooks["high-load"] == place.path / "runbooks" / "high-load.md"
    assert "README" not in runbooks


def test_a_job_may_import_its_neighbours_and_change_under_the_same_name(place: Home) -> None:
    (place.path / "jobs" / "_shared.py").write_text('SCHEDULE = "@weekly"\n')
    text = "from __future__ import annotations\nfrom ._shared import SCHEDULE\n" + JOB.replace('"@daily"', "SCHEDULE")
    assert home.load_job(put(place, "backup", text)).schedule == "@weekly"
    assert home.load_job(put(place, "backup", JOB)).schedule == "@daily"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", 'jobs/backup.py: TypeError: a job file must set "job = Job(...)"'),
        ("job = 3", 'jobs/backup.py: TypeError: a job file must set "job = Job(...)", got int'),
        ("def run(:\n", "jobs/backup.py:1: SyntaxError: "),
        ("x = 1\n  y = 2\n", "jobs/backup.py:2: SyntaxError: unexpected indent"),
        ("x = 1\n\nimport nothing_of_this_name\n", "jobs/backup.py:3: ModuleNotFoundError: No module named"),
        ("def f():\n    return 1 / 0\n\n\nf()\n", "jobs/backup.py:2: ZeroDivisionError: division by zero"),
        (JOB.replace("schedule=", "schedul="), "jobs/backup.py:6: TypeError: Job.__init__() got an unexpected keyword"),
        ("import sys\nsys.exit(3)\n", "jobs/backup.py:2: SystemExit: 3"),
        ("raise ValueError('a\\nb')", "jobs/backup.py:1: ValueError: a b"),
        ("raise ValueError('\\x1b[31mred')", "jobs/backup.py:1: ValueError: [31mred"),
        ("raise ValueError('token xoxb-000000000000-abcd')", "jobs/backup.py:1: ValueError: token (hidden)"),
        (b"x = '\xff'\n", "jobs/backup.py:1: SyntaxError: "),
        (b"x = 1\0", "jobs/backup.py"),
        ("from ._absent import x", "jobs/backup.py:1: ModuleNotFoundError: "),
    ],
)
def test_a_broken_job_file_is_one_line(place: Home, text: str | bytes, told: str) -> None:
    said = refusal(place, text)
    assert said.startswith(told)
    assert "\n" not in said


def test_a_job_file_that_cannot_be_read(place: Home) -> None:
    file = put(place, "backup", JOB)
    file.path.unlink()
    with pytest.raises(ConfigError, match=r"^jobs/backup.py: cannot be read: no such file or directory$"):
        home.load_job(file)


def test_init_makes_a_home_that_is_found(tmp_path: Path) -> None:
    made = home.init(tmp_path / "deep" / "ops")
    assert [path.name for path in made] == ["config.toml", "jobs", "report_templates", "runbooks"]
    assert all(path.exists() for path in made)
    place = home.find(tmp_path / "deep" / "ops", {}, Path("/"))
    copied = place.job("daily_health")
    assert copied is not None
    assert copied.shadows
    assert home.unchanged(copied)
    assert not list((tmp_path / "deep").rglob("__pycache__"))


def test_init_overwrites_nothing(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('timezone = "UTC"')
    with pytest.raises(ConfigError, match=r"there is a config.toml already; nothing was changed"):
        home.init(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["config.toml"]


def test_init_says_where_it_may_not_write(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"file/ops: cannot be written: not a directory"):
        home.init(tmp_path / "file" / "ops")
