"""What other programs read of incidents, runbooks, the audit log, routes and silences is what their schemas say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from opsbot.replica.server import Running
from opsbot.store.sql import SqlStore
from tests.config.json_schema import faults
from tests.runbooks.stage import ROLL_BACK
from tests.runbooks.test_looking_by_itself import rung
from tests.runbooks.test_run_command import opsbot, place

__all__ = ["place", "rung"]

SCHEMAS = Path(__file__).parents[2] / "docs" / "schemas"


def wrong(name: str, told: dict[str, Any]) -> list[str]:
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8"))
    return [str(one) for one in faults(told, schema, schema)]


def test_every_format_is_as_its_schema_says(rung: SqlStore, place: Path, cloud: Running) -> None:
    said = opsbot(place, "silence", "add", "check=rds-*", "--for", "2h", "--reason", "restore", key="")
    assert said.code == 0, said.err
    ran = opsbot(place, "runbook", "run", "-i", "INC-1", "--format", "json", url=cloud.url)
    assert ran.json["plan"]["changes"]
    assert wrong("runbook", ran.json) == []
    assert wrong("runbook", {**ran.json, "plan": None, "incident": None}) == []
    routed = opsbot(place, "route", "test", "--env", "unilux-prod", "--check", "ecs-tasks", "--format", "json", key="")
    assert (routed.json["incident"], wrong("route-test", routed.json)) == (True, [])
    for name, words in {
        "incident": ("incident", "show", "INC-1"), "incidents": ("incident", "list"), "silences": ("silence", "list"),
        "audit-verify": ("audit", "verify"), "runbooks": ("runbook", "list"), "runbook-lint": ("runbook", "lint"),
        "runbook-runs": ("runbook", "replay"), "routes": ("route", "list"),
    }.items():  # fmt: skip
        told = opsbot(place, *words, "--format", "json", key="").json
        assert wrong(name, told) == []
        assert wrong(name, {**told, "schema": "another/9"}) != []
    rows = [json.loads(line) for line in opsbot(place, "audit", "export", key="").out.splitlines()]
    assert [row["what"] for row in rows][:2] == ["incident.open", "silence.add"]
    assert [one for row in rows for one in wrong("audit", row)] == []


def test_what_is_done_by_hand_is_one_object_for_scripts(rung: SqlStore, place: Path, cloud: Running) -> None:
    (place / "runbooks" / "roll-back.md").write_text(ROLL_BACK.replace("every: 15s", "every: 1s"), encoding="utf-8")
    for words in (
        ("ack", "INC-1", "looking"), ("note", "INC-1", "x"), ("role", "INC-1", "scribe", "bo"),
        ("priority", "INC-1", "P0"), ("mitigate", "INC-1"), ("resolve", "INC-1"), ("reopen", "INC-1"), ("open", "x"),
    ):  # fmt: skip
        told = opsbot(place, "incident", *words, "--format", "json", key="")
        assert (told.code, wrong("incident", told.json)) == (0, []), words
    assert opsbot(place, "runbook", "run", "-i", "INC-1", url=cloud.url).code in (0, 3)
    states = []
    for key, *words in (
        ("user-bo", "approve", "R-1"), ("demo", "apply", "R-1"), ("demo", "rollback", "R-1"),
        ("demo", "rollback", "R-1", "--yes"),
    ):  # fmt: skip
        told = opsbot(place, "runbook", *words, "--format", "json", url=cloud.url, key=key)
        assert (told.code, wrong("runbook", told.json)) == (0, []), words
        states.append(told.json["state"])
    assert states == ["approved", "applied", "applied", "rolled back"]
    assert "(approved by bo)" in opsbot(place, "runbook", "replay", "R-1", key="").out


@pytest.mark.parametrize(
    "name",
    [
        "incident", "incidents", "audit", "audit-verify", "silences", "route-test", "routes", "runbook", "runbooks",
        "runbook-lint", "runbook-runs",
    ],
)  # fmt: skip
def test_a_schema_names_what_it_is_about(name: str) -> None:
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8"))
    assert "opsbot " in schema["title"]
    assert schema["additionalProperties"] is False
