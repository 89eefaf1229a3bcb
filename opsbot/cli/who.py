"""The home's store for commands that read no job file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from opsbot.cli import Options

if TYPE_CHECKING:
    from opsbot.config import Config
    from opsbot.store.sql import SqlStore


def opened(options: Options) -> tuple[Config, SqlStore]:
    """Raises ConfigError, StoreError."""
    from opsbot import app, home, log

    log.configure(options.log_format, verbose=options.verbose)
    place = home.find(options.home_option, os.environ, Path.cwd())
    config = app.config_of(place)
    return config, app.store_of(place, config)
