"""`opsbot runbook run`, `incident` and `audit` as people use them, with two people at two keyboards."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path
from typing import Any, NamedTuple

import click
import pytest
from click.testing import CliRunner

from opsbot.cli import cli
from opsbot.errors import ConfigError, OpsbotError
from opsbot.replica import scenario
from opsbot.replica.server import Running
from opsbot.replica.world import World
from tests.runbooks.stage import ROLL_BACK


class Said(NamedTuple):
    out: str
    err: str
    code: int

    @property
    def json(self) -> dict[str, Any]:
        parsed: dict[str, Any] = json.loads(self.out)
        return parsed


@pytest.fixture
def place(tmp_path: Path, world: World) -> Path:
    home = tmp_path / "home"
    (home / "runbooks").mkdir(parents=True)
    (home / "config.toml").write_text(scenario.opsbot_config(world), encoding="utf-8")
    (home / "runbooks" / "roll-back.md").write_text(ROLL_BACK, encoding="utf-8")
    return home


def opsbot(place: Path, *words: str, url: str = "http://127.0.0.1:9", key: str = "demo") -> Said:
    """The command in this process, its words and its exit code as `opsbot.__main__` has them."""
    env: dict[str, str | None] = {
        "AWS_ENDPOINT_URL": url, "AWS_EC2_METADATA_DISABLED": "true", "OPSBOT_DEMO_EXTERNAL_ID": "opsbot-demo",
        "AWS_ACCESS_KEY_ID": key or None, "AWS_SECRET_ACCESS_KEY": "demo" if key else None, "COLUMNS": "120",
        "AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
    }  # fmt: skip
    ours = [logging.getLogger(name) for name in ("opsbot", "jobs", "_opsbot_jobs")]
    before = [(logger, logger.handlers, logger.propagate, logger.level) for logger in ours]
    result = CliRunner().invoke(cli, ["--home", str(place), *words], env=env, standalone_mode=False)
    for logger, handlers, propagate, level in before:
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)
    match result.exception:
        case None:
            return Said(result.stdout, result.stderr, result.return_value or 0)
        case click.ClickException() as error:
            return Said(result.stdout, result.stderr + error.format_message(), 2)
        case OpsbotError() as error:
            return Said(
                result.stdout,
                f"{result.stderr}{error.message}\n{error.hint}",
                2 if isinstance(error, ConfigError) else 3,
            )
    raise result.exception


def test_a_trouble_from_its_incident_to_its_record(place: Path, cloud: Running) -> None:
    opened = opsbot(
        place, "incident", "open", "quiz is down", "--priority", "P1", "--env", "unilux-prod", url=cloud.url
    )
    assert opened.out == "INC-1 is open\n"
    words = ("runbook", "run", "roll-back", "--env", "unilux-prod", "--resource", "quiz-api", "-i", "1")
    planned = opsbot(place, *words, "--format", "json", url=cloud.url)
    assert (planned.code, planned.json["schema"], planned.json["state"]) == (0, "opsbot.runbook/1", "planned")
    assert planned.json["plan"]["changes"][0]["after"]["task definition"] == "quiz-api:41"
    own = opsbot(place, "runbook", "approve", "R-1", url=cloud.url)
    assert (own.code, own.out) == (3, "")
    assert "R-1 is not approved: demo asked for it" in own.err
    other = opsbot(place, "runbook", "approve", "R-1", url=cloud.url, key="user-bo")
    assert other.code == 0
    assert "quiz-api:42 -> quiz-api:41" in other.out
    replayed = opsbot(place, "runbook", "replay", "R-1", key="").out
    assert re.search(r"^PLAN R-1  [0-9a-f]{12}  approved by bo until [0-9:]{8} UTC$", replayed, re.MULTILINE)
    following = opsbot(place, "incident", "show", "INC-1", key="").out.splitlines()[-1]
    assert following == "then: opsbot runbook apply R-1"
    kept = opsbot(place, "incident", "show", "INC-1", "--format", "json", key="").json
    assert [entry["kind"] for entry in kept["timeline"]] == ["opened", "runbook", "change"]
    assert any("0 of 3 tasks run" in line for line in kept["timeline"][1]["lines"])
    assert kept["timeline"][2]["actor"] == "arn:aws:iam::100000000001:user/bo"
    verified = opsbot(place, "audit", "verify", key="")
    assert (verified.code, verified.out.split(",")[0]) == (0, "6 rows")


def test_everything_about_an_incident_works_without_a_network(place: Path) -> None:
    assert opsbot(place, "incident", "open", "login fails", "--priority", "P1", key="").code == 0
    waiting = opsbot(place, "incident", "list", key="")
    assert (waiting.code, waiting.out.split("\n")[1].split()[:3]) == (1, ["INC-1", "P1", "open"])
    assert opsbot(place, "incident", "ack", "INC-1", "looking", "--at", "-5m", key="").out.startswith("INC-1 acked P1")
    told = opsbot(place, "incident", "show", "INC-1", "--format", "markdown", key="").out
    assert "# INC-1: login fails" in told
    assert "acknowledged: looking" in told


@pytest.mark.parametrize(
    ("words", "told"),
    [
        pytest.param(("runbook", "run"), "expected the NAME of a runbook, or a --finding that has one", id="no name"),
        pytest.param(("runbook", "run", "roll-back"), "expected --env NAME: where to look", id="no place"),
        pytest.param(("runbook", "run", "roll-bakc", "--env", "dhbw-prod"), 'there is no runbook "roll-bakc"; did you mean "roll-back"?', id="misspelt"),
        pytest.param(("runbook", "apply", "R-9"), 'there is no runbook run "R-9"', id="no run"),
        pytest.param(("incident", "ack", "INC-9"), 'there is no incident "INC-9"', id="no incident"),
    ],
)  # fmt: skip
def test_mistakes_are_told_in_a_line(place: Path, words: tuple[str, ...], told: str) -> None:
    said = opsbot(place, *words, key="")
    assert (said.code, said.out) == (2, "")
    assert told in said.err


def test_lint_tells_what_is_wrong_and_ends_with_2(place: Path) -> None:
    (place / "runbooks" / "mine.md").write_text("# Mine\n\n```step\n{id: a, uses: shell, with: {run: reboot}}\n```\n")
    said = opsbot(place, "runbook", "lint", key="")
    assert said.code == 2
    assert "wrong     runbooks/mine.md:3: step a: uses: there is no action 'shell'" in said.out
    assert "11 runbooks" not in said.err
    assert "1 wrong" in said.err
