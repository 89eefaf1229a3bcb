"""Home -> configuration -> World: the only module that knows every adapter, and the only one that reads the clock."""

from __future__ import annotations

import logging
import os
import platform
import pwd
import shlex
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opsbot import channels, home, log, secrets, validation
from opsbot import config as configuration
from opsbot.errors import ConfigError, JobError, OpsbotError, Problem
from opsbot.executors import child
from opsbot.model.actor import Actor
from opsbot.model.environment import Environment
from opsbot.model.period import Period, show_duration
from opsbot.ports import Channel, Store, World

if TYPE_CHECKING:
    from jinja2 import BaseLoader

    from opsbot.aws import Aws
    from opsbot.config import Config
    from opsbot.model.run import Run
    from opsbot.model.timetable import Timetable
    from opsbot.runner import Request
    from opsbot.store.sql import SqlStore


def now() -> datetime:
    """The clock of the whole program; everything else gets the time as an argument."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class App:
    """A home without problems, ready to run. `in_files` are job files that do not load, where the others may run."""

    house: validation.House
    in_files: tuple[Problem, ...] = ()

    @property
    def config(self) -> Config:
        return self.house.config

    @property
    def job_names(self) -> tuple[str, ...]:
        return tuple(self.house.jobs)

    @property
    def channel_names(self) -> tuple[str, ...]:
        return tuple(self.config.channels)

    def channels_of(self, job: str) -> tuple[str, ...]:
        return self.config.job(job).channels

    def now(self) -> datetime:
        """To the second: what is judged by it can be typed again."""
        return now().replace(microsecond=0)

    @property
    def logs(self) -> Path:
        """Where the runs' logs are, a folder a job."""
        return self.house.home.state / "logs"

    def store(self) -> SqlStore:
        return store_of(self.house.home, self.config)

    def request(
        self,
        name: str,
        *,
        at: datetime,
        since: datetime | None = None,
        environments: Collection[str] = (),
        tenants: Collection[str] = (),
        settings: Mapping[str, str] | None = None,
        channels: tuple[str, ...] = (),
    ) -> Request:
        """What a run of this job would be; `environments` and `tenants` empty means all. `settings` win over config.toml's."""
        from opsbot.runner import Request

        job = self.house.jobs[name][1]
        configured = self.config.job(name)
        chosen = tuple(e for e in self.config.environments if _chosen(e, environments, tenants))
        window = Period(start=since or at - (self.config.defaults.window or job.window), end=at)
        return Request(
            name=name,
            job=job,
            settings=validation.settings_of(job, {**configured.settings, **(settings or {})}),
            at=at,
            window=window,
            environments=chosen,
            checks={e.name: self.house.catalogue.for_environment(e) for e in chosen},
            zone=self.config.timezone,
            command=_command(name, window, since is not None, environments, tenants, settings or {}),
            templates=templates(self.house.home),
            channels=channels,
            coverage_min=self.config.defaults.coverage_min / 100,
            timeout=configured.timeout or job.timeout,
            url_base=self.config.url_base,
            whole=not environments and not tenants,
        )

    def request_for(self, run: Run) -> Request:
        """What a run of the ledger is: its moment, its job's channels. Raises JobError if the job's file does not load."""
        if run.job not in self.house.jobs:
            why = "; ".join(map(str, self.in_files)) or f"there is no file jobs/{run.job}.py"
            raise JobError(f"the job {run.job} cannot be loaded: {why}", hint="see: opsbot validate")
        return replace(self.request(run.job, at=run.at, channels=self.channels_of(run.job)), policy=self.config.policy)

    def request_without_job(self, run: Run) -> Request:
        """The same for a run of which only the end is told: its job's file need not load."""
        from opsbot.job import Job, Outcome, Settings
        from opsbot.runner import Request

        nothing: Job[Settings] = Job(run=lambda context, settings: Outcome(), schedule="", settings=Settings)
        window = Period(start=run.at - (self.config.defaults.window or nothing.window), end=run.at)
        return Request(
            name=run.job, job=nothing, settings=nothing.settings(), at=run.at, window=window, environments=(), checks={},
            zone=self.config.timezone, command=_command(run.job, window, False, (), (), {}),
            templates=templates(self.house.home), channels=self.channels_of(run.job), url_base=self.config.url_base,
            policy=self.config.policy,
        )  # fmt: skip

    def timetable(self, job: str) -> Timetable | None:
        """When a job runs and how often it is tried; None if its file does not load."""
        from opsbot.daemon.draw_up import timetable

        found = self.house.jobs.get(job)
        return timetable(job, found[1], self.config) if found else None

    def role_policy(self) -> dict[str, Any]:
        """The least policy for the role in each account."""
        from opsbot.aws import policy
        from opsbot.checks import needs, reads_logs
        from opsbot.checks.capacity.track import watched
        from opsbot.checks.savings.rules import KINDS as SAVINGS

        checks = [c for e in self.config.environments for c in self.house.catalogue.for_environment(e)]
        checks = checks or list(self.house.catalogue.checks)
        kinds, custom = needs(checks)
        payers = [environment for environment in self.config.environments if environment.payer]
        # Whoever has his bill read is also told what he could save.
        kinds |= SAVINGS if payers else frozenset()
        # Limits and sizes are read only where somebody wants the forecasts.
        kinds |= watched() if "capacity_trends" in self.config.jobs else frozenset()
        exports = [payer.cost_export for payer in payers if payer.cost_export]
        return policy.policy(policy.actions(kinds, bool(custom), bool(payers), reads_logs(checks)), exports)

    def own_policy(self) -> dict[str, Any]:
        """The least policy for the identity opsbot itself runs as: exactly what config.toml makes it do."""
        from opsbot.aws import policy

        told = self.config
        found = policy.own(
            roles=[role for e in told.environments for role in (e.role_arn, e.remediation_role_arn) if role],
            secrets=secrets.references(self.house.draft.tables),
            mails=[str(channel["from"]) for channel in told.channels.values() if channel.get("via") == "ses"],
            logs=told.daemon.logs_group or "",
            metrics=tuple(self._namespaces()),
            topics=[str(channel["topic"]) for channel in told.channels.values() if channel.get("topic")],
            texts=any(channel.get("kind") == "sns" and channel.get("phone") for channel in told.channels.values()),
            queue=self._queue(),
        )
        if not found["Statement"]:
            raise ConfigError(
                [
                    Problem(
                        "config.toml",
                        "nothing in it needs a permission of opsbot's own: no role_arn, no secret in AWS, no SES, no SNS",
                    )
                ]
            )
        return found

    def _queue(self) -> str:
        """The queue that spreads the runs, if it is one of AWS's; its reference is followed as far as that needs no AWS."""
        broker = self.config.daemon.broker
        if self.config.daemon.executor != "celery" or not broker or not broker.startswith(("env:", "file:")):
            return ""
        try:
            address = secrets.resolve(broker)
        except ConfigError as error:
            logging.getLogger(__name__).warning("daemon.broker is left out of the policy: %s", error.problems[0])
            return ""
        return address if address.startswith("sqs://") else ""

    def _namespaces(self) -> Iterator[str]:
        """Where opsbot publishes metrics of its own."""
        from opsbot.aws import publish, publish_jobs

        if metric := self.config.daemon.heartbeat_metric:
            yield metric.rpartition("/")[0]
        if any(probe.publish for probe in self.house.probes):
            yield publish.NAMESPACE
        if any(self.config.job(name).publish for name in self.job_names):
            yield publish_jobs.NAMESPACE


