"""`init`, `validate`, `jobs`, `environments`, `checks`: what people see, and what scripts rely on."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import time_machine

from opsbot.__main__ import main

FRIDAY = "2026-11-20T12:00:00+00:00"
CONFIG = """\
timezone = "Europe/Berlin"

[[environments]]
name = "shop-prod"
tenant = "shop"
tier = "production"
regions = ["eu-central-1", "us-east-1"]
account_id = "123456789012"
role_arn = "arn:aws:iam::123456789012:role/opsbot"
external_id = "env:SHOP_EXTERNAL_ID"

[[environments]]
name = "shop-staging"
regions = ["eu-central-1"]
profile = "staging"

[[environments]]
name = "lab"
regions = ["eu-west-1"]

[[checks]]
name = "ecs-cpu"

[checks.overrides."shop-*"]
warning = "> 71 % for 10m"

[jobs.daily-health]
schedule = "0 7 * * MON-FRI"
channels = ["ops-slack"]

[jobs.backup]
enabled = false

[channels.ops-slack]
kind = "slack"
token = "env:SLACK_BOT_TOKEN"
channel = "C0123456789"
"""
JOB = """\
from opsbot.api import Job, Outcome, Settings

class Depth(Settings):
    days: int = 7

def run(ctx, settings):
    return Outcome()

