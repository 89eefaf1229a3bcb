"""`opsbot runbook run`: everything a runbook can look at, at once; what it would change is only planned."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from opsbot.cli import Options

if TYPE_CHECKING:
    from opsbot.cli.runbook_stage import Stage
    from opsbot.model.finding import Finding
    from opsbot.model.incident import Incident
    from opsbot.model.runbook import RunbookRun

_NARROWEST, _WIDEST = 80, 140


@click.command("run")
@click.argument("name", required=False)
@click.option("--env", "environment", metavar="NAME", help="Where to look; a finding or an incident tells it too.")
@click.option("--resource", metavar="NAME", help="What it is about.")
@click.option("--set", "pairs", multiple=True, metavar="KEY=VALUE", help="Tell it what it cannot know; may repeat.")
@click.option("--finding", "key", metavar="KEY", help="Start with what this finding knows.")
@click.option("--incident", "-i", metavar="ID", help="Start with what it knows; the output goes into its timeline.")
@click.option("--at", metavar="TIME", help="Look as if it were then; nothing is planned.")
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.pass_obj
def run_runbook(
    options: Options,
    name: str | None,
    environment: str | None,
    resource: str | None,
    pairs: tuple[str, ...],
    key: str | None,
    incident: str | None,
    at: str | None,
    format_: str,
) -> int:
    """Run a runbook's steps: those that look run at once and in parallel, each with its deadline; those that would change
    something are planned and wait for somebody else's approval. Without NAME it is the finding's own runbook.

    Exit 3 if something could not be looked at.

    \b
    Examples:
      opsbot runbook run high-error-rate --env shop-prod --set function=thumbs
      opsbot runbook run --finding shop-prod/lambda-error-rate/thumbs --incident INC-12
    """
    from opsbot.cli.runbook_stage import about as newest
    from opsbot.cli.runbook_stage import stage

    there = stage(options)
    about = _incident(there, incident) if incident else None
    found = _finding(there, key, about)
    chosen = name or (found.runbook if found else None) or (about.runbook if about else None)
    where = environment or (found.environment if found else "") or (about.environment if about else "")
    if not chosen:
        raise click.UsageError("expected the NAME of a runbook, or a --finding that has one; see: opsbot runbook list")
    if not where:
        raise click.UsageError("expected --env NAME: where to look; see: opsbot environments")
    said = _pairs(pairs, resource)
    if found is None and "resource" in said and "kind" not in said:
        found = newest(there.store, where, said["resource"])
    return _run(options, there, chosen, where, said, found, about, at, format_)


def _run(
    options: Options, there: Stage, name: str, where: str, said: dict[str, str], found: Finding | None,
    about: Incident | None, at: str | None, format_: str,
) -> int:  # fmt: skip
    from opsbot import app
    from opsbot.cli.moment import moment
    from opsbot.cli.runbook_lines import as_json, head, left_out, plan, step
    from opsbot.cli.runbook_stage import book
    from opsbot.cli.show import colour
    from opsbot.model.runbook import RunState
    from opsbot.runbooks import knowing, running

    page = book(there.home, name)
    environment = there.environment(where)
    region = knowing.region_of(environment, found, said)
    names = knowing.known(page, environment, region, found, said)
    now = (
        moment(at, now=app.now(), zone=there.config.timezone, option="--at") if at else app.now().replace(microsecond=0)
    )
    columns = min(max(shutil.get_terminal_size().columns, _NARROWEST), _WIDEST)
    painted, loud = colour(options, to_file=False), format_ == "text"
    start = running.Start(
        book=page, names=names, actor=app.actor(), finding=found.key if found else "",
        incident=about.number if about else None,
    )  # fmt: skip

    def say(*lines: str) -> None:
        if loud and lines:
            click.echo("\n".join(lines), color=painted)

    say(*head(page.name, page.title, f"{environment.name}, {region}", _cause(found)))
    with there.bench(environment, region, now) as bench:
        run = running.run(start, bench, lambda took: say(*step(took, columns, colour=painted)))
    say(*left_out(run))
    if not page.steps:
        say(f"this page has no steps; read it: opsbot runbook show {page.name} --env {environment.name}")
    if at:
        # What was so at another time is no plan for now.
        run = replace(run, state=RunState.LOOKED, writes=(), digest="")
    run = _kept(there, run)
    code = 3 if running.incomplete(run) else 0
    if format_ == "json":
        click.echo(json.dumps(as_json(run, code), indent=1, ensure_ascii=False))
    elif run.writes and run.number:
        say(*plan(run))
    else:
        say("", f"kept as {run.id}; read it again with: opsbot runbook replay {run.id}" if run.number else "not kept")
    return code


def _cause(found: Finding | None) -> str:
    if found is None:
        return ""
    since = f" since {found.since:%H:%M} UTC" if found.since else ""
    return f"{found.resource}: {found.summary}{since}"


def _kept(there: Stage, run: RunbookRun) -> RunbookRun:
    """Kept, and told in its incident's timeline. What was seen is printed already, and worth it without being kept."""
    from opsbot import app
    from opsbot.cli.runbook_timeline import tell
    from opsbot.errors import StoreError
    from opsbot.runbooks.approving import act

    what = "runbook.plan" if run.writes else "runbook.look"
    try:
        kept = there.store.journal().keep(
            run, act(what, run, run.actor, run.at, runbook=run.runbook, digest=run.digest)
        )
        tell(there.store, kept, app.on_paper(there.config))
    except StoreError as error:
        click.echo(f"opsbot: this run is not kept: {error.message}", err=True)
        return run
    return kept


def _incident(there: Stage, id: str) -> Incident:
    from opsbot.cli.incident_stage import one

    return one(there.store, id)


def _finding(there: Stage, key: str | None, about: Incident | None) -> Finding | None:
    from opsbot.cli.runbook_stage import finding

    if key:
        return finding(there.store, key)
    if about is None or not about.alerts:
        return None
    alerts = {one.key: one.finding for one in there.store.alerts().all()}
    if known := next((alerts[one] for one in about.alerts if one in alerts), None):
        return known
    try:
        return finding(there.store, about.alerts[0])
    except click.BadParameter:
        # The incident outlived the runs that its findings were kept with.
        return None


def _pairs(pairs: tuple[str, ...], resource: str | None) -> dict[str, str]:
    from opsbot.cli.moment import pairs as read
    from opsbot.cli.runbook_stage import said

    return said(read(pairs), resource)
