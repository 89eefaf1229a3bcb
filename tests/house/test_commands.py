"""The command line as its user meets it: fast help, an example for every command, clear mistakes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest

from opsbot.cli import COMMANDS, cli

HEAVY = ("pandas", "numpy", "boto3", "botocore", "matplotlib", "sqlalchemy", "pydantic", "jinja2", "slack_sdk", "moto")


def _commands() -> list[tuple[str, click.Command]]:
    found = []
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        if isinstance(command, click.Group):
            found += [(f"{name} {child}", command.commands[child]) for child in command.commands]
        else:
            found.append((name, command))
    return found


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['opsbot', '--help']\n"
        "from opsbot.__main__ import main\n"
        "try: main()\n"
        "except SystemExit as end: code = end.code\n"
        f"print('LOADED', [m for m in {HEAVY!r} if m in sys.modules], code)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "LOADED [] 0" in told.stdout
    assert all(name in told.stdout for name in COMMANDS)


@pytest.mark.parametrize(("name", "command"), _commands(), ids=lambda value: value if isinstance(value, str) else "")
def test_every_commands_help_has_an_example(name: str, command: click.Command) -> None:
    told = command.get_help(click.Context(command, info_name=name))
    assert "Example" in told
    assert f"opsbot {name}" in told


@pytest.mark.parametrize(
    ("words", "told"),
    [
        pytest.param(["rum", "daily_health"], 'there is no command "rum". Did you mean "run"?', id="misspelt command"),
        pytest.param(["run"], "Missing argument 'JOB...'", id="no job"),
        pytest.param(["run", "daily_health", "--format", "pdf"], "'pdf' is not one of", id="unknown format"),
        pytest.param(
            ["--home", ".", "run", "daily_health"],
            "no environment yet; add an [[environments]] table to",
            id="no environment",
        ),
        pytest.param(
            ["run", "dayly_health"], 'there is no job "dayly_health"; did you mean "daily_health"?', id="unknown job"
        ),
        pytest.param(["run", "daily-health", "--at", "noon"], "expected ISO 8601 such as", id="bad time"),
        pytest.param(
            ["run", "daily_health", "--env", "dhbw"], 'there is no environment "dhbw"', id="unknown environment"
        ),
        pytest.param(
            ["run", "daily_health", "--deliver"], "--deliver: the job daily_health has no channels", id="nobody to tell"
        ),
        pytest.param(["--home", "nowhere", "checks"], "nowhere", id="no home"),
    ],
)
def test_mistakes_are_told_in_a_line_and_end_with_2(words: list[str], told: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "opsbot", *words], cwd=Path(__file__).parents[2], capture_output=True, text=True
    )
    assert told in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""
    assert ended.returncode == 2
