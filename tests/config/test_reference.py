"""What is written about config.toml is made from its models. Renew it: run this with OPSBOT_UPDATE_GOLDEN=1."""

from __future__ import annotations

import json
import os
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from opsbot import channels
from opsbot.config.budgets import BudgetTable
from opsbot.config.file import (
    AlertsTable,
    BlackoutTable,
    DaemonTable,
    Defaults,
    DependencyTable,
    EnvironmentTable,
    File,
    JobTable,
    ReportsTable,
    RouteTable,
    RunbooksTable,
    StoreTable,
    WebTable,
)
from opsbot.config.maintenance import MaintenanceTable
from opsbot.config.probes import ProbeTable, SloTable, StepTable
from opsbot.model.period import show_duration
from opsbot.validation import schema
from tests.config.json_schema import faults

ROOT = Path(__file__).parent.parent.parent
SCHEMA = ROOT / "docs" / "schemas" / "config.schema.json"
PAGE = ROOT / "docs" / "configuration.md"
RENEW = bool(os.environ.get("OPSBOT_UPDATE_GOLDEN"))
BEGIN, END = "a test says they are current -->\n", "<!-- /keys -->"
_SECRETS = ("token", "password", "routing_key", "secret")
_REFERENCE = "a [reference](#secrets)"
TABLES: dict[str, type[BaseModel]] = {
    "[defaults]": Defaults,
    "[[environments]]": EnvironmentTable,
    "[[probes]]": ProbeTable,
    "[[probes.steps]]": StepTable,
    "slo of [[probes]]": SloTable,
    "[jobs.NAME]": JobTable,
    "[[blackouts]]": BlackoutTable,
    "[[maintenance]]": MaintenanceTable,
    "[[budgets]]": BudgetTable,
    "[[routes]]": RouteTable,
    "[[dependencies]]": DependencyTable,
    "[alerts]": AlertsTable,
    "[runbooks]": RunbooksTable,
    "[daemon]": DaemonTable,
    "[web]": WebTable,
    "[store]": StoreTable,
    "[reports]": ReportsTable,
}


def current(path: Path, made: str) -> str:
    if RENEW:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(made)
    return path.read_text()


def test_the_schema_is_current() -> None:
    made = json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"
    assert current(SCHEMA, made) == made


def test_the_reference_is_current() -> None:
    page = PAGE.read_text()
    before, _, rest = page.partition(BEGIN)
    after = rest.partition(END)[2]
    made = before + BEGIN + reference() + END + after
    assert current(PAGE, made) == made


@pytest.mark.parametrize("file", [*(Path(__file__).parent / "ok").glob("*.toml"), ROOT / "config.toml"], ids=str)
def test_the_schema_takes_what_opsbot_takes(file: Path) -> None:
    assert list(faults(tomllib.loads(file.read_text("utf-8-sig")), schema(), schema())) == []


@pytest.mark.parametrize(
    "name", ["environment-key-misspelt", "account-id-short", "regions-text", "store-two-brackets", "region-singular"]
)
def test_the_schema_refuses_what_opsbot_refuses(name: str) -> None:
    tables = tomllib.loads((Path(__file__).parent / "bad" / f"{name}.toml").read_text())
    assert list(faults(tables, schema(), schema())) != []


def reference() -> str:
    """The page's tables of keys."""
    parts = [f"### The file's own\n\n{rows(File, only=('timezone',))}"]
    parts += [f"### `{name}`\n\n{model.__doc__}\n\n{rows(model)}" for name, model in TABLES.items()]
    parts += [channel(kind, model) for kind, model in channels.SETTINGS.items()]
    return "\n".join(parts)


def rows(model: type[BaseModel], only: tuple[str, ...] = ()) -> str:
    lines = ["| key | default | what it says | example |", "|---|---|---|---|"]
    for name, field in model.model_fields.items():
        if (not only or name in only) and name != "kind":
            example = f"`{toml(field.examples[0])}`" if field.examples else ""
            default = "required" if field.is_required() else shown(field.default)
            lines.append(f"| `{field.alias or name}` | {default} | {field.description or ''} | {example} |")
    return "\n".join(lines) + "\n"


def channel(kind: str, model: type[BaseModel]) -> str:
    """A channel's keys, as its schema has them."""
    shape = model.model_json_schema()
    lines = ["| key | default | expects |", "|---|---|---|"]
    for name, key in shape["properties"].items():
        default = "required" if name in shape.get("required", ()) else shown(key.get("default"))
        lines += (
            [f"| `{name}` | {default} | {_REFERENCE if name in _SECRETS else expects(key)} |"] if name != "kind" else []
        )
    about = " ".join((model.__doc__ or "").split())
    return f'### `[channels.NAME]` with `kind = "{kind}"`\n\n{about}\n\n' + "\n".join(lines) + "\n"


def expects(key: dict[str, Any]) -> str:
    if choices := key.get("enum"):
        return " or ".join(f"`{toml(choice)}`" for choice in choices)
    if kinds := key.get("anyOf"):
        return " or ".join(expects(kind) for kind in kinds if kind.get("type") != "null")
    if key.get("type") == "array":
        return f"list of {expects(key['items'])}"
    return {"string": "text", "boolean": "true or false"}.get(key["type"], key["type"])


def shown(default: Any) -> str:
    if default in (None, (), {}, ""):
        return "-"
    return f"`{toml('unknown' if default == 'missing' else default)}`"


def toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml(inner)}" for key, inner in value.items()) + " }"
    return json.dumps(show_duration(value) if isinstance(value, timedelta) else value)
