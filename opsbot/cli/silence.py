"""`opsbot silence`: nobody is told of some alerts, for a while, with an owner and a reason."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import click

from opsbot.cli import Options

if TYPE_CHECKING:
    from opsbot.config import Config
    from opsbot.model.alert import Alert, Silence

LONGEST = timedelta(days=7)
_SHOWN = 5
_FORMAT = click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)


class _Verbs(click.Group):
    """`opsbot silence MATCHER ...` is `opsbot silence add MATCHER ...`: at 3 am nobody types the verb."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.commands:
            args = ["add", *args]
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        # The options of `add` before its matchers are no options of the group.
        if args and args[0].startswith("--") and args[0] != "--help":
            args = ["add", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_Verbs, short_help="Tell nobody of some alerts, for a while and for a reason.")
def silence() -> None:
    """Hold back notices of new trouble; whoever was told before still hears of its end.

    \b
    Examples:
      opsbot silence environment=shop-prod check='rds-*' --for 2h --reason "restore of db-1"
      opsbot silence list
    """


@silence.command("add")
@click.argument("matchers", metavar="MATCHER...", nargs=-1, required=True)
@click.option(
    "--for", "length", metavar="LENGTH", help="How long, at most 7d. With --until-resolved it may be left out."
)
@click.option("--until-resolved", is_flag=True, help="End it when the last alert that it fits is over.")
@click.option("--reason", required=True, metavar="TEXT", help="Why; shown wherever somebody is not told for it.")
@click.option("--owner", metavar="NAME", help="Who answers for it. Default: who AWS says you are, else your login.")
@_FORMAT
@click.pass_obj
def add(
    options: Options,
    matchers: tuple[str, ...],
    length: str | None,
    until_resolved: bool,
    reason: str,
    owner: str | None,
    format_: str,
) -> int:
    """Silence alerts that every MATCHER fits: NAME=GLOB with a name such as environment, check, resource, tenant, tier,
    area, status, key or label.NAME; without a name the alert's whole key.

    \b
    Examples:
      opsbot silence add environment=shop-prod check='rds-*' --for 2h --reason "restore of db-1"
      opsbot silence add shop-prod/ecs-cpu/backend --until-resolved --reason "known, fix on Monday"
    """
    from opsbot import app
    from opsbot.cli.reminding import take_turn
    from opsbot.cli.silence_lines import line
    from opsbot.cli.who import opened
    from opsbot.model.alert import Silence
    from opsbot.runner import new_id

    if not reason.strip():
        raise click.UsageError("--reason: expected why, in a few words")
    config, store = opened(options)
    now, actor = app.now(), app.actor()
    made = Silence(
        id=f"sil-{new_id(now)[6:16].lower()}", match=tuple(map(_matcher, matchers)), owner=owner or actor.short,
        reason=reason.strip(), starts_at=now, ends_at=now + _length(length, until_resolved), until_resolved=until_resolved,
    )  # fmt: skip
    fitting = _fitting(store.alerts().all(), made)
    store.alerts().silence(made, actor)
    store.close()
    take_turn(options)
    if format_ == "json":
        click.echo(_json([made], now))
        return 0
    click.echo(line(made, config.timezone, now))
    for told in _effect(made, fitting, config):
        click.echo(told, err=True)
    return 0


@silence.command("list")
@click.option("--all", "everything", is_flag=True, help="Those that have ended too.")
@_FORMAT
@click.pass_obj
def list_silences(options: Options, everything: bool, format_: str) -> int:
    """List silences, the newest first: until when, for what, whose and why.

    \b
    Examples:
      opsbot silence list
      opsbot silence list --all --format json
    """
    from opsbot import app
    from opsbot.cli.silence_lines import line
    from opsbot.cli.who import opened

    config, store = opened(options)
    now = app.now()
    found = [one for one in store.alerts().silences() if everything or one.holds(now)]
    if format_ == "json":
        click.echo(_json(found, now))
        return 0
    for one in found:
        click.echo(line(one, config.timezone, now))
    if not found:
        click.echo("nothing is silenced", err=True)
    return 0


