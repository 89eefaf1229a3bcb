"""A whole home is judged at once: configuration, checks, channels and job files against one another."""

from __future__ import annotations

from pathlib import Path

import pytest

from opsbot import home
from opsbot.errors import ConfigError
from opsbot.home import Home
from opsbot.validation import read, schedule_of, settings_of, validate

BACKUP = """\
from datetime import timedelta
from typing import Literal
from pydantic import Field
from opsbot.api import Job, NoSettings, Outcome, Settings

class Depth(Settings):
    days: int = Field(7, ge=1)
    bucket: str = "main"
    how: Literal["full", "part"] = "full"

def run(ctx, settings):
    return Outcome()

job = Job(run=run, schedule="@daily", settings=Depth)
"""
ENVIRONMENT = """\
[[environments]]
name = "shop-prod"
tenant = "shop"
tier = "production"
regions = ["eu-central-1"]
"""
SLACK = """\
[channels.ops]
kind = "slack"
token = "env:TOKEN"
channel = "C0123456789"
"""


@pytest.fixture
def place(tmp_path: Path) -> Home:
    (tmp_path / "config.toml").touch()
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "backup.py").write_text(BACKUP)
    return home.find(tmp_path, {}, Path("/"))


def told(place: Home, config: str) -> list[str]:
    place.config.write_text(config)
    return [str(problem) for problem in validate(place)]


def test_the_shipped_home_has_no_problem() -> None:
    assert validate(home.find(home.shipped_home(), {}, Path("/"))) == []


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        pytest.param(
            "[jobs.daily_helth]\n",
            'config.toml.jobs.daily_helth: there is no job "daily_helth"; did you mean "daily_health"? (line 1)',
            id="a job that is not there",
        ),
        pytest.param(
            "[jobs.backup]\ndayz = 3\n",
            'config.toml.jobs.backup.dayz: unknown key; did you mean "days"? (line 2)',
            id="a setting misspelt",
        ),
        pytest.param(
            '[jobs.backup]\nschedul = "@daily"\n',
            'config.toml.jobs.backup.schedul: unknown key; did you mean "schedule"? (line 2)',
            id="a key of every job misspelt",
        ),
        pytest.param(
            '[jobs.backup]\ndays = "many"\n',
            "config.toml.jobs.backup.days: expected int, got str 'many' (line 2)",
            id="a setting of another type",
        ),
        pytest.param(
            '[jobs.backup]\nhow = "fast"\n',
            "config.toml.jobs.backup.how: expected 'full' or 'part', got str 'fast' (line 2)",
            id="a setting that is none of its choices",
        ),
        pytest.param(
            "[jobs.backup]\n\ndays = 0\n",
            "config.toml.jobs.backup.days: expected at least 1, got int 0 (line 3)",
            id="a setting out of its bounds",
        ),
        pytest.param(
            "[jobs.daily-health]\ndays = 3\n",
            'config.toml.jobs.daily-health.days: unknown key; did you mean "holidays"? (line 2)',
            id="a job without settings",
        ),
    ],
)
def test_what_is_said_of_jobs(place: Home, config: str, problem: str) -> None:
    assert told(place, config) == [problem]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('"@daily"', '"0 7 * * 1"', "jobs/backup.py: schedule: write MON, not 1: cron and APScheduler number weekdays"),
        ('"@daily"', "7", "jobs/backup.py: schedule: expected text such as '0 7 * * MON-FRI', got int"),
        ("settings=Depth", "settings=dict", "jobs/backup.py: settings: expected a class that derives from opsbot.api"),
        (
            "settings=Depth",
            "settings=Depth()",
            "jobs/backup.py: settings: expected a class that derives from opsbot.api",
        ),
        ("run=run", "run='run'", "jobs/backup.py: run: expected a function of a Context and the settings, got str"),
        (
            "settings=Depth)",
            "settings=Depth, window=24)",
            "jobs/backup.py: window: expected a timedelta above zero such",
        ),
        (
            "settings=Depth)",
            "settings=Depth, timeout=timedelta(0))",
            "jobs/backup.py: timeout: expected a timedelta above zero",
        ),
        ("job = Job", "jobb = Job", 'jobs/backup.py: TypeError: a job file must set "job = Job(...)"'),
    ],
)
def test_what_is_said_of_job_files(place: Home, old: str, new: str, problem: str) -> None:
    (place.path / "jobs" / "backup.py").write_text(BACKUP.replace(old, new))
    problems = told(place, "")
    assert len(problems) == 1
    assert problems[0].startswith(problem)


def test_a_job_file_whose_name_nothing_can_say(place: Home) -> None:
    (place.path / "jobs" / "backup.py").rename(place.path / "jobs" / "nightly-backup.py")
    assert told(place, "") == [
        'jobs/nightly-backup.py: expected a name of letters, digits and "_" such as daily_health.py'
    ]


