"""`opsbot route`: who would hear of an alert, by which route, how fast somebody must come, and why."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from opsbot.cli import Options

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from opsbot.alerting import Policy, Route, Tried
    from opsbot.config import Config
    from opsbot.model.alert import Alert

STATUSES = ("critical", "unknown", "warning", "info")
_ANY = "some-check"


@click.group(short_help="Say who would hear of an alert, and why.")
def route() -> None:
    """Routes decide who hears of alerts; without any, only reports are sent, to their jobs' channels."""


@route.command("list")
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.pass_obj
def list_routes(options: Options, format_: str) -> int:
    """List the routes in the order in which they are tried.

    \b
    Examples:
      opsbot route list
      opsbot route list --format json
    """
    from opsbot.cli.who import opened

    config, _ = opened(options)
    if format_ == "json":
        rows = [_row(one) for one in config.policy.routes]
        click.echo(json.dumps({"schema": "opsbot.routes/1", "routes": rows}, indent=1, ensure_ascii=False))
        return 0
    for one in config.policy.routes:
        click.echo(
            f"{one.name:<16} {one.priority}  {_matches(one)}  ->  {_told(one)}{_more(one)}{'  continue' if one.goes_on else ''}"
        )
    if not config.policy.routes:
        click.echo("no [[routes]] in config.toml: reports go to their jobs' channels, alerts to nobody", err=True)
    return 0


@route.command("test")
@click.option("--env", "environment", default="", metavar="NAME", help="Of this environment: its tenant, tier, labels.")
@click.option("--check", default=_ANY, metavar="NAME")
@click.option("--status", type=click.Choice(STATUSES), default="critical", show_default=True)
@click.option("--resource", default="some-resource", metavar="NAME")
@click.option("--area", metavar="NAME", help="Default: the check's own.")
@click.option("--job", default="", metavar="NAME", help="As found by this job.")
@click.option("--label", "labels", multiple=True, metavar="NAME=VALUE", help="May repeat.")
@click.option("--at", metavar="TIME", help="As if it fired then: maintenance and silences of that time. Default: now.")
@click.option("--expect", metavar="CHANNELS", help="Exit 1 unless exactly these hear of it: a,b. For your own tests.")
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.pass_obj
def test_route(
    options: Options,
    environment: str,
    check: str,
    status: str,
    resource: str,
    area: str | None,
    job: str,
    labels: tuple[str, ...],
    at: str | None,
    expect: str | None,
    format_: str,
) -> int:
    """Say which routes would carry an alert, to which channels and how urgently, and why the others would not.

    \b
    Examples:
      opsbot route test --env shop-prod --check ecs-cpu --status critical
      opsbot route test --env shop-prod --status warning --label team=web --expect ops-slack
    """
    from opsbot import app
    from opsbot.alerting import tried
    from opsbot.alerting.muting import why_muted
    from opsbot.cli.moment import moment, pairs
    from opsbot.cli.who import opened

    config, store = opened(options)
    now = moment(at, now=app.now(), zone=config.timezone, option="--at") if at else app.now()
    alert = _alert(options, config, environment, check, status, resource, area, job, pairs(labels), now)
    silences = [one for one in store.alerts().silences() if one.ended_at is None]
    muted = why_muted(alert, silences, config.policy.maintenance, {}, now)
    walked = tried(alert, config.policy.routes)
    told = dict.fromkeys(channel for one in walked if not one.why for channel in one.route.channels)
    if format_ == "json":
        click.echo(json.dumps(_plain(alert, walked, list(told), muted), indent=1, ensure_ascii=False))
    else:
        _print(alert, walked, list(told), muted, config.policy)
    wanted = {part.strip() for part in expect.split(",") if part.strip()} if expect is not None else set(told)
    if wanted != set(told):
        click.echo(_unexpected(wanted, list(told), list(config.channels)), err=True)
    return 0 if wanted == set(told) else 1


def _unexpected(wanted: set[str], told: Sequence[str], channels: Sequence[str]) -> str:
    from opsbot.config.problems import nearest

    unknown = [f'there is no channel "{name}"{nearest(name, channels)}' for name in sorted(wanted - set(channels))]
    said = f"expected {', '.join(sorted(wanted)) or 'nobody'} to be told, found {', '.join(told) or 'nobody'}"
    return "; ".join([said, *unknown])