def load(option: Path | None, *, log_format: str = "text", verbose: bool = False) -> App:
    """The home as the command line names it. Raises ConfigError with every problem at once."""
    log.configure(log_format, verbose=verbose)
    house = validation.read(home.find(option, os.environ, Path.cwd()))
    if house.problems:
        raise ConfigError(house.problems)
    return App(house)


def load_for_run(option: Path | None, *, log_format: str = "text", verbose: bool = False) -> App:
    """The home for one run: a job file that does not load stops its own job alone. Raises ConfigError."""
    log.configure(log_format, verbose=verbose)
    place = home.find(option, os.environ, Path.cwd())
    jobs, in_files = validation.load_jobs(place)
    house = validation.judge(place, configuration.read(place.config), jobs, ())
    if house.problems:
        raise ConfigError(house.problems)
    return App(house, tuple(in_files))


def actor(via: str = "cli") -> Actor:
    """Who is at the keyboard: as AWS says, where somebody is signed in, and by the login of this machine.

    The login is the system's own word: what the environment says of it anybody could set."""
    from opsbot.aws import identity

    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        # A container's user may have no name.
        name = f"uid-{os.getuid()}"
    return Actor(login=f"{name}@{platform.node()}", arn=identity.caller(), via=via)


def whoami() -> str:
    """Which process of which machine this is, as the owner of a run by hand."""
    return f"{platform.node()}:{os.getpid()}"


@contextmanager
def world(
    app: App, *, channels: Collection[str] = (), beside: Collection[str] = (), sending: bool = True
) -> Iterator[World]:
    """Everything impure, built for one use; only the channels that are named, so that the others' secrets are not needed.

    Of those `beside` one that cannot be opened says so on its messages. Without `sending` no secrets are needed at all:
    messages are only written, and another process delivers them."""
    with aws(app.config) as cloud:
        reachable = {name: _open(app.config, name, secret if sending else str) for name in beside}
        reachable |= {name: _channel(app.config, name, secret if sending else str) for name in channels}
        store = app.store()
        yield World(
            cloud=cloud, channels=reachable, store=store, now=now, uptime=store.uptime(), probes=app.house.probes,
            maintenance=app.config.maintenance, bills=cloud, costs=store.costs(), trends=store.trends(),
            budgets=app.config.budgets, everywhere=app.config.environments, logs=cloud, incidents=store.incidents(),
        )  # fmt: skip