def test_a_table_of_a_broken_job_file_is_not_called_unknown(place: Home) -> None:
    (place.path / "jobs" / "backup.py").write_text("import nothing_of_this_name\n")
    assert told(place, "[jobs.backup]\ndays = 3\n") == [
        "jobs/backup.py:1: ModuleNotFoundError: No module named 'nothing_of_this_name'"
    ]


def test_channels_are_judged_by_their_kind(place: Home) -> None:
    problems = told(place, SLACK.replace("slack", "slak") + '[channels.mail]\nkind = "email"\nhost = 5\n')
    assert problems[0].startswith("config.toml.channels.ops.kind: ")
    assert problems[0].endswith("(line 2)")
    assert [problem.partition(":")[0] for problem in problems[1:]] == [
        "config.toml.channels.mail.from",
        "config.toml.channels.mail.to",
        "config.toml.channels.mail.host",
    ]


def test_a_secret_in_clear_is_said_once(place: Home) -> None:
    problems = told(place, SLACK.replace("env:TOKEN", "xoxb-000000000000-abcd"))
    assert len(problems) == 1
    assert problems[0].startswith("config.toml.channels.ops.token: looks like a secret in clear and is not shown")


def test_checks_are_judged_by_the_catalogue(place: Home) -> None:
    problems = told(place, '[[checks]]\nname = "ecs-cpu"\n\nwarning = "90%"\ncritcal = "> 95 %"\n')
    assert [problem.partition(":")[0] for problem in problems] == [
        "config.toml.checks[0].warning",
        "config.toml.checks[0].critcal",
    ]
    assert 'did you mean "critical"?' in problems[1]
    assert problems[1].endswith("(line 5)")


def test_one_check_that_is_no_table_does_not_shift_the_others(place: Home) -> None:
    problems = told(place, 'checks = [5, { name = "ecs-cpu", warning = "90%" }]\n')
    assert problems == ["config.toml.checks[0]: expected table, got int 5 (line 1)"]


def test_an_override_may_name_an_environment_that_is_wrong_elsewhere(place: Home) -> None:
    override = '[[checks]]\nname = "ecs-cpu"\n[checks.overrides."shop-*"]\nwarning = "> 71 %"\n'
    broken = ENVIRONMENT.replace("eu-central-1", "eu-centrl-1")
    assert len(told(place, broken + override)) == 1
    assert told(place, ENVIRONMENT + override) == []
    assert "no environment matches" in told(place, ENVIRONMENT + override.replace("shop-*", "shpo-*"))[0]


def test_everything_at_once_in_the_order_of_the_file(place: Home) -> None:
    (place.path / "jobs" / "broken.py").write_text("import nothing_of_this_name\n")
    problems = told(
        place,
        '[jobs.backup]\ndays = 0\nchannels = ["opss"]\n'
        + SLACK.replace("C0123456789", "#ops")
        + '[[checks]]\nname = "ecs-cpu"\nwarning = "90%"\n'
        + ENVIRONMENT.replace("tenant", "tennant")
        + "[storage]\n",
    )
    assert [problem.partition(": ")[0] for problem in problems] == [
        "config.toml.jobs.backup.days",
        "config.toml.jobs.backup.channels[0]",
        "config.toml.channels.ops.channel",
        "config.toml.checks[0].warning",
        "config.toml.environments[0].tennant",
        "config.toml.storage",
        "jobs/broken.py:1",
    ]


def test_a_file_that_cannot_be_parsed_is_told_beside_the_jobs(place: Home) -> None:
    (place.path / "jobs" / "broken.py").write_text("import nothing_of_this_name\n")
    assert [problem.partition(": ")[0] for problem in told(place, "x = \n")] == ["config.toml:1:5", "jobs/broken.py:1"]


def test_nothing_runs_while_there_is_a_problem(place: Home) -> None:
    place.config.write_text("x = 1\n")
    with pytest.raises(ConfigError) as caught:
        _ = read(place).config
    assert [problem.where for problem in caught.value.problems] == ["config.toml.x"]


def test_what_a_job_is_run_with(place: Home) -> None:
    place.config.write_text('[jobs.backup]\ndays = 3\nschedule = "@weekly"\n')
    house = read(place)
    job = house.jobs["backup"][1]
    configured = house.config.job("backup")
    assert schedule_of(job, configured) == "@weekly"
    assert schedule_of(job, house.config.job("absent")) == "@daily"
    assert settings_of(job, {**configured.settings, "bucket": "other"}).model_dump() == {
        "days": 3,
        "bucket": "other",
        "how": "full",
    }
    assert settings_of(job, {"days": "30"}).model_dump() == {"days": 30, "bucket": "main", "how": "full"}
    with pytest.raises(ConfigError, match=r'^settings.dayz: unknown key; did you mean "days"\?$'):
        settings_of(job, {"dayz": "3"})
