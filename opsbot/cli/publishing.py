"""`opsbot _publish`: what probes say to CloudWatch, once a minute, in a process that may be slow or die."""

from __future__ import annotations

import os
import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from opsbot.cli import Options

if TYPE_CHECKING:
    from opsbot.app import App
    from opsbot.probing import Probe

MINUTE = timedelta(minutes=1)
# Samples are written within a second or two; what comes later than this is not published.
SETTLE = timedelta(seconds=5)


@click.command(hidden=True)
@click.option("--once", is_flag=True, help="Publish the last whole minute, then stop.")
@click.pass_obj
def publish(options: Options, once: bool) -> int:
    """Publish what the probes with `publish = true` say, until the process that started this one is gone.

    \b
    Example:
      opsbot --home ~/ops _publish --once
    """
    from opsbot import app
    from opsbot.aws import publish as metrics
    from opsbot.errors import OpsbotError

    parent, house, client, told = os.getppid(), app.load(options.home_option), metrics.client(), ""
    while True:
        if not once and not _waited(app.now(), parent):
            return 0
        minute = app.now().replace(second=0, microsecond=0) - MINUTE
        try:
            metrics.put(client, _data(house, [probe for probe in house.house.probes if probe.publish], minute))
            why = ""
        except OpsbotError as error:
            why = error.message
            if why != told:
                # Our stderr is the daemon's own: whoever reads it learns why the metrics are missing.
                click.echo(f"opsbot: publishing probes: {why}", err=True)
        told = why
        if once:
            return 3 if why else 0


def _waited(now: datetime, parent: int) -> bool:
    """Until the next minute has settled; False if the parent is gone before."""
    due = now.replace(second=0, microsecond=0) + SETTLE
    due = due if due > now else due + MINUTE
    end = time.monotonic() + (due - now).total_seconds()
    while (left := end - time.monotonic()) > 0:
        if os.getppid() != parent:
            return False
        time.sleep(min(left, 1.0))
    return True


def _data(house: App, probes: list[Probe], minute: datetime) -> list[dict[str, Any]]:
    from opsbot.aws.publish import data
    from opsbot.model.period import Period
    from opsbot.store.uptime_recent import recent

    store = house.store()
    try:
        found = recent(store.engine, Period(start=minute, end=minute + MINUTE))
        return data(probes, found, store.uptime().certificates(), minute)
    finally:
        store.close()
