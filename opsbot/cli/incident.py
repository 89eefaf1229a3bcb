"""`opsbot incident`: open, list, show, note, ack, mitigate, resolve. Needs the store alone: it works with AWS and Slack down."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from opsbot.cli import Options

if TYPE_CHECKING:
    from opsbot.config import Config
    from opsbot.incidents import By, Step
    from opsbot.model.finding import Finding
    from opsbot.model.incident import Incident
    from opsbot.store.sql import SqlStore

_PRIORITIES = ("P0", "P1", "P2", "P3")
_ROLES = ("commander", "scribe", "liaison")
_AT = click.option("--at", metavar="TIME", help="When it happened, such as -12m. Default: now.")
_FORMAT = click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)


@click.group(short_help="What people work on together: open, note, acknowledge, resolve.")
def incident() -> None:
    """Incidents: who has it, what was done when, and how long each took. Everything here works without a network."""


@incident.command("open")
@click.argument("title", required=False)
@click.option("--priority", type=click.Choice(_PRIORITIES), default="P2", show_default=True)
@click.option("--env", "environment", metavar="NAME", help="Where it is.")
@click.option("--finding", "keys", multiple=True, metavar="KEY", help="What it is about; may repeat.")
@_FORMAT
@click.pass_obj
def open_incident(
    options: Options, title: str | None, priority: str, environment: str | None, keys: tuple[str, ...], format_: str
) -> None:
    """Open an incident, by hand or of findings; of one trouble at most one is active, and opening it again adds to it.

    \b
    Examples:
      opsbot incident open "login fails for everybody" --priority P1 --env shop-prod
      opsbot incident open --finding shop-prod/lambda-error-rate/thumbs
    """
    from opsbot import incidents
    from opsbot.cli.incident_stage import opened
    from opsbot.model.status import Priority

    config, store = opened(options)
    findings = _findings(store, keys)
    if not title and not findings:
        raise click.UsageError("expected a TITLE or a --finding")
    named = title or f"{findings[0].resource}: {findings[0].summary}"
    by = _by(config, None)
    drawn = incidents.opened(
        by, named, Priority(priority), environment=_where(config, environment),
        tenant=_tenant(config, environment), findings=findings,
    )  # fmt: skip
    there, fresh = store.incidents().open(*drawn)
    if fresh:
        _told_before(store, there, by)
    _say(
        store, there.number, f"{there.id} {'is open' if fresh else 'is active already; this was added to it'}", format_
    )


@incident.command("list")
@click.option("--all", "everything", is_flag=True, help="Resolved ones too.")
@click.option("--tenant", metavar="NAME", help="Only this tenant's.")
@_FORMAT
@click.pass_obj
def list_incidents(options: Options, everything: bool, tenant: str | None, format_: str) -> int:
    """Active incidents, the gravest first. Exit 1 while a P0 or P1 is not acknowledged.

    \b
    Examples:
      opsbot incident list
      opsbot incident list --all --format json
    """
    from opsbot import app
    from opsbot.cli import incident_lines as lines
    from opsbot.cli.incident_stage import opened
    from opsbot.model.incident import ACTIVE

    _, store = opened(options)
    found = store.incidents().incidents(states=() if everything else ACTIVE, tenant=tenant)
    found = tuple(sorted(found, key=lambda one: (not one.state.active, one.priority, one.opened_at)))
    code = 1 if any(lines.waits(one) for one in found) else 0
    if format_ == "json":
        told = {"schema": "opsbot.incidents/1", "exit_code": code, "incidents": [lines.as_json(one) for one in found]}
        click.echo(json.dumps(told, indent=1, ensure_ascii=False))
        return code
    for line in lines.listed(found, app.now()):
        click.echo(line)
    if first := next((one for one in found if lines.waits(one)), None):
        click.echo(f'next: opsbot incident ack {first.id} "looking"', err=True)
    elif found:
        click.echo(f"next: opsbot incident show {found[0].id}", err=True)
    else:
        click.echo("no incident" if everything else "no active incident", err=True)
    return code


@incident.command("show")
@click.argument("id")
@click.option("--format", "format_", type=click.Choice(["text", "markdown", "json"]), default="text", show_default=True)
@click.pass_obj
def show_incident(options: Options, id: str, format_: str) -> None:
    """One incident: who has it, its times, and its timeline with what runbooks said. Markdown is for keeping.

    \b
    Examples:
      opsbot incident show INC-12
      opsbot incident show INC-12 --format markdown > INC-12.md
    """
    from opsbot.cli.incident_stage import kept, one, opened

    config, store = opened(options)
    kept(store, one(store, id), format_, config.timezone, None)


@incident.command("export")
@click.argument("id")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write it to this file.")
@click.option("--format", "format_", type=click.Choice(["markdown", "json"]), default="markdown", show_default=True)
@click.pass_obj
def export_incident(options: Options, id: str, output: Path | None, format_: str) -> None:
    """The record to keep: what `show --format markdown` prints, or as a file.

    \b
    Examples:
      opsbot incident export INC-12 > INC-12.md
      opsbot incident export INC-12 --output records/INC-12.md
    """
    from opsbot.cli.incident_stage import kept, one, opened

    config, store = opened(options)
    kept(store, one(store, id), format_, config.timezone, output)


@incident.command("ack")
@click.argument("id")
@click.argument("text", required=False, default="")
@click.option("--as-of", "revision", type=int, metavar="N", help="Only if nothing has changed since revision N.")
@_AT
@_FORMAT
@click.pass_obj
def ack(options: Options, id: str, text: str, revision: int | None, at: str | None, format_: str) -> None:
    """Say that you have it, and all its alerts with it: whoever was told of them hears so.

    \b
    Example:
      opsbot incident ack INC-12 "looking, back in 20 minutes"
    """
    from opsbot import incidents
    from opsbot.cli.reminding import say_told, take_turn

    config, store = _opened(options)
    by = _by(config, at)
    step = incidents.acked(by, text)
    there = _done(store, id, incidents.as_of(revision, step) if revision else step, by, "ack", text)
    if store.alerts().acknowledge(there.alerts, by.actor.short, text, by.now, by.actor):
        say_told(take_turn(options))
    _say(store, there.number, _line(there), format_)


@incident.command("note")
@click.argument("id")
@click.argument("text")
@_AT
@_FORMAT
@click.pass_obj
def note(options: Options, id: str, text: str, at: str | None, format_: str) -> None:
    """Write something into its timeline; nothing in it is ever changed, a correction is another note.

    \b
    Example:
      opsbot incident note INC-12 --at -5m "took the load balancer's second target out"
    """
    from opsbot import incidents

    config, store = _opened(options)
    by = _by(config, at)
    _do(store, id, incidents.noted(by, _words(text)), by, "note", text, format_)


@incident.command("mitigate")
@click.argument("id")
@click.argument("text", required=False, default="")
@_AT
@_FORMAT
@click.pass_obj
def mitigate(options: Options, id: str, text: str, at: str | None, format_: str) -> None:
    """Say that users are well again, even if the cause is still there.

    \b
    Example:
      opsbot incident mitigate INC-12 "rolled back"
    """
    from opsbot import incidents

    config, store = _opened(options)
    by = _by(config, at)
    _do(store, id, incidents.mitigated(by, text), by, "mitigate", text, format_)


@incident.command("resolve")
@click.argument("id")
@click.option("--fix", default="", metavar="TEXT", help="What helped.")
@click.option("--review-owner", default="", metavar="WHO", help="Who writes down what was learnt.")
@_AT
@_FORMAT
@click.pass_obj
def resolve(options: Options, id: str, fix: str, review_owner: str, at: str | None, format_: str) -> None:
    """Say that it is over.

    \b
    Example:
      opsbot incident resolve INC-12 --fix "back to quiz-api:41" --review-owner ana
    """
    from opsbot import incidents

    config, store = _opened(options)
    by = _by(config, at)
    _do(store, id, incidents.resolved(by, fix, review_owner), by, "resolve", fix, format_)


@incident.command("reopen")
@click.argument("id")
@click.argument("text", required=False, default="")
@_FORMAT
@click.pass_obj
def reopen(options: Options, id: str, text: str, format_: str) -> None:
    """It was not over after all; within a day of its end.

    \b
    Example:
      opsbot incident reopen INC-12 "it is back"
    """
    from opsbot import incidents

    config, store = _opened(options)
    by = _by(config, None)
    _do(store, id, incidents.reopened(by, text), by, "reopen", text, format_)


@incident.command("role")
@click.argument("id")
@click.argument("role", type=click.Choice(_ROLES))
@click.argument("who")
@_FORMAT
@click.pass_obj
def role(options: Options, id: str, role: str, who: str, format_: str) -> None:
    """Say who leads, who writes, who talks to customers.

    \b
    Example:
      opsbot incident role INC-12 commander ana
    """
    from opsbot import incidents
    from opsbot.model.incident import Role

    config, store = _opened(options)
    by = _by(config, None)
    _do(store, id, incidents.assigned(by, Role(role), _words(who)), by, "role", f"{role} {who}", format_)


@incident.command("priority")
@click.argument("id")
@click.argument("priority", type=click.Choice(_PRIORITIES))
@click.argument("text", required=False, default="")
@_FORMAT
@click.pass_obj
def priority(options: Options, id: str, priority: str, text: str, format_: str) -> None:
    """Change how fast somebody must come.

    \b
    Example:
      opsbot incident priority INC-12 P1 "all customers are affected"
    """
    from opsbot import incidents
    from opsbot.model.status import Priority

    config, store = _opened(options)
    by = _by(config, None)
    _do(
        store, id, incidents.raised(by, Priority(priority), text), by, "priority", f"{priority} {text}".strip(), format_
    )


def _opened(options: Options) -> tuple[Config, SqlStore]:
    from opsbot.cli.incident_stage import opened

    return opened(options)


def _by(config: Config, at: str | None) -> By:
    from opsbot import app
    from opsbot.cli.moment import moment
    from opsbot.incidents import By

    now = app.now()
    when = moment(at, now=now, zone=config.timezone, option="--at") if at else None
    if when and when > now:
        raise click.BadParameter("expected a time that has passed", param_hint="--at")
    return By(actor=app.actor(), now=now, at=when)


def _do(store: SqlStore, id: str, step: Step, by: By, what: str, text: str, format_: str) -> None:
    changed = _done(store, id, step, by, what, text)
    _say(store, changed.number, _line(changed), format_)


def _done(store: SqlStore, id: str, step: Step, by: By, what: str, text: str) -> Incident:
    from opsbot.cli.incident_stage import one

    return store.incidents().change(one(store, id).number, step, by.act(what, text=text))


def _line(there: Incident) -> str:
    from opsbot.render.format import clean

    return f"{there.id} {there.state} {there.priority}  {clean(there.title)}"


def _say(store: SqlStore, number: int, said: str, format_: str) -> None:
    """What was done on stdout; the next safe command on stderr, last."""
    from opsbot import app
    from opsbot.cli import incident_lines as lines
    from opsbot.cli.incident_stage import last_run

    found = store.incidents().incident(number)
    if found is None:
        return
    if format_ == "json":
        shown = lines.as_json(found, store.incidents().timeline(number))
        click.echo(json.dumps(shown, indent=1, ensure_ascii=False))
        return
    click.echo(said)
    for line in lines.following(found, last_run(store, number), app.now()):
        click.echo(line, err=True)


def _told_before(store: SqlStore, there: Incident, by: By) -> None:
    """Whoever has heard of its alerts already need not be told of it."""
    from dataclasses import replace

    from opsbot import incidents
    from opsbot.model.message import Delivery

    for told in store.alerts().told():
        last = store.message(told.message_id)
        known = told.mentions if last and last.state is Delivery.SENT else told.before
        if not {mention.key for mention in known}.isdisjoint(there.alerts):
            step = incidents.told(replace(by, actor=incidents.OPSBOT, at=told.opened_at), told.channel)
            store.incidents().change(there.number, step, by.act("told"))
            return


def _words(text: str) -> str:
    if not text.strip():
        raise click.UsageError("expected a few words; whoever asks later reads them")
    return text.strip()


def _findings(store: SqlStore, keys: tuple[str, ...]) -> tuple[Finding, ...]:
    from opsbot.cli.runbook_stage import finding

    return tuple(finding(store, key) for key in keys)


def _where(config: Config, name: str | None) -> str:
    from opsbot.cli.moment import known

    environments = [one.name for one in config.environments]
    return known(name, environments, what="environment", option="--env") if name else ""


def _tenant(config: Config, name: str | None) -> str:
    return next((one.tenant for one in config.environments if one.name == name), "")
