"""The import contracts bite: one tree, broken once for each contract, and the linter names every one of them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

# contract -> (file, the import that breaks it)
BREACHES = {
    "one way down": ("opsbot/model/status.py", "import opsbot.runner"),
    "adapters never import use cases or declarations they are declared by": (
        "opsbot/channels/slack.py",
        "import opsbot.outbox",
    ),
    "the core knows no clock, disk, network or terminal": ("opsbot/evaluate/threshold.py", "import socket"),
    "rendering knows no clock, network, terminal or database": ("opsbot/render/text.py", "import smtplib"),
    "boto3 has one door: aws": ("opsbot/checks/metric.py", "import boto3"),
    "slack_sdk has one door: channels.slack": ("opsbot/runner/keep.py", "import slack_sdk"),
    "click has one door: cli": ("opsbot/home.py", "import click"),
    "matplotlib has one door: render.chart": ("opsbot/render/html.py", "import matplotlib"),
    "apscheduler has one door: daemon": ("opsbot/timetable.py", "import apscheduler"),
    "h2 has one door: probes.h2": ("opsbot/probes/http.py", "import h2"),
    "celery has one door: executors.celery": ("opsbot/executors/local.py", "import celery"),
    "sqlalchemy has one door: store": ("opsbot/outbox/drain.py", "import sqlalchemy"),
    "the embedded AWS is reached by the command line alone, and knows nothing of opsbot but errors": (
        "opsbot/replica/world.py",
        "import opsbot.model.status",
    ),
    "nothing of the product leans on the embedded AWS": ("opsbot/ports.py", "import opsbot.replica.world"),
    "job files import opsbot.api and nothing else of opsbot": ("jobs/daily_health.py", "import opsbot.runner"),
}


def test_every_contract_is_broken_by_the_import_it_forbids(tmp_path: Path) -> None:
    tree = tmp_path / "house"
    for part in ("opsbot", "jobs"):
        shutil.copytree(ROOT / part, tree / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tree)
    # A folder without it is merged with the checkout's own jobs/, and either of them may be read.
    (tree / "jobs" / "__init__.py").touch()
    for file, line in BREACHES.values():
        with (tree / file).open("a", encoding="utf-8") as out:
            out.write(f"\n{line}\n")
    script = Path(sys.executable).with_name("lint-imports")
    told = subprocess.run(
        [script, "--no-cache"],
        cwd=tree,
        env={"PYTHONPATH": str(tree), "COLUMNS": "400"},
        capture_output=True,
        text=True,
    )
    missed = [name for name in BREACHES if f"{name} BROKEN" not in told.stdout]
    assert told.returncode != 0, told.stdout
    assert missed == [], told.stdout


def test_every_contract_has_a_breach_here() -> None:
    import tomllib

    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    assert {contract["name"] for contract in declared} == set(BREACHES)
