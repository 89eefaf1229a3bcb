"""`opsbot alerts`: what fires, what is in hand, what is muted and why; from the store alone."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from opsbot.cli import Options

if TYPE_CHECKING:
    from datetime import datetime

    from opsbot.model.alert import Alert, Silence, Told

STATES = ("firing", "recovering", "pending", "resolved")


@click.command(short_help="List what fires, what is in hand and what is muted.")
@click.option("--state", "states", multiple=True, type=click.Choice(STATES), help="Only in this state; may repeat.")
@click.option("--tenant", metavar="NAME", help="Only this tenant's.")
@click.option("--all", "everything", is_flag=True, help="What is over too, for a week.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True)
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.pass_obj
def alerts(
    options: Options, states: tuple[str, ...], tenant: str | None, everything: bool, limit: int, format_: str
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
        shown = _plain(found[:limit], len(found), told, silences, app.now())
        click.echo(json.dumps(shown, indent=1, ensure_ascii=False))
        return 0
    for alert in found[:limit]:
        for line in _lines(alert, told, config.timezone, app.now()):
            click.echo(line)
    if len(found) > limit:
        click.echo(f"and {len(found) - limit:,} more: opsbot alerts --limit {len(found)}", err=True)
    if not found:
        click.echo("nothing fires" if not states else "no such alert", err=True)
    return 0


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


def _plain(
    found: Sequence[Alert], number: int, told: Sequence[Told], silences: Sequence[Silence], now: datetime
) -> dict[str, Any]:
    from opsbot.cli.silence_lines import plain
    from opsbot.render.format import utc
    from opsbot.render.notice import alert_facts

    rows = [{**alert_facts(alert), "told": _knows(alert, told)} for alert in found]
    return {
        "schema": "opsbot.alerts/1",
        "at": utc(now),
        "count": number,
        "alerts": rows,
        "silences": [plain(one, now) for one in silences],
    }
