"""A check can only name a runbook that is there: the home's own or a shipped one."""

from __future__ import annotations

from pathlib import Path

import pytest

from opsbot import home, validation


@pytest.mark.parametrize(
    ("checks", "problems"),
    [
        pytest.param('[[checks]]\nname = "ecs-cpu"\nrunbook = "high-latency"\n', [], id="shipped"),
        pytest.param('[[checks]]\nname = "ecs-cpu"\nrunbook = "our-way"\n', [], id="the home's own"),
        pytest.param('[[checks]]\nname = "ecs-cpu"\nrunbook = ""\n', [], id="none"),
        pytest.param(
            '[[checks]]\nname = "ecs-cpu"\nrunbook = "high-laod"\n',
            ['config.toml.checks[0].runbook: there is no runbook "high-laod"; did you mean "high-load"? (line 3)'],
            id="misspelt",
        ),
        pytest.param(
            '[[checks]]\nname = "ecs-cpu"\n\n[checks.overrides."*"]\nrunbook = "our-wax"\n',
            [
                'config.toml.checks[0].overrides."*".runbook: there is no runbook "our-wax"; did you mean "our-way"? (line 5)'
            ],
            id="in an override",
        ),
        pytest.param(
            '[[checks]]\nname = "ecs-cpu"\nrunbook = 7\n',
            ["config.toml.checks[0].runbook: expected a string, got int 7 (line 3)"],
            id="no name at all is told once",
        ),
    ],
)
def test_what_is_said_of_the_runbook_of_a_check(tmp_path: Path, checks: str, problems: list[str]) -> None:
    environment = '[[environments]]\nname = "lab"\nregions = ["eu-west-1"]\n'
    (tmp_path / "config.toml").write_text(checks + environment)
    (tmp_path / "runbooks").mkdir()
    (tmp_path / "runbooks" / "our-way.md").write_text("# Our way\n")
    place = home.find(tmp_path, {}, tmp_path)
    assert [str(problem) for problem in validation.validate(place)] == problems
