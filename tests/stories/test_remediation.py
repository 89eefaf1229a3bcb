"""From a finding to its end, on a clock that both sides share: found, paged, planned by a runbook, approved by somebody else,
carried out, and a quarter of an hour later the same look says that all is well. Taken back, it is all there again."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine

from opsbot.home import shipped_home
from opsbot.replica import scenario
from opsbot.replica.server import Running, serve
from tests.runbooks.test_run_command import Said, opsbot

NOW = datetime(2026, 11, 20, 7, 0, 20, tzinfo=UTC)
SCENARIO = """
seed = 11
caller_account = "100000000001"
[[environments]]
name = "cure-prod"
tenant = "cure"
account = "209000000001"
regions = ["eu-central-1"]
[[environments.resources]]
kind = "ecs-service"
names = ["quiz-api"]
insights = 1
[[environments.resources]]
kind = "lambda-function"
names = ["grade-export"]
[[environments.resources]]
kind = "autoscaling-group"
names = ["workers"]
desired = 4
most = 12
watched = 1
"""
INCIDENT = """
[[incidents]]
environment = "cure-prod"
kind = "{kind}"
resource = "{resource}"
metric = "{metric}"
value = {value}
from = "-40m"
story = "planted"
expect = "{expect}"
[[incidents.heals]]
by = "{by}"
"""
PLANTED = (
    ("ecs-service", "quiz-api", "runningCount", 0, "ecs-tasks", "ecs.set_task_definition"),
    ("lambda-function", "grade-export", "Errors", 0.3, "lambda-error-rate", "lambda.set_alias"),
    ("autoscaling-group", "workers", "CPUUtilization", 93, "workers-cpu", "asg.set_desired"),
)  # fmt: skip
SICK = {
    "ecs-tasks/quiz-api": "critical",
    "lambda-error-rate/grade-export": "warning",
    "workers-cpu/workers": "critical",
}
MORE_MACHINES = """\
---
id: more-machines
---
# The machines have too much to do

```step
id: more
uses: asg.set_desired
with: {group: workers, desired: 8}
verify: {every: 1s, timeout: 20s}
```
"""
TRAIL = """\
---
id: trail
---
# Who changed what

```step
{id: trail, uses: cloudtrail, with: {since: 45m}}
```
"""
CONFIG = """
[[checks]]
name = "workers-cpu"
metric = "AWS/EC2 CPUUtilization"
by = ["AutoScalingGroupName"]
critical = "> 85 % for 10m"
runbook = "more-machines"



[channels.chat]
kind = "file"
folder = "{folder}/chat"
format = "slack"

