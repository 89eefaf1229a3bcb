"""What the runbook commands need of a home: its pages, its store, AWS, and the person at the keyboard."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from opsbot.cli import Options

if TYPE_CHECKING:
    from datetime import datetime

    from opsbot.actions import Bench
    from opsbot.aws import Aws
    from opsbot.config import Config
    from opsbot.home import Home
    from opsbot.model.actor import Actor
    from opsbot.model.environment import Environment
    from opsbot.model.finding import Finding
    from opsbot.model.probe import ProbeResult
    from opsbot.model.runbook import Runbook, RunbookRun, StepState
    from opsbot.runbooks.hand import Hand
    from opsbot.runbooks.reading import Draft
    from opsbot.store.sql import SqlStore

_RUNS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A home whose job files need not load: at 3 am neither they nor a channel's secret may be in the way."""

    home: Home
    config: Config
    store: SqlStore

    def environment(self, name: str) -> Environment:
        from opsbot.cli.moment import known

        environments = {one.name: one for one in self.config.environments}
        return environments[known(name, environments, what="environment", option="--env")]

    @contextmanager
    def bench(self, environment: Environment, region: str, now: datetime) -> Iterator[Bench]:
        from opsbot import app
        from opsbot.actions import Bench

        cloud: Aws
        with app.aws(self.config) as cloud:
            yield Bench(
                environment=environment, region=region, now=now, inspector=cloud, cloud=cloud, probe=probe_now,
                zone=self.config.timezone,
            )  # fmt: skip


def stage(options: Options) -> Stage:
    """Raises ConfigError, StoreError."""
    from opsbot import app, home, log

    log.configure(options.log_format, verbose=options.verbose)
    place = home.find(options.home_option, os.environ, Path.cwd())
    config = app.config_of(place)
    return Stage(home=place, config=config, store=app.store_of(place, config))


def draft(place: Home, name: str) -> Draft:
    """A runbook with all that is wrong with it."""
    from opsbot.cli.moment import known
    from opsbot.errors import OpsbotError
    from opsbot.runbooks import lint

    files = {file.name: file for file in place.runbooks()}
    file = files[known(name.removesuffix(".md"), files, what="runbook", option="NAME")]
    try:
        text = file.path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise OpsbotError(f"{file.path}: cannot be read: {(error.strerror or 'unknown').lower()}") from error
    return lint.checked(file.name, text, file.shown)


def book(place: Home, name: str) -> Runbook:
    """Raises RunbookError with everything that is wrong with it."""
    return draft(place, name).runbook


def page_of(place: Home, run: RunbookRun) -> Runbook:
    """The runbook of a run as it is now. Raises RunbookError, also if there is none any more."""
    from opsbot.errors import RunbookError

    try:
        return book(place, run.runbook)
    except click.BadParameter:
        raise RunbookError(f"there is no runbook {run.runbook} any more") from None


@contextmanager
def hand(
    there: Stage, run: RunbookRun, actor: Actor, pause: Callable[[float], None],
    tell: Callable[[str, StepState | None], None],
) -> Iterator[Hand]:  # fmt: skip
    """What carrying out a run takes, in the place where it was planned."""
    from opsbot import app
    from opsbot.aws.inspecting import Hands
    from opsbot.cli.runbook_timeline import tidings
    from opsbot.runbooks.hand import Hand

    with there.bench(there.environment(run.environment), run.region, app.now()) as bench:
        yield Hand(
            journal=there.store.journal(), audit=there.store.audit(), actuator=Hands(app.secret), bench=bench,
            actor=actor, now=app.now, pause=pause, tell=tell,
            tidings=tidings(there.store, app.on_paper(there.config), actor),
        )  # fmt: skip


def finding(store: SqlStore, key: str) -> Finding:
    """The newest finding of this key, or of one that ends so; OK ones are not kept. Raises UsageError."""
    keys: set[str] = set()
    for run in store.runs(limit=_RUNS):
        for one in store.findings(run.id):
            if one.key == key or one.key.endswith(f"/{key}"):
                return one
            keys.add(one.key)
    raise click.BadParameter(_offer(key, keys), param_hint="--finding")


def about(store: SqlStore, environment: str, resource: str) -> Finding | None:
    """The newest finding on a resource, which knows what kind of thing it is; None if there is none."""
    from opsbot.runbooks.knowing import bare

    for run in store.runs(limit=_RUNS):
        for one in store.findings(run.id):
            if one.environment == environment and resource in (one.resource, bare(one)):
                return one
    return None


def _offer(key: str, keys: set[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(key, keys, n=1, cutoff=0.5)
    return f'there is no finding "{key}"' + (
        f'; did you mean "{near[0]}"?' if near else " in the last runs; see: opsbot runs list"
    )


def kept(store: SqlStore, id: str) -> RunbookRun:
    """A run by `R-12` or `12`. Raises UsageError."""
    number = id.upper().removeprefix("R-")
    found = store.journal().run(int(number)) if number.isascii() and number.isdigit() and len(number) < 10 else None
    if found is None:
        raise click.UsageError(f'there is no runbook run "{id}"; see: opsbot runbook replay')
    return found


def probe_now(url: str) -> ProbeResult:
    """One look from outside, on a connection of its own."""
    from opsbot import app
    from opsbot.errors import RunbookError
    from opsbot.model.probe import Target
    from opsbot.probes import Engine, specs

    try:
        spec = specs.bare(url, specs.Bare())
    except ValueError as error:
        raise RunbookError(f"{url}: {error}") from None
    servers = (server,) if spec.kind == "dns" and (server := specs.dns_server(url)) else ()
    found: list[ProbeResult] = []
    with Engine(now=app.now) as engine:
        engine.submit(Target(name=url, spec=spec, timeout=10.0, dns_servers=servers), found.append)
        while not found:
            engine.turn()
    return found[0]


def said(pairs: Mapping[str, str], resource: str | None) -> dict[str, str]:
    """What the person said of the parameters; `--resource` is one of them."""
    return {**pairs, **({"resource": resource} if resource else {})}
