"""The commands about a home: make one, judge it, list what it says."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from opsbot.cli import Options

if TYPE_CHECKING:
    from datetime import datetime

    from opsbot.errors import Problem
    from opsbot.home import JobFile
    from opsbot.model.check import Check
    from opsbot.model.environment import Environment
    from opsbot.validation import House

_format = click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)


@click.command(short_help="Make a new home: config.toml, jobs, templates, runbooks.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
def init(folder: Path) -> None:
    """Make a new home in DIR: config.toml, jobs/, report_templates/, runbooks/.

    The files are yours from then on; what you delete there, opsbot brings itself.

    \b
    Examples:
      opsbot init ~/ops
      opsbot init . && opsbot validate
    """
    from opsbot import home

    for path in home.init(folder):
        click.echo(f"made {path}{os.sep if path.is_dir() else ''}")
    click.echo(
        f"next: add your environments to {folder / home.CONFIG}, then run\n"
        f"  opsbot --home {folder} validate\n"
        f"  opsbot --home {folder} run daily_health --estimate"
    )


@click.command(short_help="Tell all configuration problems at once.")
@click.option("--online", is_flag=True, help="Also try credentials, roles and channels; tells nobody anything.")
@click.option("--schema", is_flag=True, help="Print the JSON Schema of config.toml instead, for your editor.")
@_format
@click.pass_obj
def validate(options: Options, online: bool, schema: bool, format_: str) -> int:
    """Tell all problems of the home at once: configuration, checks, channels, job files, templates.

    \b
    Examples:
      opsbot validate
      opsbot --home ~/ops validate --online
      opsbot validate --format json
      opsbot validate --schema > config.schema.json
    \b
    Exit codes: 0 no problem; 2 problems, all of them on stderr.
    """
    if schema:
        from opsbot import validation

        click.echo(json.dumps(validation.schema(), indent=1, ensure_ascii=False))
        return 0
    house = _read(options)
    from opsbot.cli.render import mistakes

    problems = [*house.problems, *mistakes(house.home)]
    if online and not problems:
        from opsbot import app

        problems = app.check_online(house.config)
    if format_ == "json":
        _print_json("validate", problems=[{"where": problem.where, "what": problem.what} for problem in problems])
    elif not problems:
        click.echo(f"{house.home.path}: no problem; {_extent(house)}")
    return _tell(problems, house)


def _extent(house: House) -> str:
    counts = {
        "environment": len(house.config.environments),
        "check": len(house.catalogue.checks),
        "probe": len(house.probes),
        "maintenance window": len(house.config.maintenance),
        "job": len(house.jobs),
        "channel": len(house.config.channels),
    }
    # Planned work is worth a word where there is some.
    told = [(noun, count) for noun, count in counts.items() if count or noun != "maintenance window"]
    return ", ".join(f"{count} {noun}{'' if count == 1 else 's'}" for noun, count in told)


@click.command(short_help="List the jobs, whose file each is, and when it runs next.")
@_format
@click.pass_obj
def jobs(options: Options, format_: str) -> int:
    """List the jobs: schedule, next run in the configured zone, whose file it is, who is told.

    \b
    Examples:
      opsbot jobs
      opsbot jobs --format json
    """
    from opsbot import app

    house = _read(options)
    if house.problems:
        return _tell(house.problems, house)
    rows = [_job_row(house, name, app.now()) for name in sorted(house.jobs)]
    if format_ == "json":
        _print_json("jobs", timezone=house.config.timezone, jobs=rows)
        return 0
    _print_table(
        ("NAME", "SCHEDULE", f"NEXT RUN ({house.config.timezone})", "FILE", "TELLS"),
        [
            (
                row["name"],
                row["schedule"],
                _moment(row["next_run"]),
                row["file"],
                ", ".join(row["channels"]) or "nobody",
            )
            for row in rows
        ],
    )
    return 0


def _job_row(house: House, name: str, now: datetime) -> dict[str, Any]:
    from zoneinfo import ZoneInfo

    from opsbot.schedule import next_fire
    from opsbot.validation import schedule_of

    file, job = house.jobs[name]
    configured = house.config.job(name)
    schedule = schedule_of(job, configured)
    fire = next_fire(schedule, now, ZoneInfo(house.config.timezone)) if configured.enabled else None
    return {
        "name": name,
        "schedule": schedule,
        "enabled": configured.enabled,
        "next_run": fire.isoformat() if fire else None,
        "file": _whose(file),
        "path": str(file.path),
        "channels": list(configured.channels),
    }


def _whose(file: JobFile) -> str:
    from opsbot.home import unchanged

    if file.shipped:
        return "shipped"
    if not file.shadows:
        return "yours"
    return "yours, same as shipped" if unchanged(file) else "yours, replaces shipped"


def _moment(iso: str | None) -> str:
    from datetime import datetime

    return datetime.fromisoformat(iso).strftime("%a %Y-%m-%d %H:%M") if iso else "off"


@click.command(short_help="List the environments that are configured.")
@_format
@click.pass_obj
def environments(options: Options, format_: str) -> int:
    """List the environments: whose each is, where it looks, and how it signs in.

    \b
    Examples:
      opsbot environments
      opsbot environments --format json
    """
    house = _read(options)
    if house.problems:
        return _tell(house.problems, house)
    configured = house.config.environments
    if format_ == "json":
        _print_json("environments", environments=[_environment_row(environment) for environment in configured])
        return 0
    if not configured:
        click.echo(f"no environment yet; add an [[environments]] table to {house.home.config}", err=True)
        return 0
    _print_table(
        ("NAME", "TENANT", "TIER", "ACCOUNT", "REGIONS", "SIGNS IN WITH"),
        [(e.name, e.tenant, e.tier, e.account_id, ", ".join(e.regions), _signs_in(e)) for e in configured],
    )
    return 0


def _environment_row(environment: Environment) -> dict[str, Any]:
    return {
        "name": environment.name,
        "tenant": environment.tenant,
        "tier": environment.tier,
        "account_id": environment.account_id,
        "regions": list(environment.regions),
        "role_arn": environment.role_arn,
        "profile": environment.profile,
        "external_id": environment.external_id,
        "labels": dict(environment.labels),
    }


def _signs_in(environment: Environment) -> str:
    if environment.role_arn:
        told = f", external id from {environment.external_id}" if environment.external_id else ""
        return f"{environment.role_arn}{told}"
    return f"profile {environment.profile}" if environment.profile else "the credentials at hand"


@click.command(short_help="List the checks with their resolved thresholds.")
@click.option("--env", "names", multiple=True, metavar="NAME", help="Only this environment (name or glob); may repeat.")
@_format
@click.pass_obj
def checks(options: Options, names: tuple[str, ...], format_: str) -> int:
    """List the checks with the thresholds that hold, and where each comes from.

    A check that is the same in several environments is one line.

    \b
    Examples:
      opsbot checks
      opsbot checks --env 'shop-*'
      opsbot checks --env shop-prod --format json
    """
    house = _read(options)
    if house.problems:
        return _tell(house.problems, house)
    rows = [_check_row(check, where) for check, where in _resolved(house, names)]
    if format_ == "json":
        _print_json("checks", checks=rows)
        return 0
    _print_table(
        ("CHECK", "TITLE", "AREA", "THRESHOLDS", "NO DATA IS", "FROM", "ENVIRONMENTS"),
        [
            (
                row["name"],
                row["title"],
                row["area"],
                _thresholds(row),
                row["missing"],
                row["source"],
                _where(house, row),
            )
            for row in rows
        ],
    )
    return 0


def _resolved(house: House, names: Sequence[str]) -> list[tuple[Check, list[str]]]:
    """Each check as it holds, and the environments where it so holds; the bare catalogue while there are none."""
    from opsbot.cli.moment import matching

    configured = house.config.environments
    if not configured:
        return [(check, []) for check in house.catalogue.checks]
    wanted = matching(names, [e.name for e in configured], what="environment", option="--env") if names else None
    held: dict[str, tuple[Check, list[str]]] = {}
    for environment in configured:
        if wanted is None or environment.name in wanted:
            for check in house.catalogue.for_environment(environment):
                held.setdefault(repr(check), (check, []))[1].append(environment.name)
    places = {check.name: place for place, check in enumerate(house.catalogue.checks)}
    return sorted(held.values(), key=lambda pair: (places.get(pair[0].name, len(places)), -len(pair[1])))


def _check_row(check: Check, where: list[str]) -> dict[str, Any]:
    return {
        "name": check.name,
        "title": check.title,
        "area": check.area,
        "kind": check.kind,
        "rules": [{"status": str(rule.status), "rule": rule.text} for rule in check.rules],
        "missing": "unknown" if check.missing == "missing" else str(check.missing),
        "source": check.source,
        "tags": dict(check.where.tags),
        "runbook": check.runbook,
        "environments": where,
    }


def _thresholds(row: dict[str, Any]) -> str:
    return "; ".join(f"{rule['status']} {rule['rule']}" for rule in row["rules"])


def _where(house: House, row: dict[str, Any]) -> str:
    everywhere = len(house.config.environments)
    shown = "all" if len(row["environments"]) == everywhere else ", ".join(row["environments"])
    tags = " ".join(f"{key}={value}" for key, value in row["tags"].items())
    return f"{shown} where {tags}" if tags else shown


def _read(options: Options) -> House:
    from opsbot import home, validation

    return validation.read(home.find(options.home_option, os.environ, Path.cwd()))


def _tell(problems: Sequence[Problem], house: House) -> int:
    """All problems and their number on stderr; the exit code."""
    if not problems:
        return 0
    for problem in problems:
        click.echo(str(problem), err=True)
    noun = "problem" if len(problems) == 1 else "problems"
    click.echo(f"{len(problems)} {noun} in {house.home.path}", err=True)
    return 2


def _print_json(schema: str, **content: object) -> None:
    click.echo(json.dumps({"schema": f"opsbot.{schema}/1", **content}, indent=1, ensure_ascii=False))


def _print_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Columns as wide as their widest cell; the last one is left to run."""
    lines = [tuple(heads), *(tuple(cell or "-" for cell in row) for row in rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(heads))]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo("  ".join(cells).rstrip())
