"""`opsbot probe`: one probe now, with where its time went, why it failed, and what to do next.

A URL is probed without a configuration, and so without what reading one weighs: the answer is there at once.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from opsbot.cli import Options

if TYPE_CHECKING:
    from opsbot.cli.probe_lines import Told
    from opsbot.model.probe import ProbeResult, Target
    from opsbot.probes.specs import Bare
    from opsbot.probing import Probe

_NARROWEST, _WIDEST = 60, 100
_DEFAULT_TIMEOUT = 10.0


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251  app's own clock would bring the whole configuration along


@click.command(short_help="Probe a target now and say why it fails.")
@click.argument("what", metavar="NAME|URL")
@click.option("--expect", "expected", multiple=True, metavar="LINE", help="What the answer must be; may be repeated.")
@click.option("--timeout", type=click.FloatRange(0.1, 600), metavar="SECONDS", help="For the whole probe. Default: 10.")
@click.option("--allow-private", is_flag=True, help="Probe private and loopback networks too.")
@click.option("--method", default="GET", metavar="METHOD", help="Of an HTTP request to a URL.")
@click.option("--http2", is_flag=True, help="Offer HTTP/2 to an https: URL; the server chooses.")
@click.option(
    "--ca-file", type=click.Path(exists=True, dir_okay=False, resolve_path=True), help="PEM; replaces the roots."
)
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", help="What is printed.")
@click.option("--explain", is_flag=True, help="Show headers and how it was measured as well.")
@click.option("--fail-on", type=click.Choice(["down", "degraded", "never"]), default="down", help="What exits 1.")
@click.option("--url", "address", is_flag=True, help="Print the address that a heartbeat's job calls.")
@click.pass_obj
def probe(
    options: Options,
    what: str,
    expected: tuple[str, ...],
    timeout: float | None,
    allow_private: bool,
    method: str,
    http2: bool,
    ca_file: str | None,
    format_: str,
    explain: bool,
    fail_on: str,
    address: bool,
) -> int:
    """Probe NAME as config.toml has it (a glob, or a name without its environment, takes several), or any URL: https:
    http: wss: ws: tcp: tls: dns:.

    Exits 0 if it is up, 1 if it is down, 3 if the prober itself was in the way.

    \b
    Examples:
      opsbot probe https://example.org/health --expect "status == 200" --expect "certificate > 14d"
      opsbot probe tcp://127.0.0.1:5432 --allow-private
      opsbot probe api --explain
      opsbot probe nightly-backup --url
    """
    from opsbot.probes import specs

    probes: tuple[Probe, ...]
    if ":" in what:
        settings = specs.Bare(method=method.upper(), http2=http2, allow_private=allow_private, ca_file=ca_file)
        probes = (_typed(what, expected, timeout, settings),)
    elif http2:
        raise click.UsageError("--http2 is for a URL; for a configured probe write http2 = true in config.toml")
    else:
        probes = _configured(options, what, expected, timeout, allow_private)
    if address:
        return _addresses(options, probes)
    told = _look(options, probes, explain)
    _print(options, told, format_, _exit(told, fail_on))
    return _exit(told, fail_on)


def _typed(url: str, expected: tuple[str, ...], timeout: float | None, settings: Bare) -> Probe:
    from opsbot.model.probe import Target
    from opsbot.probes import specs
    from opsbot.probing import Probe

    try:
        spec = specs.bare(url, settings)
    except ValueError as error:
        raise click.UsageError(_hinted(str(error))) from None
    servers = (server,) if spec.kind == "dns" and (server := specs.dns_server(url)) else ()
    target = Target(
        name=url,
        spec=spec,
        timeout=timeout or _DEFAULT_TIMEOUT,
        allow_private=settings.allow_private,
        dns_servers=servers,
    )
    return Probe(name=url, check=url, every=60.0, target=target, expect=_parsed(expected, target, url))


def _parsed(expected: tuple[str, ...], target: Target | None, url: str = "") -> tuple[str, ...]:
    """Raises UsageError for a line that cannot be read, or that this kind of probe can never meet, or this URL."""
    from opsbot.evaluate import expect
    from opsbot.probes import fit, specs

    kind, http2 = (target.kind, specs.offers_http2(target.spec)) if target else (specs.HEARTBEAT, False)
    for line in expected:
        try:
            read = expect.parse(line)
            stays = bool(url) and kind not in ("http", "flow")
            what = specs.unanswerable(read.subject, kind) or fit.never_met(
                read, kind, url, stays=stays, proxied=not url
            )
            other = fit.other_protocol(read, kind, http2=http2)
            what = what or (_hinted(other) if url else other)
        except expect.Misread as error:
            pointer = f"\n  {line}\n  {' ' * (error.column - 1)}^"
            raise click.UsageError(
                f"--expect: {error}{pointer if len(line) <= 100 and line.isprintable() else ''}"
            ) from None
        if what:
            raise click.UsageError(f"--expect {line!r}: {what}")
    return expected


def _hinted(what: str) -> str:
    return what.replace("set allow_private = true", "give --allow-private").replace("http2 = true", "--http2")


def _configured(
    options: Options, what: str, expected: tuple[str, ...], timeout: float | None, allow_private: bool
) -> tuple[Probe, ...]:
    from dataclasses import replace
    from fnmatch import fnmatchcase

    from opsbot.cli import probe_home

    planned = probe_home.probes(options.home_option)
    chosen = [one for one in planned if one.name == what] or [
        one for one in planned if one.check == what or fnmatchcase(one.name, what)
    ]
    if not chosen:
        raise click.UsageError(_unknown(what, planned))
    probes = []
    for one in chosen:
        target = one.target and replace(
            one.target, timeout=timeout or one.target.timeout, allow_private=one.target.allow_private or allow_private
        )
        probes.append(replace(one, target=target, expect=(*one.expect, *_parsed(expected, one.target))))
    return probe_home.with_secrets(probes)


def _unknown(what: str, planned: tuple[Probe, ...]) -> str:
    import difflib

    names = sorted({one.name for one in planned} | {one.check for one in planned})
    near = difflib.get_close_matches(what, names, n=1)
    if near:
        return f'there is no probe "{what}"; did you mean "{near[0]}"?'
    known = f"known: {', '.join(names[:20])}" if names else "config.toml has no [[probes]]"
    return f'there is no probe "{what}"; {known}; a URL begins with its scheme, such as https://'


def _addresses(options: Options, probes: tuple[Probe, ...]) -> int:
    others = [one.name for one in probes if not one.heartbeat]
    if others:
        raise click.UsageError(f"--url is for heartbeats; {others[0]} is asked by opsbot itself")
    from opsbot.cli import probe_home

    for name, url in probe_home.urls(options.home_option, [one.name for one in probes]):
        click.echo(url if len(probes) == 1 else f"{name}  {url}")
    return 0


def _look(options: Options, probes: tuple[Probe, ...], explain: bool) -> tuple[Told, ...]:
    """Every one of them at once, the results in order."""
    from opsbot.cli.probe_lines import Told, title_of
    from opsbot.probes import Engine, evidence
    from opsbot.probes.judge import Line, judging

    lines: dict[str, tuple[Line, ...]] = {}
    found, facts, waiting = _pulses(options, [one for one in probes if one.heartbeat])
    with Engine(now=_now) as engine:
        for one in probes:
            if one.target:
                keep = evidence.keeping(one.target) if explain else one.target
                engine.submit(
                    keep,
                    lambda result: found.__setitem__(result.target, result),
                    judging(one, lambda told, name=one.name: lines.__setitem__(name, told)),  # type: ignore[misc]
                )
        while len(found) < len(probes):
            engine.turn()
    return tuple(
        Told(
            result=found[one.name],
            title=_title(one.name, title_of(one.target) if one.target else "heartbeat"),
            lines=lines.get(one.name, ()),
            facts=(*facts.get(one.name, ()), *_above(one, found)),
            explain=explain,
            awaited=one.name in waiting,
        )
        for one in probes
    )


def _title(name: str, about: str) -> str:
    return about if ":" in name else f"{name}  {about}"


def _above(one: Probe, found: dict[str, ProbeResult]) -> tuple[tuple[str, str], ...]:
    """Of a probe that is not up, where to look first: at the one without which it cannot work."""
    state = found[one.name].state.value
    if not one.after or state == "up":
        return ()
    above = found.get(one.after)
    if above is None:
        return (("after", f"{one.after}, without which it cannot work; see: opsbot probe {one.after}"),)
    return (("after", f"{one.after}, which is {above.state.value} too: begin there"),) if above.reason else ()


def _pulses(
    options: Options, probes: list[Probe]
) -> tuple[dict[str, ProbeResult], dict[str, tuple[tuple[str, str], ...]], set[str]]:
    """What is to be said of heartbeats, by name: the verdict, its times; and which have not come yet and are not late."""
    if not probes:
        return {}, {}, set()
    from opsbot.cli import probe_home
    from opsbot.probes import heartbeat

    pulses, now = probe_home.pulses(options.home_option), _now()
    results = {result.target: result for result in heartbeat.look(probes, pulses, now)}
    came = {name for name, pulse in pulses.items() if pulse.at}
    waiting = {name for name, result in results.items() if name not in came and result.reason is None}
    return results, {one.name: tuple(heartbeat.facts(one, pulses.get(one.name), now)) for one in probes}, waiting


def _print(options: Options, told: tuple[Told, ...], format_: str, code: int) -> None:
    from opsbot.cli import probe_lines

    if format_ == "json":
        found = {"schema": "opsbot.probe/1", "exit_code": code, "probes": [probe_lines.as_json(one) for one in told]}
        click.echo(json.dumps(found, indent=1, ensure_ascii=False))
        return
    width = min(max(shutil.get_terminal_size((80, 24)).columns, _NARROWEST), _WIDEST)
    paint = probe_lines.coloured if _colour(options) else probe_lines.plain
    pages = ["\n".join(row.rstrip() for row in probe_lines.page(one, width=width, paint=paint)) for one in told]
    if len(told) > 1:
        pages.append("\n".join(probe_lines.summary(told, width=width, paint=paint)))
    click.echo("\n\n".join(pages), color=True)


def _colour(options: Options) -> bool:
    if options.color != "auto":
        return options.color == "always"
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def _exit(told: tuple[Told, ...], fail_on: str) -> int:
    states = {one.result.state.value for one in told}
    bad = {"down": {"down"}, "degraded": {"down", "degraded"}, "never": set[str]()}[fail_on]
    if states & bad:
        return 1
    return 3 if "unsure" in states else 0
