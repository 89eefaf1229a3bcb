"""What the incident commands share: the store alone, and an incident by its id. No network is needed to read."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from opsbot.cli import Options

if TYPE_CHECKING:
    from opsbot.config import Config
    from opsbot.model.incident import Incident
    from opsbot.model.runbook import RunbookRun
    from opsbot.store.sql import SqlStore


def opened(options: Options) -> tuple[Config, SqlStore]:
    """Neither a job file that does not load nor a secret that cannot be read keeps people from an incident."""
    from opsbot import app, home, log

    log.configure(options.log_format, verbose=options.verbose)
    place = home.find(options.home_option, os.environ, Path.cwd())
    config = app.config_of(place)
    return config, app.store_of(place, config)


def one(store: SqlStore, id: str) -> Incident:
    """Raises UsageError."""
    from opsbot.model.incident import number_of

    number = number_of(id)
    found = store.incidents().incident(number) if number else None
    if found is None:
        raise click.UsageError(f'there is no incident "{id}"; see: opsbot incident list --all')
    return found


def last_run(store: SqlStore, number: int) -> RunbookRun | None:
    """The newest run of a runbook for an incident, as far as it is among the newest of all."""
    return next((run for run in store.journal().runs() if run.incident == number), None)


def kept(store: SqlStore, found: Incident, format_: str, zone: str, output: Path | None) -> None:
    """An incident with its timeline, as it is read or kept."""
    from opsbot import app
    from opsbot.cli import incident_lines as lines
    from opsbot.cli.show import put

    timeline = store.incidents().timeline(found.number)
    match format_:
        case "json":
            put(json.dumps(lines.as_json(found, timeline), indent=1, ensure_ascii=False), output)
        case "markdown":
            put("\n".join(lines.markdown(found, timeline)), output)
        case _:
            next_ = lines.following(found, last_run(store, found.number), app.now())
            put("\n".join((*lines.shown(found, timeline, zone), "", *next_)), output)