@silence.command("end")
@click.argument("silence_id", metavar="ID")
@_FORMAT
@click.pass_obj
def end(options: Options, silence_id: str, format_: str) -> int:
    """End a silence before its time: what still fires is told.

    \b
    Examples:
      opsbot silence end sil-4t7m2k9q1z
    """
    from opsbot import app
    from opsbot.cli.reminding import take_turn
    from opsbot.cli.who import opened

    _, store = opened(options)
    known = [one.id for one in store.alerts().silences() if one.ended_at is None and one.id.startswith(silence_id)]
    if len(known) != 1:
        why = (
            f"several silences begin with {silence_id!r}"
            if known
            else f"no silence that holds is called {silence_id!r}"
        )
        raise click.UsageError(f"{why}; see: opsbot silence list")
    store.alerts().end_silence(known[0], app.now(), app.actor())
    ended = [one for one in store.alerts().silences() if one.id == known[0]]
    store.close()
    told = len(take_turn(options).turned.notices)
    if format_ == "json":
        click.echo(_json(ended, app.now()))
        return 0
    go = f"; {told} {'notice goes' if told == 1 else 'notices go'} out" if told else ""
    click.echo(f"{known[0]} has ended{go}")
    return 0


def _json(found: Sequence[Silence], now: datetime) -> str:
    from opsbot.cli.silence_lines import plain

    shown = {"schema": "opsbot.silences/1", "silences": [plain(one, now) for one in found]}
    return json.dumps(shown, indent=1, ensure_ascii=False)


def _effect(made: Silence, fitting: Sequence[str], config: Config) -> Iterator[str]:
    """What it holds back now, what looks misspelt, and how it is taken back."""
    from opsbot.config.problems import nearest
    from opsbot.render.format import clean

    shown = ", ".join(map(clean, fitting[:_SHOWN]))
    more = f" and {len(fitting) - _SHOWN} more" if len(fitting) > _SHOWN else ""
    yield f"it fits {len(fitting)} that fire now{f': {shown}{more}' if fitting else ''}"
    places = [one.name for one in config.environments]
    for name, glob in made.match:
        if name == "environment" and not fitting and not any(fnmatchcase(place, glob) for place in places):
            yield f"no environment is called {clean(glob)!r}{nearest(glob, places)}"
    yield f"to end it: opsbot silence end {made.id}"


def _matcher(text: str) -> tuple[str, str]:
    from opsbot.alerting.routing import LABEL, MATCHED
    from opsbot.config.problems import nearest

    name, equals, glob = text.partition("=")
    if not equals or "/" in name:
        return "key", text
    if name not in MATCHED and not (name.startswith(LABEL) and len(name) > len(LABEL)):
        raise click.UsageError(f"alerts have no {name!r}{nearest(name, MATCHED)}")
    if not glob:
        raise click.UsageError(f"{text!r}: expected NAME=GLOB such as environment=shop-*")
    return name, glob


def _length(text: str | None, until_resolved: bool) -> timedelta:
    from opsbot.model.period import parse_duration

    if text is None:
        if until_resolved:
            return LONGEST
        raise click.UsageError("expected --for such as 2h, or --until-resolved: a silence has an end")
    try:
        length = parse_duration(text)
    except (ValueError, OverflowError):
        raise click.UsageError(f"--for: expected a duration such as 2h or 1d, got {text!r}") from None
    if not timedelta(0) < length <= LONGEST:
        raise click.UsageError(f"--for: expected more than nothing and at most 7d, got {text!r}")
    return length


def _fitting(alerts: Iterable[Alert], made: Silence) -> list[str]:
    from opsbot.alerting.muting import silences_it

    return [alert.key for alert in alerts if alert.fires and silences_it(made, alert)]
