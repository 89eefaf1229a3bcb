"""`opsbot runbook`: the page that a report names, at 3 am, whatever else is broken."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from opsbot.cli import page

ROLE = """\
[[environments]]
name = "shop-prod"
tenant = "shop"
tier = "production"
regions = ["eu-central-1", "us-east-1"]
account_id = "123456789012"
role_arn = "arn:aws:iam::123456789012:role/opsbot"
external_id = "env:SHOP_EXTERNAL_ID"

[[environments]]
name = "staging"
regions = ["eu-west-1"]
profile = "shop staging"

[[environments]]
name = "lab"
regions = ["eu-west-1"]

[[checks]]
name = "ecs-cpu"
runbook = "mine"

[checks.overrides."shop-*"]
runbook = "system-down"
"""
MINE = (
    "# Our own way\n\nCall **Ana**.\n\n```\naws ecs list-clusters --region {region} --profile {profile_or_role}\n```\n"
)


class Said(NamedTuple):
    out: str
    err: str
    code: int


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "config.toml").write_text(ROLE)
    return tmp_path


def opsbot(place: Path, *words: str, environ: dict[str, str] | None = None) -> Said:
    """The command in its own process, with nothing in its environment that could sign in."""
    clean = {"PATH": os.environ["PATH"], "COLUMNS": "80", "PYTHONPATH": str(Path(__file__).parents[2])}
    ended = subprocess.run(
        [sys.executable, "-m", "opsbot", *words],
        cwd=place, env=clean | (environ or {}), capture_output=True, text=True, timeout=20,
    )  # fmt: skip
    assert "Traceback" not in ended.stderr
    return Said(ended.stdout, ended.stderr, ended.returncode)


def test_without_an_environment_the_page_is_as_it_stands_and_says_what_is_missing(place: Path) -> None:
    said = opsbot(place, "runbook", "show", "storage-full")
    assert said.code == 0
    assert said.out.startswith("# Storage is nearly full\n")
    assert "--db-instance-identifier {resource} --region {region} --profile {profile_or_role}" in said.out
    assert said.err == (
        "not filled in: {environment}, {profile_or_role}, {region}, {resource}; give --env NAME and --resource NAME\n"
    )


def test_with_an_environment_and_a_resource_nothing_is_left_open(place: Path) -> None:
    said = opsbot(place, "runbook", "show", "cost-spike", "--env", "shop-prod", "--resource", "thumbs; reboot")
    assert (said.code, said.err) == (0, "")
    assert page.gaps(said.out) == []
    assert "shop-prod (tenant shop, production), account 123456789012, region eu-central-1" in said.out
    assert "aws configure set profile.shop-prod.role_arn arn:aws:iam::123456789012:role/opsbot" in said.out
    command = next(line for line in said.out.split("\n") if "--function-name" in line)
    assert "thumbs; reboot" in shlex.split(command.removesuffix("\\"))


@pytest.mark.parametrize(
    ("environment", "told", "ending"),
    [
        pytest.param("staging", "profile shop staging.", "--region eu-west-1 --profile 'shop staging'", id="profile"),
        pytest.param("lab", "the credentials at hand.", "--region eu-west-1", id="credentials at hand"),
    ],
)
def test_commands_sign_in_as_the_environment_does(place: Path, environment: str, told: str, ending: str) -> None:
    out = opsbot(place, "runbook", "show", "high-load", "--env", environment).out
    assert told in out
    assert any(line.endswith(f"get-account-settings {ending}") for line in out.split("\n"))


def test_a_homes_own_runbook_stands_before_the_shipped_one(place: Path) -> None:
    (place / "runbooks").mkdir()
    (place / "runbooks" / "high-load.md").write_text(MINE)
    (place / "runbooks" / "mine.md").write_text(MINE)
    assert opsbot(place, "runbook", "show", "high-load").out == MINE
    rows = {line.split("  ")[0]: line for line in opsbot(place, "runbook", "list").out.split("\n")}
    assert " home     Our own way " in rows["high-load"]
    assert rows["mine"].endswith("  ecs-cpu")
    assert " shipped  Something does not answer " in rows["system-down"]
    assert "  ecs-cpu, " in rows["system-down"]
    assert rows["cost-spike"].endswith(" -")


@pytest.mark.parametrize(
    ("config", "told"),
    [
        pytest.param("[[environments]\n", "config.toml:1:", id="cannot be parsed"),
        pytest.param(ROLE.replace("eu-west-1", "middle-earth-1"), "(and 1 more); see: opsbot validate", id="problems"),
        pytest.param(ROLE.replace('"shop-prod"', '"shop-prd"'), 'no environment "shop-prod"; did you', id="unknown"),
    ],
)
def test_a_broken_configuration_still_shows_the_page(place: Path, config: str, told: str) -> None:
    (place / "config.toml").write_text(config)
    said = opsbot(place, "runbook", "show", "system-down", "--env", "shop-prod")
    assert said.code == 0
    assert said.out.startswith("# Something does not answer\n")
    assert "--region {region} --profile {profile_or_role}" in said.out
    assert "opsbot run daily_health --env shop-prod" in said.out
    assert told in said.err
    assert "not filled in" in said.err


def test_without_a_home_the_shipped_pages_are_there(tmp_path: Path) -> None:
    said = opsbot(tmp_path, "runbook", "show", "data-quality")
    assert (said.code, said.out[:2]) == (0, "# ")
    assert "no home here" in said.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["runbook", "show", "high-laod"], 'there is no runbook "high-laod"; did you mean "high-load"?'),
        (["--home", "nowhere", "runbook", "show", "high-load"], "there is no folder"),
    ],
)
def test_mistakes_are_told(place: Path, words: list[str], told: str) -> None:
    said = opsbot(place, *words)
    assert (said.code, said.out) == (2, "")
    assert told in said.err


def test_colour_is_asked_for_and_text_is_made_for_reading(place: Path) -> None:
    styled = opsbot(place, "--color", "always", "runbook", "show", "high-latency").out
    plain = opsbot(place, "runbook", "show", "high-latency", "--format", "text", environ={"NO_COLOR": "1"}).out
    assert styled.startswith("\x1b[1mToo slow\x1b[0m\n")
    assert plain == styled.replace("\x1b[1m", "").replace("\x1b[0m", "")
    assert "\n    aws cloudfront list-invalidations" in plain
    assert "- CPU of the service above 80 %\n    likely cause: too much load\n    do this: follow high-load\n" in plain
    assert not [line for line in plain.split("\n") if line.startswith(("```", "|", "#", ">")) or "**" in line]
    assert max(len(line) for line in plain.split("\n") if not line.startswith("    ")) <= 80


@pytest.mark.parametrize(
    ("written", "title", "body"),
    [
        pytest.param("---\ntitle: A: b\n---\n# C\n", "A: b", "# C\n", id="front matter"),
        pytest.param("---\r\ntitle: A\r\n---\r\n\r\ntext\r\n", "A", "text\n", id="Windows line ends"),
        pytest.param("text\n\n# C\n", "C", "text\n\n# C\n", id="heading alone"),
        pytest.param("---\ntitle: A\n", "", "---\ntitle: A\n", id="front matter that never ends"),
        pytest.param("", "", "", id="empty"),
    ],
)
def test_a_page_is_read_however_it_was_written(written: str, title: str, body: str) -> None:
    read = page.read(written)
    assert (read.title, read.body) == (title, body)


def test_a_command_in_running_text_stays_on_one_line() -> None:
    text = "Some words that come before it, then `opsbot run daily_health --env shop-prod`.\n"
    told = page.for_terminal(text, width=60, styled=False)
    assert told == "Some words that come before it, then\n`opsbot run daily_health --env shop-prod`.\n"