@contextmanager
def aws(config: Config) -> Iterator[Aws]:
    """The product's one way to AWS."""
    from opsbot.aws import Aws

    cloud = Aws(threads=config.defaults.threads, max_usd=config.defaults.max_usd_per_run, secrets=secret)
    try:
        yield cloud
    finally:
        cloud.close()


def secret(reference: str) -> str:
    """The value behind `env:`, `file:`, `ssm:` or `secretsmanager:`."""
    from opsbot.aws import vault

    value = secrets.resolve(reference, ssm=vault.read)
    # Whatever a job prints afterwards, its log does not show it.
    child.tell(mask=value)
    return value


def check_online(config: Config) -> list[Problem]:
    """What only asking can tell: roles that cannot be assumed, secrets and files that cannot be read, channels that do not
    answer."""
    from opsbot.probes import online

    return [*_strangers(config), *online.unreadable(config.probes, secret), *_mute(config)]


def _strangers(config: Config) -> Iterator[Problem]:
    with aws(config) as cloud:
        # Looking for nothing still has to sign in everywhere.
        for seen in cloud.inventory(config.environments, frozenset(), frozenset(), now()):
            for gap in seen.gaps:
                yield Problem(f"config.toml.environments.{seen.environment}", gap.why)


def _mute(config: Config) -> Iterator[Problem]:
    for name in config.channels:
        try:
            _channel(config, name).check()
        except OpsbotError as error:
            yield Problem(f"config.toml.channels.{name}", error.message)


def templates(place: home.Home) -> tuple[BaseLoader, ...]:
    """The home's templates over the shipped ones (`shipped:NAME` reaches past the shadow), then the shipped ones alone."""
    from jinja2 import ChoiceLoader, FileSystemLoader, PrefixLoader

    shipped = FileSystemLoader(home.shipped_home() / "report_templates")
    own = FileSystemLoader(place.path / "report_templates")
    return ChoiceLoader([own, shipped, PrefixLoader({"shipped": shipped}, delimiter=":")]), shipped


def _channel(config: Config, name: str, read: Callable[[str], str] = secret) -> Channel:
    from opsbot.aws import mail, notify
    from opsbot.probes import guard

    settings, problems = channels.decode(name, config.channels[name])
    if settings is None:
        raise ConfigError(problems)
    return channels.build(name, settings, secret=read, ses=mail.send, sns=notify.Sns(), guard=guard.verdict, now=now)


def config_of(place: home.Home) -> Config:
    """What config.toml says, judged by itself: no job file is read, none can keep people from being told. Raises
    ConfigError."""
    draft = configuration.read(place.config)
    if draft.config is None:
        raise ConfigError(draft.in_order(draft.problems))
    return draft.config


def store_of(place: home.Home, config: Config) -> SqlStore:
    """The store of a home. Raises ConfigError, StoreError."""
    from opsbot.store import open_store

    password = secret(config.store_password) if config.store_password else ""
    return open_store(place.store_url(config.store_url), password)


def reach(place: home.Home) -> tuple[Store, dict[str, Channel]]:
    """All that telling needs of a home: its store and every channel; one that cannot be opened says so on its messages.
    Raises ConfigError, StoreError."""
    config = config_of(place)
    return store_of(place, config), {name: _open(config, name) for name in config.channels}


def reach_on_paper(place: home.Home) -> tuple[Config, SqlStore, dict[str, Channel]]:
    """All that writing notices needs of a home, and no secret: another process delivers them. Raises ConfigError,
    StoreError."""
    config = config_of(place)
    return config, store_of(place, config), on_paper(config)


def on_paper(config: Config) -> dict[str, Channel]:
    """Every channel as far as writing messages needs it."""
    return {name: _open(config, name, str) for name in config.channels}


def _open(config: Config, name: str, read: Callable[[str], str] = secret) -> Channel:
    try:
        return _channel(config, name, read)
    except OpsbotError as error:
        return channels.ClosedChannel(name, config.channels[name].get("kind"), error)


def _chosen(environment: Environment, names: Collection[str], tenants: Collection[str]) -> bool:
    return (not names or environment.name in names) and (not tenants or environment.tenant in tenants)


def _command(
    name: str,
    window: Period,
    since: bool,
    names: Collection[str],
    tenants: Collection[str],
    settings: Mapping[str, str],
) -> str:
    """The command that says the same again."""
    words = ["opsbot", "run", name, "--at", window.end.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")]
    words += ["--since", f"-{show_duration(window.length)}"] if since else []
    words += [word for tenant in sorted(tenants) for word in ("--tenant", tenant)]
    words += [word for environment in sorted(names) for word in ("--env", environment)]
    words += [word for key, value in sorted(settings.items()) for word in ("--set", f"{key}={value}")]
    return shlex.join(words)
