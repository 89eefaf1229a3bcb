"""A home in which nothing is there for a job to look at: that is no trouble, and nobody is told of it every morning."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from opsbot import app, runner

NOW = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
ONE = '[[environments]]\nname = "shop-prod"\nregions = ["eu-central-1"]\naccount_id = "123456789012"\n'
HOME = """
[channels.folder]
kind = "file"
folder = "sent"

[jobs.cost_anomalies]
savings = false
channels = ["folder"]

[jobs.uptime_probes]
channels = ["folder"]

[jobs.capacity_trends]
channels = ["folder"]
"""


@pytest.mark.parametrize(
    ("job", "environments", "headline"),
    [
        ("cost_anomalies", ONE, "No payer is configured, so no bill is read"),
        ("cost_anomalies", "", "No payer is configured, so no bill is read"),
        ("uptime_probes", ONE, "Nothing was checked: no probe is configured"),
        ("uptime_probes", "", "Nothing was checked: no probe is configured"),
        ("capacity_trends", "", "Nothing was found that can run full"),
    ],
    ids=["a bill, no payer", "a bill, nothing", "probes, an environment", "probes, nothing", "capacity, nothing"],
)
def test_it_is_well_and_told_to_nobody(tmp_path: Path, job: str, environments: str, headline: str) -> None:
    (tmp_path / "config.toml").write_text(environments + HOME, encoding="utf-8")
    house = app.load(tmp_path)
    with app.world(house) as world:
        result = runner.execute(house.request(job, at=NOW), world, owner="here")
        sent = world.store.messages(run_id=result.run.id)
    assert (result.report.headline, str(result.run.verdict)) == (headline, "ok")
    assert (result.exit_code(), result.messages, list(sent)) == (0, (), [])
    assert result.run.error == ""
