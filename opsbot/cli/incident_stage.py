"""What the incident commands share: the store alone, and an incident by its id. No network is needed to read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from opsbot.cli import Options

if TYPE_CHECKING:
    from opsbot.config import Config
    from opsbot.model.incident import Incident
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
