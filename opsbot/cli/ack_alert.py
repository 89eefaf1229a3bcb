"""`opsbot ack KEY` without `--as`: an alert is in somebody's hand, and whoever was told of it hears so."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from fnmatch import fnmatchcase

import click

from opsbot.cli import Options

_OFFERED = 3


def acknowledge(options: Options, key: str, group: str, reason: str, who: str | None) -> int:
    """Take alerts in hand and say so to whoever was told. Raises UsageError for a key under which nothing fires."""
    from opsbot import app
    from opsbot.cli.reminding import take_turn
    from opsbot.cli.who import opened, whoever

    _, store = opened(options)
    alerts = store.alerts()
    firing = [alert.key for alert in alerts.all() if alert.fires]
    chosen = _of_group(group, alerts.told(), firing) if group else _chosen(key, firing)
    name = who or whoever()
    for one in alerts.acknowledge(chosen, name, reason, app.now(), app.actor()):
        click.echo(f"{one} is in {name}'s hand; it is told again if it becomes worse")
    store.close()
    told = [message.channel for message in take_turn(options).messages]
    if told:
        click.echo(f"telling {', '.join(dict.fromkeys(told))}", err=True)
    return 0


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
        raise click.UsageError(f'several alerts end in "{text}": {", ".join(ends[:_OFFERED])}; give the whole key')
    raise click.UsageError(f'no alert fires under "{text}"{_nearest(text, firing)}')


def _nearest(text: str, firing: Sequence[str]) -> str:
    if not firing:
        return "; nothing fires at the moment"
    near = difflib.get_close_matches(text, firing, n=_OFFERED, cutoff=0.4)
    return f"; the nearest: {', '.join(near)}" if near else f"; firing: {', '.join(firing[:_OFFERED])}"