job = Job(run=run, schedule="30 2 * * SUN", settings=Depth)
"""


class Said(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Opsbot = Callable[..., Said]


@pytest.fixture
def opsbot(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Opsbot:
    """opsbot in an empty folder, as from a shell."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPSBOT_HOME", raising=False)
    monkeypatch.delenv("OPSBOT_STATE", raising=False)

    def say(*words: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["opsbot", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return Said(int(ended.value.code or 0), out, err)

    return say


@pytest.fixture
def house(tmp_path: Path) -> Path:
    (tmp_path / "jobs").mkdir()
    (tmp_path / "config.toml").write_text(CONFIG)
    (tmp_path / "jobs" / "backup.py").write_text(JOB)
    return tmp_path


def test_from_nothing_to_a_home_without_problems(opsbot: Opsbot, tmp_path: Path) -> None:
    made = opsbot("init", "ops")
    assert (made.code, made.err) == (0, "")
    assert made.out.splitlines()[:2] == ["made ops/config.toml", "made ops/jobs/"]
    assert "opsbot --home ops validate" in made.out
    judged = opsbot("--home", "ops", "validate")
    assert judged.code == 0
    assert judged.out.startswith(f"{tmp_path}/ops: no problem; 0 environments, ")
    assert opsbot("--home", "ops", "environments").err.startswith(
        "no environment yet; add an [[environments]] table to"
    )
    listed = opsbot("--home", "ops", "checks")
    assert listed.code == 0
    assert "ecs-cpu" in listed.out


def test_init_does_not_touch_a_home(opsbot: Opsbot, house: Path) -> None:
    said = opsbot("init", ".")
    assert said.code == 2
    assert "there is a config.toml already; nothing was changed" in said.err
    assert (house / "config.toml").read_text() == CONFIG


@pytest.mark.parametrize("command", ["validate", "jobs", "environments", "checks"])
def test_without_a_home_each_says_how_to_make_one(opsbot: Opsbot, command: str) -> None:
    said = opsbot(command)
    assert said.code == 2
    assert said.out == ""
    assert "opsbot init DIR" in said.err


@pytest.mark.parametrize("command", ["validate", "jobs", "environments", "checks"])
def test_all_problems_and_their_number(opsbot: Opsbot, house: Path, command: str) -> None:
    text = (
        CONFIG.replace("account_id", "acount_id")
        .replace("71 %", "71 GB")
        .replace("[jobs.backup]\n", "[jobs.backup]\ndays = 'x'\n")
    )
    (house / "config.toml").write_text(text)
    (house / "jobs" / "broken.py").write_text("import nowhere_to_be_found\n")
    said = opsbot(command)
    assert said.code == 2
    assert said.out == ""
    lines = said.err.splitlines()
    assert lines[0] == 'config.toml.environments[0].acount_id: unknown key; did you mean "account_id"? (line 8)'
    assert lines[1].startswith('config.toml.checks[0].overrides."shop-*".warning: ')
    assert lines[2].startswith("config.toml.jobs.backup.days: ")
    assert lines[3] == "jobs/broken.py:1: ModuleNotFoundError: No module named 'nowhere_to_be_found'"
    assert lines[4:] == [f"4 problems in {house}"]


def test_validate_for_scripts(opsbot: Opsbot, house: Path) -> None:
    assert opsbot("validate", "--format", "json").json == {"schema": "opsbot.validate/1", "problems": []}
    (house / "config.toml").write_text("x = 1\n")
    said = opsbot("validate", "--format", "json")
    assert said.code == 2
    assert [problem["where"] for problem in said.json["problems"]] == ["config.toml.x"]


def test_validate_prints_the_schema_without_a_home(opsbot: Opsbot) -> None:
    said = opsbot("validate", "--schema")
    assert said.code == 0
    assert "environments" in said.json["properties"]


@time_machine.travel(FRIDAY, tick=False)
def test_jobs_for_people(opsbot: Opsbot, house: Path) -> None:
    lines = {line.split()[0]: " ".join(line.split()) for line in opsbot("jobs").out.splitlines()}
    assert lines["NAME"] == "NAME SCHEDULE NEXT RUN (Europe/Berlin) FILE TELLS"
    assert lines["daily_health"] == "daily_health 0 7 * * MON-FRI Mon 2026-11-23 07:00 shipped ops-slack"
    assert lines["backup"] == "backup 30 2 * * SUN off yours nobody"


@time_machine.travel(FRIDAY, tick=False)
def test_jobs_for_scripts(opsbot: Opsbot, house: Path) -> None:
    said = opsbot("jobs", "--format", "json").json
    assert (said["schema"], said["timezone"]) == ("opsbot.jobs/1", "Europe/Berlin")
    job = next(job for job in said["jobs"] if job["name"] == "daily_health")
    assert job["next_run"] == "2026-11-23T07:00:00+01:00"
    assert (job["file"], job["channels"], job["enabled"]) == ("shipped", ["ops-slack"], True)


def test_a_job_that_stands_before_the_shipped_one_says_so(opsbot: Opsbot, house: Path) -> None:
    (house / "jobs" / "daily_health.py").write_text(JOB)
    assert "yours, replaces shipped" in opsbot("jobs").out


def test_environments_for_people(opsbot: Opsbot, house: Path) -> None:
    assert [line.split("  ")[0] for line in opsbot("environments").out.splitlines()] == [
        "NAME",
        "shop-prod",
        "shop-staging",
        "lab",
    ]
    assert [line.rpartition("   ")[2].strip() for line in opsbot("environments").out.splitlines()][2:] == [
        "profile staging",
        "the credentials at hand",
    ]


def test_environments_for_scripts(opsbot: Opsbot, house: Path) -> None:
    said = opsbot("environments", "--format", "json").json
    assert said["environments"][0] == {
        "name": "shop-prod",
        "tenant": "shop",
        "tier": "production",
        "account_id": "123456789012",
        "regions": ["eu-central-1", "us-east-1"],
        "role_arn": "arn:aws:iam::123456789012:role/opsbot",
        "profile": None,
        "external_id": "env:SHOP_EXTERNAL_ID",
        "labels": {},
    }


def test_checks_tell_which_threshold_holds_where(opsbot: Opsbot, house: Path) -> None:
    cpu = [check for check in opsbot("checks", "--format", "json").json["checks"] if check["name"] == "ecs-cpu"]
    assert sorted(check["environments"] for check in cpu) == [["lab"], ["shop-prod", "shop-staging"]]
    changed = next(check for check in cpu if "shop-prod" in check["environments"])
    assert {"status": "warning", "rule": "> 71 % for 10m"} in changed["rules"]
    assert "shop-*" in changed["source"]
    assert "shop-*" not in next(check for check in cpu if "lab" in check["environments"])["source"]


def test_checks_of_one_environment(opsbot: Opsbot, house: Path) -> None:
    rows = opsbot("checks", "--env", "lab").out
    assert "> 71 %" not in rows
    assert "> 71 %" in opsbot("checks", "--env", "shop-*").out
    said = opsbot("checks", "--env", "shop-pord")
    assert said.code == 2
    assert 'did you mean "shop-prod"?' in said.err


@pytest.mark.parametrize("command", ["init", "validate", "jobs", "environments", "checks"])
def test_help_shows_an_example(opsbot: Opsbot, command: str) -> None:
    said = opsbot(command, "--help")
    assert said.code == 0
    assert f"opsbot {command}" in said.out.partition("Examples:")[2]


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys\nfrom opsbot.cli import cli\n"
        "for command in ([], ['init'], ['validate'], ['jobs'], ['environments'], ['checks']):\n"
        "    cli.main([*command, '--help'], standalone_mode=False)\n"
        "print(sorted({'pandas', 'numpy', 'boto3', 'matplotlib', 'pydantic', 'sqlalchemy'} & set(sys.modules)))\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == "[]"
