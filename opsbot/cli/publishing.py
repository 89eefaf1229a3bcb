"""`opsbot _publish`: what probes say and how runs ended to CloudWatch, once a minute, in a process that may be slow or die."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
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
# More runs of one job do not end in one minute.
_RUNS = 50


@click.command(hidden=True)
@click.option("--once", is_flag=True, help="Publish the last whole minute, then stop.")
@click.pass_obj
def publish(options: Options, once: bool) -> int:
    """Publish what probes and jobs with `publish = true` say, until the process that started this one is gone.

    \b
    Example:
      opsbot --home ~/ops _publish --once
    """
    from opsbot import app
    from opsbot.aws import publish as metrics
    from opsbot.aws.publish_jobs import NAMESPACE
    from opsbot.errors import OpsbotError

    parent, house, client, told = os.getppid(), app.load(options.home_option), metrics.client(), ""
    while True:
        if not once and not _waited(app.now(), parent):
            return 0
        minute = app.now().replace(second=0, microsecond=0) - MINUTE
        try:
            metrics.put(client, _data(house, [probe for probe in house.house.probes if probe.publish], minute))
            metrics.put(client, list(_of_jobs(house, minute)), NAMESPACE)
            why = ""
        except OpsbotError as error:
            why = error.message
            if why != told:
                # Our stderr is the daemon's own: whoever reads it learns why the metrics are missing.
                click.echo(f"opsbot: publishing metrics: {why}", err=True)
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

    if not probes:
        return []
    store = house.store()
    try:
        found = recent(store.engine, Period(start=minute, end=minute + MINUTE))
        return data(probes, found, store.uptime().certificates(), minute)
    finally:
        store.close()


def _of_jobs(house: App, minute: datetime) -> Iterator[dict[str, Any]]:
    """The runs that ended in this minute, of the jobs that are published."""
    from opsbot.aws.publish_jobs import data

    store = house.store()
    try:
        for name in house.job_names:
            runs = store.runs(job=name, limit=_RUNS) if house.config.job(name).publish else ()
            for run in runs:
                if run.finished_at and minute <= run.finished_at < minute + MINUTE:
                    yield from data(run, (finding.status for finding in store.findings(run.id)))
    finally:
        store.close()