def _alert(
    options: Options,
    config: Config,
    environment: str,
    check: str,
    status: str,
    resource: str,
    area: str | None,
    job: str,
    labels: dict[str, str],
    now: datetime,
) -> Alert:
    """An alert as a run would make it: what is not given comes from config.toml and the catalogue."""
    from opsbot import app
    from opsbot.alerting import sample
    from opsbot.cli.moment import known
    from opsbot.config.problems import nearest
    from opsbot.model.finding import Finding
    from opsbot.model.status import Status
    from opsbot.model.units import Unit

    house = app.load_for_run(options.home_option, log_format=options.log_format, verbose=options.verbose).house
    places = {one.name: one for one in config.environments}
    place = places[known(environment, places, what="environment", option="--env")] if environment else None
    found = next((one for one in house.catalogue.checks if one.name == check), None)
    if found is None and check != _ANY:
        names = [one.name for one in house.catalogue.checks]
        click.echo(f'no check is called "{check}"{nearest(check, names)}; it is tried as it stands', err=True)
    finding = Finding(
        check=check, environment=environment, resource=resource, status=Status(status), at=now, unit=Unit.COUNT,
        title=found.title if found else check, area=area or (found.area if found else ""),
        labels=tuple(sorted({**dict(place.labels if place else ()), **labels}.items())),
    )  # fmt: skip
    return sample(finding, place, now, job.replace("-", "_"))


def _print(alert: Alert, walked: Sequence[Tried], told: Sequence[str], muted: str, policy: Policy) -> None:
    from opsbot.alerting import group_of
    from opsbot.render.format import clean

    click.echo(f"{clean(alert.key).lstrip('/')}, {alert.status}")
    for one in walked:
        if one.why:
            click.echo(f"  no   {one.route.name}: {one.why}")
            continue
        group = ", ".join(f"{name} {value}" for name, value in group_of(alert, one.route) if value)
        click.echo(f"  yes  {one.route.name}: {one.route.priority}, {_told(one.route)}")
        click.echo(f"       because {_matches(one.route)}")
        click.echo(f"       one notice for {group or 'everything'}; {_repeats(one.route)}{_more(one.route)}")
    if left := len(policy.routes) - len(walked):
        click.echo(f"  -    {left} more not tried: the first that fits decides")
    if muted:
        click.echo(f"nobody is told: {muted}")
    elif told:
        click.echo(f"told: {', '.join(told)}")
    else:
        click.echo(
            "nobody is told: " + ("no route fits" if policy.routes else "there are no [[routes]] in config.toml")
        )


def _plain(alert: Alert, walked: Sequence[Tried], told: Sequence[str], muted: str) -> dict[str, Any]:
    fitting = [one.route for one in walked if not one.why]
    return {
        "schema": "opsbot.route-test/1",
        "key": alert.key,
        "status": alert.status.value,
        "priority": min((one.priority.value for one in fitting), default=None),
        "channels": list(told),
        "muted": muted,
        "routes": [
            {"name": one.route.name, "matches": not one.why, "why": one.why or _matches(one.route)} for one in walked
        ],
        "incident": any(one.incident for one in fitting),
    }


def _row(one: Route) -> dict[str, Any]:
    return {
        "name": one.name, "priority": one.priority.value, "match": {name: list(globs) for name, globs in one.match},
        "channels": list(one.channels), "group_by": list(one.group_by), "continue": one.goes_on, "incident": one.incident,
        "repeat_seconds": one.repeat.total_seconds() if one.repeat else None,
    }  # fmt: skip


def _matches(one: Route) -> str:
    return ", ".join(f"{name} is {' or '.join(globs)}" for name, globs in one.match) or "it matches everything"


def _more(one: Route) -> str:
    if not one.incident:
        return ""
    return "; opens an incident" + (", whose runbook looks at once" if one.diagnose else "")


def _told(one: Route) -> str:
    return ", ".join(one.channels) or "nobody, on purpose"


def _repeats(one: Route) -> str:
    from opsbot.model.period import show_duration

    return f"again every {show_duration(one.repeat)}" if one.repeat else "never again"
