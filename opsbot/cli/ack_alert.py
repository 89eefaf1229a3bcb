"""`opsbot ack KEY` without `--as`: an alert is in somebody's hand, and whoever was told of it hears so."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import click

from opsbot.cli import Options

if TYPE_CHECKING:
    from opsbot.store.sql import SqlStore

_OFFERED = 3


def acknowledge(options: Options, key: str, group: str, reason: str, who: str | None, format_: str) -> int:
    """Take alerts in hand and say so to whoever was told. Raises UsageError for a key under which nothing fires."""
    from opsbot import app
    from opsbot.cli.alerts import as_json
    from opsbot.cli.reminding import say_told, take_turn
    from opsbot.cli.who import opened
    from opsbot.render.format import clean

    _, store = opened(options)
    alerts = store.alerts()
    firing = [alert.key for alert in alerts.all() if alert.fires]
    chosen = _of_group(group, alerts.told(), firing) if group else _chosen(key, firing)
    actor = app.actor()
    name = who or actor.short
    taken = alerts.acknowledge(chosen, name, reason, app.now(), actor)
    step = take_turn(options)
    if format_ == "json":
        click.echo(as_json(store, [one for one in alerts.all() if one.key in taken], app.now()))
    else:
        for one in taken:
            click.echo(f"{clean(one)} is in {clean(name)}'s hand; it is told again if it becomes worse")
        say_told(step)
        for line in _next(store, taken):
            click.echo(line, err=True)
    store.close()
    return 0


def _next(store: SqlStore, taken: Sequence[str]) -> Iterator[str]:
    """Where the work goes on: in the incident of what was taken, else in its runbook."""
    from opsbot.model.incident import ACTIVE
    from opsbot.render.format import clean

    found = [one for one in store.incidents().incidents(states=ACTIVE) if not set(taken).isdisjoint(one.alerts)]
    for incident in found[:_OFFERED]:
        yield f"next: opsbot incident show {incident.id}"
    alerts = [one for one in store.alerts().all() if one.key in taken and one.finding.runbook]
    if alerts and not found:
        yield f"next: opsbot runbook run --finding {shlex.quote(clean(alerts[0].key))}"


def _of_group(prefix: str, told: Sequence[object], firing: Sequence[str]) -> list[str]:
    from opsbot.model.alert import Told

    groups = [one for one in told if isinstance(one, Told) and one.key.startswith(prefix)]
    keys = {mention.key for one in groups for mention in one.mentions}
    if not keys:
        raise click.UsageError(f'nobody was told of a group "{prefix}" that still fires; see: opsbot alerts')
    if len({one.key for one in groups}) > 1:
        raise click.UsageError(f'several groups begin with "{prefix}"; give more of it')
    return [key for key in firing if key in keys]


def _chosen(text: str, firing: Sequence[str]) -> list[str]:
    """The key itself, a glob, or a key's last part if it is the only one."""
    if text in firing:
        return [text]
    found = [key for key in firing if fnmatchcase(key, text)]
    ends = [key for key in firing if key.endswith(f"/{text}")]
    if found or len(ends) == 1:
        return found or ends
    if ends:
        raise click.UsageError(f'several alerts end in "{text}": {_shown(ends)}; give the whole key')
    raise click.UsageError(f'no alert fires under "{text}"{_nearest(text, firing)}')


def _nearest(text: str, firing: Sequence[str]) -> str:
    if not firing:
        return "; nothing fires at the moment"
    near = difflib.get_close_matches(text, firing, n=_OFFERED, cutoff=0.4)
    return f"; the nearest: {_shown(near)}" if near else "; see: opsbot alerts"


def _shown(keys: Sequence[str]) -> str:
    from opsbot.render.format import clean

    return ", ".join(map(clean, keys[:_OFFERED]))
