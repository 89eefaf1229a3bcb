"""`opsbot runbook`: what to do at 3 am. Needs no network, no credentials and no valid configuration."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from opsbot.cli import Options
from opsbot.cli.runbook_apply import apply_run, approve_run, lint_runbooks, replay_run, rollback_run
from opsbot.cli.runbook_run import run_runbook

if TYPE_CHECKING:
    from opsbot.cli.page import Page
    from opsbot.config import Draft
    from opsbot.home import Home, HomeFile
    from opsbot.model.environment import Environment

_WIDEST = 100


@click.group(short_help="List, show and run runbooks; approve and apply what they plan.")
def runbook() -> None:
    """Runbooks: what to look at, what to do and how to undo it, one page for each kind of trouble."""


@runbook.command("list")
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.pass_obj
def list_runbooks(options: Options, format_: str) -> None:
    """All runbooks: whose file each is, and which checks name it.

    \b
    Examples:
      opsbot runbook list
      opsbot runbook list --format json
    """
    from opsbot.render.format import clean

    place = home_of(options)
    named = _named_by(place)
    found = [
        (file.name, "shipped" if file.shipped else "home", clean(_read(file).title), named.get(file.name, ()))
        for file in place.runbooks()
    ]
    if format_ == "json":
        rows = [dict(zip(("name", "whose", "title", "checks"), row, strict=True)) for row in found]
        click.echo(json.dumps({"schema": "opsbot.runbooks/1", "runbooks": rows}, indent=1, ensure_ascii=False))
        return
    name_width, title_width = (max((len(row[place]) for row in found), default=0) for place in (0, 2))
    for name, whose, title, checks in found:
        click.echo(f"{name:<{name_width}}  {whose:<7}  {title:<{title_width}}  {', '.join(checks) or '-'}")


@runbook.command("show")
@click.argument("name")
@click.option("--env", "environment", metavar="NAME", help="Fill in this environment's account, region and sign-in.")
@click.option("--resource", metavar="NAME", help="Fill in this resource, as the report names it.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "markdown"]),
    help="Default: text on a terminal, Markdown otherwise.",
)
@click.pass_obj
def show_runbook(
    options: Options, name: str, environment: str | None, resource: str | None, format_: str | None
) -> None:
    """Print a runbook, ready to be followed.

    What stands in {braces} is filled in from --env and --resource; words in CAPITALS are yours to replace.

    \b
    Examples:
      opsbot runbook show high-load
      opsbot runbook show high-load --env shop-prod --resource checkout
    """
    from opsbot.cli import page
    from opsbot.cli.show import colour, put

    place = home_of(options)
    body = _body(_read(_find(place, name)), place, environment, resource)
    left = page.gaps(body)
    if left:
        click.echo(f"not filled in: {', '.join(left)}; give --env NAME and --resource NAME", err=True)
    on_terminal = sys.stdout.isatty() or options.color == "always"
    if (format_ or ("text" if on_terminal else "markdown")) == "text":
        width = min(shutil.get_terminal_size().columns, _WIDEST)
        body = page.for_terminal(page.without_steps(body), width=width, styled=colour(options, to_file=False))
    put(body, None)


def _body(book: Page, place: Home, environment: str | None, resource: str | None) -> str:
    from opsbot.cli import page
    from opsbot.render.format import clean

    values = {"resource": clean(resource)} if resource else {}
    known = _environment(place, environment) if environment else None
    body = page.under_title(book.body, _introduction(known)) if known else book.body
    if environment:
        values["environment"] = clean(environment)
    return page.fill(body, {**values, **(_values(known) if known else {})})


def _values(environment: Environment) -> Mapping[str, str]:
    """What the gaps mean there; an account that nobody configured stays a gap."""
    account = {"account": environment.account_id} if environment.account_id else {}
    profile = environment.profile or (environment.name if environment.role_arn else "")
    return {"region": environment.home_region, "profile_or_role": profile, **account}


def _introduction(environment: Environment) -> str:
    """Where this is about, and how the commands sign in; still with its gaps."""
    whose = ", ".join(filter(None, (environment.tenant and f"tenant {environment.tenant}", environment.tier)))
    account = "account {account}" if environment.account_id else "an account that config.toml does not name"
    others = environment.regions[1:]
    also = f" It also runs in {', '.join(others)}: there, change `--region`." if others else ""
    first = f"> {{environment}}{f' ({whose})' if whose else ''}, {account}, region {{region}}.{also}"
    return f"{first}\n{_sign_in(environment)}"


def _sign_in(environment: Environment) -> str:
    if environment.profile:
        return "> The commands sign in with the profile {profile_or_role}."
    if not environment.role_arn:
        return "> The commands sign in with the credentials at hand."
    lines = [f"role_arn {shlex.quote(environment.role_arn)}", "source_profile default"]
    lines += [f'external_id "EXTERNAL_ID"  # from {environment.external_id}'] if environment.external_id else []
    commands = "\n".join(f"aws configure set profile.{shlex.quote(environment.name)}.{line}" for line in lines)
    return (
        "> The commands sign in with the profile {profile_or_role}. If your AWS CLI has none of that name, the lines\n"
        "> below make it from opsbot's role. That role reads what the checks need and no more: where AWS denies it\n"
        "> something, and for every safe action, use a profile of your own.\n\n"
        f"```\n{commands}\n```"
    )


def home_of(options: Options) -> Home:
    """The home; where none is named and none is here, the shipped runbooks still help."""
    from opsbot import home
    from opsbot.errors import ConfigError

    cwd = Path.cwd()
    try:
        return home.find(options.home_option, os.environ, cwd)
    except ConfigError:
        if options.home_option or os.environ.get("OPSBOT_HOME"):
            raise
    click.echo("no home here, neither --home nor $OPSBOT_HOME: these are the runbooks that ship with opsbot", err=True)
    return home.Home(path=home.shipped_home(), state=cwd)


def _find(place: Home, name: str) -> HomeFile:
    from opsbot.cli.moment import known

    files = {file.name: file for file in place.runbooks()}
    return files[known(name.removesuffix(".md"), files, what="runbook", option="NAME")]


def _read(file: HomeFile) -> Page:
    from opsbot.cli import page
    from opsbot.errors import OpsbotError

    try:
        return page.read(file.path.read_text(encoding="utf-8", errors="replace"))
    except OSError as error:
        raise OpsbotError(f"{file.path}: cannot be read: {(error.strerror or 'unknown').lower()}") from error


def _config(place: Home) -> Draft:
    """config.toml as far as it can be read; what is wrong with it stops nobody from reading a runbook."""
    from opsbot import config

    draft = config.read(place.config)
    if draft.problems:
        first, more = draft.problems[0], len(draft.problems) - 1
        others = f" (and {more} more)" if more else ""
        click.echo(f"opsbot: {first}{others}; see: opsbot validate", err=True)
    return draft


def _environment(place: Home, name: str) -> Environment | None:
    """None, and a word on stderr, if it cannot be told: the page is worth reading without it."""
    from opsbot.cli.moment import known

    draft = _config(place)
    if draft.config is None:
        return None
    environments = {environment.name: environment for environment in draft.config.environments}
    try:
        return environments[known(name, environments, what="environment", option="--env")]
    except click.BadParameter as error:
        click.echo(f"opsbot: {error.message} ({place.config})", err=True)
        return None


def _named_by(place: Home) -> Mapping[str, list[str]]:
    """The checks that name each runbook, overrides included, as far as config.toml can be read."""
    from opsbot.checks import catalogue
    from opsbot.config import rules

    tables = [row for _, row in rules.rows(_config(place).tables, "checks")]
    named = defaultdict(list)
    for entry in catalogue.load(tables, ())[0].entries:
        names = {entry.check.runbook, *(override.runbook for override in entry.overrides)}
        for name in sorted(filter(None, names)):
            named[name].append(entry.check.name)
    return named


for _command in (run_runbook, approve_run, apply_run, rollback_run, replay_run, lint_runbooks):
    runbook.add_command(_command)