[[routes]]
name = "page"
priority = "P1"
channels = ["chat"]
group_by = ["check"]
incident = true
"""


@dataclass
class Night:
    """One process, one clock: opsbot on this side of the socket and AWS on the other."""

    home: Path
    aws: Running
    clock: time_machine.Coordinates

    def opsbot(self, *words: str, key: str = "demo") -> Said:
        said = opsbot(self.home, *words, url=self.aws.url, key=key)
        # A run switches the collector of its own process off.
        gc.enable()
        return said

    def at(self, *, minutes: int) -> None:
        """So long after the beginning, however long things took until now."""
        self.clock.move_to(NOW + timedelta(minutes=minutes))

    def look(self) -> dict[str, str]:
        """What the health check finds of what was planted."""
        told = self.opsbot("run", "daily_health", "--deliver", "--format", "json")
        assert told.code in (0, 1), told.err
        found = {one["key"].partition("/")[2]: one["status"] for one in told.json["findings"]}
        return {key: status for key, status in found.items() if key in SICK and status != "info"}

    def alerts(self) -> dict[str, str]:
        told = self.opsbot("alerts", "--all", "--format", "json").json["alerts"]
        return {one["key"]: one["state"] for one in told}

    def incidents(self) -> dict[str, str]:
        """The incident of each alert."""
        told = self.opsbot("incident", "list", "--format", "json").json["incidents"]
        return {alert: one["id"] for one in told for alert in one["alerts"]}

    def cure(self, incident: str, change: str) -> str:
        """Planned by one, approved by another, carried out: the run."""
        planned = self.opsbot("runbook", "run", "-i", incident, "--format", "json")
        assert planned.json["state"] == "planned", planned.out
        run = planned.json["id"]
        approved = self.opsbot("runbook", "approve", run, key="user-bo")
        assert (approved.code, change in approved.out) == (0, True), approved.out
        applied = self.opsbot("runbook", "apply", run)
        assert (applied.code, "verified" in applied.out + applied.err) == (0, True), applied.out + applied.err
        return run


@pytest.fixture
def night(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Night]:
    planted = [
        INCIDENT.format(kind=kind, resource=resource, metric=metric, value=value, expect=expect, by=by)
        for kind, resource, metric, value, expect, by in PLANTED
    ]
    (tmp_path / "cure.toml").write_text(SCENARIO + "".join(planted), encoding="utf-8")
    world = scenario.load(tmp_path / "cure.toml", anchor=NOW)
    home = tmp_path / "home"
    (home / "runbooks").mkdir(parents=True)
    monkeypatch.chdir(home)
    more = CONFIG.format(folder=tmp_path)
    (home / "config.toml").write_text(scenario.opsbot_config(world) + more, encoding="utf-8")
    (home / "runbooks" / "more-machines.md").write_text(MORE_MACHINES, encoding="utf-8")
    (home / "runbooks" / "trail.md").write_text(TRAIL, encoding="utf-8")
    shipped = (shipped_home() / "runbooks" / "system-down.md").read_text(encoding="utf-8")
    (home / "runbooks" / "system-down.md").write_text(shipped.replace("every: 15s", "every: 1s"), encoding="utf-8")
    with time_machine.travel(NOW, tick=True) as clock, serve(world, trail_delay=timedelta(minutes=5)) as running:
        yield Night(home=home, aws=running, clock=clock)
        assert running.unknown == []


CURES = (
    ("cure-prod/ecs-tasks/quiz-api", "quiz-api:42 -> quiz-api:41"),
    ("cure-prod/lambda-error-rate/grade-export", "7 -> 6"),
    ("cure-prod/workers-cpu/workers", "4 -> 8"),
)
"""An alert that its own runbook ends, and what that changes."""
TOLD = ["opened", "told", "runbook", "change", "change", "alert", "mitigated"]
CHANGED = [
    ("opsbot", "UpdateService", "quiz-api"),
    ("opsbot", "SetDesiredCapacity", "workers"),
    ("opsbot", "UpdateAlias20150331", "grade-export"),
    ("opsbot", "UpdateService", "quiz-api"),
]
"""What CloudTrail tells of it, the newest first."""


def test_what_a_runbook_cures_is_well_a_quarter_of_an_hour_later(night: Night) -> None:
    assert night.look() == SICK
    assert set(night.alerts().values()) == {"firing"}
    incidents = night.incidents()
    runs = [night.cure(incidents[alert], change) for alert, change in CURES]

    night.at(minutes=15)
    assert night.look() == {}
    assert set(night.alerts().values()) == {"resolved"}
    for alert, _ in CURES:
        kept = night.opsbot("incident", "show", incidents[alert], "--format", "json").json
        assert kept["state"] == "mitigated"
        assert [entry["kind"] for entry in kept["timeline"]] == TOLD

    assert night.opsbot("runbook", "rollback", runs[0], "--yes").code == 0
    night.at(minutes=30)
    assert night.look() == {"ecs-tasks/quiz-api": "critical"}
    trail = night.opsbot("runbook", "run", "trail", "--env", "cure-prod", "--format", "json").json
    assert [tuple(row[1:]) for row in trail["steps"][0]["rows"]] == CHANGED
