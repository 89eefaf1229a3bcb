"""`opsbot run JOB...`: the daemon's own path, by hand."""

from __future__ import annotations

import gc
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from opsbot.cli import Options

if TYPE_CHECKING:
    from opsbot.app import App
    from opsbot.model.message import Message
    from opsbot.ports import World
    from opsbot.runner import Request, Result

FORMATS = ("text", "json", "markdown", "html", "slack")
# Worst first: no trustworthy answer, nobody was told, findings, fine.
_SEVERITY = (3, 4, 1, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the command line asked for, beside the jobs' names."""

    environments: tuple[str, ...]
    tenants: tuple[str, ...]
    at: str | None
    since: str | None
    settings: tuple[str, ...]
    format: str
    output: Path | None
    deliver: bool
    to: tuple[str, ...]
    dry_run: bool
    fail_on: str
    estimate: bool
    verbose: bool


@click.command(short_help="Run jobs now and print what they say.")
@click.argument("jobs", nargs=-1, required=True, metavar="JOB...")
@click.option(
    "--env", "environments", multiple=True, metavar="NAME", help="Only this environment (name or glob); may repeat."
)
@click.option("--tenant", "tenants", multiple=True, metavar="NAME", help="Only this tenant's environments; may repeat.")
@click.option("--at", metavar="TIME", help="Judge as if it were then: ISO 8601, or -24h, -7d. Same time, same answer.")
@click.option("--since", metavar="TIME", help="Start of the window that is judged. Default: the job's own, 24 h.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="One of the job's own settings.")
@click.option("--format", "format_", type=click.Choice(FORMATS), default="text", show_default=True)
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write the result to this file.")
@click.option("--deliver", is_flag=True, help="Tell the job's channels too.")
@click.option("--to", multiple=True, metavar="CHANNEL", help="Tell this channel only; may repeat.")
@click.option("--dry-run", is_flag=True, help="Keep nothing and tell nobody.")
@click.option("--fail-on", type=click.Choice(["attention", "action", "never"]), default="action", show_default=True,
              help="Exit 1 from this verdict on.")  # fmt: skip
@click.option("--estimate", is_flag=True, help="Print the AWS calls and USD it would take, then stop.")
@click.option("--verbose", is_flag=True, help="List what is fine too.")
@click.pass_obj
def run(options: Options, /, jobs: tuple[str, ...], format_: str, **wish: object) -> int:
    """Run JOBs now and print what they say. Delivers only with --deliver or --to.

    \b
    Examples:
      opsbot run daily_health
      opsbot run daily_health --env 'dhbw-*' --format json
      opsbot run daily_health --at 2026-11-20T07:00 --fail-on attention
      opsbot run daily_health --estimate
      opsbot run daily_health --deliver
    \b
    Exit codes: 0 done; 1 findings at or above --fail-on; 2 usage or configuration;
    3 no trustworthy answer; 4 a delivery failed for good.
    """
    asked = Wish(format=format_, **wish)  # type: ignore[arg-type]
    signal.signal(signal.SIGTERM, _terminated)
    give_memory_back()
    # A run is a short process that makes millions of small values and hardly a ring: walking them all, over and over,
    # took a third of a large run. What rings there are go with the process.
    gc.disable()
    from opsbot import app

    house = app.load(options.home_option, log_format=options.log_format, verbose=options.verbose)
    requests = [_request(house, name, asked) for name in jobs]
    if not house.config.environments and not house.house.probes:
        raise click.UsageError(f"no environment yet; add an [[environments]] table to {house.house.home.config}")
    with app.world(house, channels=_all_channels(requests), beside=_routed(requests)) as world:
        codes = [_one(options, asked, request, world) for request in requests]
    return next(code for code in _SEVERITY if code in codes)


def _all_channels(requests: Sequence[Request]) -> set[str]:
    return {name for request in requests for name in request.channels}


def _routed(requests: Sequence[Request]) -> set[str]:
    """Whoever may have to hear of an alert or of its end; without routes nobody does."""
    policies = [request.policy for request in requests if request.policy and request.policy.routes]
    return {name for policy in policies for name in policy.channels}


def give_memory_back() -> None:
    """Answers of megabytes go back to the system once they were read, instead of staying in each thread's heap: with 16
    threads that is a third of a large run's memory. Only glibc knows these words; elsewhere nothing happens."""
    import ctypes

    own_pages_above, heaps = (-3, 256 * 1024), (-8, 2)
    with suppress(OSError, AttributeError):
        for setting in (own_pages_above, heaps):
            ctypes.CDLL(None).mallopt(*setting)


def _terminated(number: int, frame: FrameType | None) -> None:
    sys.exit(143)


def _request(house: App, name: str, asked: Wish) -> Request:
    from opsbot.cli.moment import known, matching, moment, pairs

    names = {environment.name for environment in house.config.environments}
    tenants = {environment.tenant for environment in house.config.environments}
    now, zone = house.now(), house.config.timezone
    at = moment(asked.at, now=now, zone=zone, option="--at") if asked.at else now
    request = house.request(
        known(name.replace("-", "_"), house.job_names, what="job", option="JOB"),
        at=at,
        since=moment(asked.since, now=at, zone=zone, option="--since") if asked.since else None,
        environments=matching(asked.environments, names, what="environment", option="--env"),
        tenants=matching(asked.tenants, tenants, what="tenant", option="--tenant"),
        settings=pairs(asked.settings),
        channels=_channels(house, name.replace("-", "_"), asked),
    )
    # A look at the past, or one that only some people are to hear of, is no news of how things stand.
    moves = asked.deliver and not (asked.to or asked.at or asked.dry_run)
    return replace(request, policy=house.config.policy) if moves else request


def _channels(house: App, job: str, asked: Wish) -> tuple[str, ...]:
    from opsbot.cli.moment import known

    if asked.dry_run:
        return ()
    if asked.to:
        return tuple(known(name, house.channel_names, what="channel", option="--to") for name in asked.to)
    if not asked.deliver:
        return ()
    configured = house.channels_of(job)
    if not configured and not house.config.policy.routes:
        raise click.UsageError(
            f"--deliver: the job {job} has no channels; set jobs.{job}.channels, or name one with --to"
        )
    return configured


def _one(options: Options, asked: Wish, request: Request, world: World) -> int:
    from opsbot import app, runner
    from opsbot.cli.show import progress

    if asked.estimate:
        _print_estimate(request, world, asked)
        return 0
    result = runner.execute(request, world, owner=app.whoami(), dry_run=asked.dry_run, progress=progress())
    messages = _deliver(result, world) if request.channels or request.policy else ()
    code = result.exit_code(asked.fail_on, messages)
    _print(options, asked, request, result, messages, code)
    return code


def _deliver(result: Result, world: World) -> tuple[Message, ...]:
    """Send now what this run wants told; what is not through after two minutes stays in the outbox."""
    from datetime import timedelta
    from time import sleep

    from opsbot import outbox

    until = world.now() + timedelta(minutes=2)
    outbox.deliver(world.store, world.channels, now=world.now, wait=sleep, until=until, only_run=result.run.id)
    return world.store.messages(run_id=result.run.id)


def _print(
    options: Options, asked: Wish, request: Request, result: Result, messages: Sequence[Message], code: int
) -> None:
    from opsbot.cli.show import colour, put

    body = _body(asked, request, result, messages, code, colour(options, to_file=asked.output is not None))
    put(body, asked.output)
    for message in messages:
        state = f"{message.state}{': ' + message.error if message.error else ''}"
        click.echo(f"told {message.channel} ({message.to}): {state}", err=True)


def _body(asked: Wish, request: Request, result: Result, messages: Sequence[Message], code: int, coloured: bool) -> str:
    match asked.format:
        case "json":
            paths = ((asked.format, str(asked.output)),) if asked.output else ()
            return result.json(exit_code=code, paths=paths, messages=messages, verbose=asked.verbose)
        case "markdown":
            from opsbot.render import markdown

            return markdown.render(result.report, result.about)
        case "html":
            from opsbot.compose import with_templates
            from opsbot.render import html

            return with_templates(
                request.templates,
                result.report,
                result.about,
                lambda loader, report: html.render(report, result.about, loader),
            )
        case "slack":
            import json

            from opsbot.render import slack

            return json.dumps(slack.render(result.report, result.about), ensure_ascii=False, indent=1)
        case _:
            from opsbot.render import text

            return text.render(result.report, result.about, colour=coloured, verbose=asked.verbose)


def _print_estimate(request: Request, world: World, asked: Wish) -> None:
    import json

    from opsbot import runner
    from opsbot.cli.show import progress, put

    price = runner.estimate(request, world, progress=progress())
    if asked.format == "json":
        shown = {"schema": "opsbot.estimate/1", "job": request.name, "calls": dict(price.calls), "metrics": price.metrics,
                 "datapoints": price.datapoints, "log_bytes": round(price.log_bytes), "usd": round(price.usd, 6),
                 **_publishing(request, world)}  # fmt: skip
        put(json.dumps(shown, indent=1), asked.output)
        return
    lines = [f"{request.name} would ask AWS for {price.metrics:,} metrics ({price.datapoints:,} datapoints)"]
    lines += [f"  {calls:>6,}  {operation}" for operation, calls in price.calls]
    if price.log_bytes:
        lines.append(f"  about {price.log_bytes / 1e9:,.1f} GB of logs to scan, guessed from what their groups store")
    lines += [f"  ${price.usd:.4f} a run, ${price.usd * 30:.2f} a month if it runs daily"]
    for told in _publishing(request, world).values():
        lines += [f"  the daemon publishes {told['metrics']:,} metrics of probes: ${told['usd_a_month']:,.2f} a month"]
    put("\n".join(lines), asked.output)


def _publishing(request: Request, world: World) -> dict[str, dict[str, float]]:
    """What the daemon's publishing of probes costs: not the run's bill, but that of what the run is about."""
    if request.name != "uptime_probes":
        return {}
    from opsbot.aws import publish

    metrics = publish.metrics_of(world.probes)
    usd = round(publish.usd_a_month(metrics), 2)
    return {"publishing": {"metrics": metrics, "usd_a_month": usd}} if metrics else {}
