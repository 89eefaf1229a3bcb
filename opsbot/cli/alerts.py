"""`opsbot alerts`: what fires, what is in hand, what is muted and why; from the store alone."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from opsbot.cli import Options

if TYPE_CHECKING:
    from datetime import datetime

    from opsbot.model.alert import Alert, Silence, Told
    from opsbot.store.sql import SqlStore

_MOST, _LEAST, _BELOW = 100, 5, 4
STATES = ("firing", "recovering", "pending", "resolved")


@click.command(short_help="List what fires, what is in hand and what is muted.")
@click.option("--state", "states", multiple=True, type=click.Choice(STATES), help="Only in this state; may repeat.")
@click.option("--tenant", metavar="NAME", help="Only this tenant's.")
@click.option("--all", "everything", is_flag=True, help="What is over too, for a week.")
@click.option("--limit", type=click.IntRange(1, 100_000), help="How many. Default: what fits on the screen, else 100.")
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.pass_obj
def alerts(
    options: Options, states: tuple[str, ...], tenant: str | None, everything: bool, limit: int | None, format_: str
) -> int:
    """List alerts, the worst first: since when, who has it in hand, why nobody is told. Needs no AWS and no network.

    \b
    Examples:
      opsbot alerts
      opsbot alerts --tenant shop --state firing --format json
      opsbot alerts --all
    """
    from opsbot import app
    from opsbot.cli.who import opened

    config, store = opened(options)
    wanted = states or (STATES if everything else STATES[:-1])
    found = _ordered(a for a in store.alerts().all() if a.state in wanted and tenant in (None, a.tenant))
    told, silences = store.alerts().told(), [one for one in store.alerts().silences() if one.holds(app.now())]
    if format_ == "json":
        click.echo(_json(found[: limit or _MOST], len(found), told, silences, app.now()))
        return 0
    most = limit or _screen()
    for alert in found[:most]:
        for line in _lines(alert, told, config.timezone, app.now()):
            click.echo(line)
    for line in _sum(found, told, most) if found else ["nothing fires" if not states else "no such alert"]:
        click.echo(line, err=True)
    return 0


def as_json(store: SqlStore, found: Sequence[Alert], now: datetime) -> str:
    """Some alerts as `opsbot.alerts/1`."""
    silences = [one for one in store.alerts().silences() if one.holds(now)]
    return _json(found, len(found), store.alerts().told(), silences, now)


def _screen() -> int:
    """How many fit on one screen; what is read by a program is not cut for one."""
    if not sys.stdout.isatty():
        return _MOST
    return min(max((shutil.get_terminal_size().lines - _BELOW) // 2, _LEAST), _MOST)


def _sum(found: Sequence[Alert], told: Sequence[Told], most: int) -> Iterator[str]:
    """How much there is, who has it, and the next safe command."""
    from opsbot.render.format import clean

    if len(found) > most:
        yield f"and {len(found) - most:,} more: opsbot alerts --limit {len(found)}"
    firing = [one for one in found if one.fires]
    by = Counter(one.status.value for one in firing)
    parts = [f"{by[status]} {status}" for status in ("critical", "warning", "unknown", "info") if by[status]]
    parts += [f"{n} in hand"] if (n := sum(bool(one.ack) for one in firing)) else []
    parts += [f"{n} muted"] if (n := sum(bool(one.muted) for one in firing)) else []
    yield f"{len(firing)} {'fires' if len(firing) == 1 else 'fire'}" + (f": {', '.join(parts)}" if parts else "")
    free = [one for one in firing if not one.ack and not one.muted]
    # What somebody was called for goes before what nobody was told of.
    if worst := min(free, key=lambda one: (-one.status.rank, not _knows(one, told)), default=None):
        yield f'next: opsbot ack {shlex.quote(clean(worst.key))} --reason "looking"'


def _ordered(found: Iterator[Alert]) -> list[Alert]:
    return sorted(found, key=lambda a: (not a.fires, -a.status.rank, bool(a.muted), bool(a.ack), a.since, a.key))


def _lines(alert: Alert, told: Sequence[Told], zone: str, now: datetime) -> Iterator[str]:
    """Two lines: what and how bad; then since when, who has it, and who knows."""
    from opsbot.render.format import begun, clean, clip

    finding = alert.finding
    state = "" if alert.state == "firing" else f" {alert.state}"
    yield f"{alert.status.value:<8}{state} {clip(clean(alert.key), 120)}"
    parts = [f"since {begun(alert.since, zone, now, by_day=finding.by_day)[0]}", clip(clean(finding.summary), 100)]
    parts += [f"in {clean(alert.ack.who)}'s hand"] if alert.ack else []
    parts += [f"muted: {clean(alert.muted)}"] if alert.muted else []
    parts += ["flapping"] if alert.flapping else []
    parts += [f"told {', '.join(_knows(alert, told))}"] if _knows(alert, told) else []
    yield f"         {'; '.join(part for part in parts if part)}"


def _knows(alert: Alert, told: Sequence[Told]) -> list[str]:
    return sorted({one.channel for one in told for mention in one.mentions if mention.key == alert.key})


def _json(found: Sequence[Alert], number: int, told: Sequence[Told], silences: Sequence[Silence], now: datetime) -> str:
    from opsbot.cli.silence_lines import plain
    from opsbot.render.format import utc
    from opsbot.render.notice import alert_facts

    rows = [{**alert_facts(alert), "told": _knows(alert, told)} for alert in found]
    shown = {
        "schema": "opsbot.alerts/1", "at": utc(now), "count": number, "alerts": rows,
        "silences": [plain(one, now) for one in silences],
    }  # fmt: skip
    return json.dumps(shown, indent=1, ensure_ascii=False)
