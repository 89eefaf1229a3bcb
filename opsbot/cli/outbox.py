"""`opsbot outbox`: what has not reached people yet and why; trying it again, or letting it go."""

from __future__ import annotations

import getpass
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from opsbot.cli import Options

if TYPE_CHECKING:
    from opsbot.config import Config
    from opsbot.model.message import Message
    from opsbot.store.sql import SqlStore

STATES = ("queued", "sending", "held", "sent", "unknown", "dead", "superseded", "dropped")
# What still waits, or was given up on and nobody has said that it need not be told.
_OPEN = ("queued", "sending", "held", "unknown", "dead")


@click.group(short_help="Show, retry and drop what has not reached people yet.")
def outbox() -> None:
    """Messages on their way: queued, held until somebody acts, uncertain, or given up on."""


@outbox.command("list")
@click.option("--state", "states", multiple=True, type=click.Choice(STATES), help="Only in this state; may repeat.")
@click.option("--channel", metavar="NAME", help="Only this channel's.")
@click.option("--all", "everything", is_flag=True, help="Those that arrived too.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.pass_obj
def list_outbox(
    options: Options, states: tuple[str, ...], channel: str | None, everything: bool, limit: int, format_: str
) -> None:
    """What has not reached people yet, oldest first, and why.

    \b
    Examples:
      opsbot outbox list
      opsbot outbox list --state dead --channel ops-slack --format json
    """
    from opsbot import app
    from opsbot.cli.outbox_lines import line, plain

    config, store = _store(options)
    found = _found(store, states or (STATES if everything else _OPEN), channel, limit)
    if format_ == "json":
        shown = {"schema": "opsbot.outbox/1", "messages": [plain(message) for message in found]}
        return click.echo(json.dumps(shown, indent=1, ensure_ascii=False))
    for trouble in _troubles(store):
        click.echo(trouble, err=True)
    for message in found:
        click.echo(line(message, config.timezone, app.now()))
    if not found:
        click.echo("nothing is waiting" if not states else "no such message", err=True)
    return None


@outbox.command("show")
@click.argument("message_id", metavar="ID")
@click.option("--body", is_flag=True, help="Print what is sent, as it is, and nothing else.")
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.pass_obj
def show_message(options: Options, message_id: str, body: bool, format_: str) -> None:
    """One message: where it stands, every attempt and how it ended, and what people did about it. ID may be an
    unambiguous beginning.

    \b
    Examples:
      opsbot outbox show 01K9ZJ4T
      opsbot outbox show 01K9ZJ4T --body > message.eml
    """
    from opsbot import app
    from opsbot.cli.outbox_lines import told, whole

    config, store = _store(options)
    message = _one(store, message_id)
    if body:
        return click.echo(message.body, nl=False)
    if format_ == "json":
        return click.echo(json.dumps(whole(message, store), indent=1, ensure_ascii=False))
    for row in told(message, store, config.timezone, app.now()):
        click.echo(row)
    return None


@outbox.command("retry")
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("--channel", metavar="NAME", help="All of this channel's that wait or were given up on.")
@click.option("--all", "everything", is_flag=True, help="All that wait or were given up on.")
@click.pass_obj
def retry(options: Options, ids: tuple[str, ...], channel: str | None, everything: bool) -> int:
    """Try again at once: the daemon takes them up within a second, without one: opsbot outbox send. Each is looked for
    first where that can be done, and kept for another 72 h. Exit 3 if there was nothing to try.

    \b
    Examples:
      opsbot outbox retry 01K9ZJ4T
      opsbot outbox retry --channel ops-slack
    """
    from opsbot import app

    if sum((bool(ids), channel is not None, everything)) != 1:
        raise click.UsageError("expected message ids, or --channel, or --all")
    _, store = _store(options)
    chosen = [_one(store, id).id for id in ids] if ids else [m.id for m in _found(store, _OPEN, channel, None)]
    if channel is not None:
        store.reopen((channel,))
    done = store.retry(chosen, _who(), app.now(), actor=app.actor())
    for id in done:
        click.echo(f"{id} is tried again")
    return _all_done(store, chosen, done, "tried again")


@outbox.command("drop")
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@click.option("--reason", required=True, metavar="TEXT", help="Kept with the message.")
@click.pass_obj
def drop(options: Options, ids: tuple[str, ...], reason: str) -> int:
    """Say that a message need not be told any more; who said so, when and why is kept. Exit 3 if none could be dropped.

    \b
    Example:
      opsbot outbox drop 01K9ZJ4T --reason "told them on the phone"
    """
    from opsbot import app

    if not reason.strip():
        raise click.UsageError("--reason: expected a few words; whoever asks later reads them")
    _, store = _store(options)
    chosen = [_one(store, id).id for id in ids]
    done = store.drop(chosen, _who(), reason.strip(), app.now(), app.actor())
    for id in done:
        click.echo(f"{id} is dropped")
    return _all_done(store, chosen, done, "dropped")


@outbox.command("send")
@click.pass_obj
def send_outbox(options: Options) -> int:
    """Try now what is due: after a network outage, or when the daemon does not run. Exit 4 if something was given up on,
    or is held until somebody acts.

    \b
    Example:
      opsbot outbox send
    """
    from time import sleep

    from opsbot import app, home
    from opsbot import outbox as box
    from opsbot.cli.outbox_lines import line
    from opsbot.model.message import Delivery

    place = home.find(options.home_option, os.environ, Path.cwd())
    config = app.config_of(place)
    store, channels = app.reach(place)
    sent = box.deliver(store, channels, now=app.now, wait=sleep, until=app.now())
    for message in sent:
        click.echo(line(message, config.timezone, app.now()))
    return 4 if any(message.state in (Delivery.DEAD, Delivery.HELD) for message in sent) else 0


def _store(options: Options) -> tuple[Config, SqlStore]:
    """Neither a job file that does not load nor a secret that cannot be read may keep people from seeing what waits."""
    from opsbot import app, home, log

    log.configure(options.log_format, verbose=options.verbose)
    place = home.find(options.home_option, os.environ, Path.cwd())
    config = app.config_of(place)
    return config, app.store_of(place, config)


def _found(store: SqlStore, states: Sequence[str], channel: str | None, limit: int | None) -> tuple[Message, ...]:
    from opsbot.model.message import Delivery

    return store.messages(states=[Delivery(state) for state in states], channel=channel, limit=limit)


def _one(store: SqlStore, id: str) -> Message:
    found = store.message_named(id)
    if found is None:
        raise click.UsageError(f'there is no message "{id}"; see: opsbot outbox list --all')
    return found


def _all_done(store: SqlStore, chosen: Sequence[str], done: Sequence[str], what: str) -> int:
    for id in chosen:
        if id not in done and (message := store.message(id)) is not None:
            click.echo(f"{id} was not {what}: it is {message.state}", err=True)
    if not done:
        click.echo(f"nothing was {what}", err=True)
    return 0 if done else 3


def _troubles(store: SqlStore) -> tuple[str, ...]:
    from opsbot import app
    from opsbot.outbox import troubles
    from opsbot.render.format import clean

    return tuple(clean(trouble) for trouble in troubles(store, app.now()))


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container's user may have no name.
        return f"uid {os.getuid()}"
