"""`opsbot _remind`: what the daemon starts when time alone changes what people are to hear of alerts."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from opsbot.cli import Options

if TYPE_CHECKING:
    from opsbot.ports import Step


@click.command(hidden=True)
@click.pass_obj
def remind(options: Options) -> int:
    """Take one turn of the alerts: repeats, ends of silences, acknowledgements that ran out.

    \b
    Example:
      opsbot --home ~/ops _remind
    """
    from opsbot import log

    log.configure(options.log_format, verbose=options.verbose)
    take_turn(options, tidy=True)
    return 0


def take_turn(options: Options, *, tidy: bool = False) -> Step:
    """The same for commands that changed something people are to hear of. With `tidy` what belongs to jobs that this home
    does not have ends. Raises ConfigError, StoreError."""
    from opsbot import app, home
    from opsbot.runner import sweep

    place = home.find(options.home_option, os.environ, Path.cwd())
    config, store, channels = app.reach_on_paper(place)
    policy = replace(config.policy, jobs=frozenset(job.name for job in place.jobs())) if tidy else config.policy
    try:
        return sweep(store.alerts(), channels, policy, config.timezone, app.now())
    finally:
        store.close()


def say_told(turn: Step) -> None:
    """Who hears of what was done; the daemon sends it."""
    if told := dict.fromkeys(message.channel for message in turn.messages):
        click.echo(f"telling {', '.join(told)}", err=True)
