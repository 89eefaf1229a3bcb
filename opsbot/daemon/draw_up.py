"""Orders drawn up from a home; only the child that reads it imports this, because it is heavy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from typing import Any

from opsbot import config
from opsbot.config import Config
from opsbot.daemon.orders import Orders, Page
from opsbot.errors import OpsbotError, Problem
from opsbot.home import Home
from opsbot.job import Job
from opsbot.model.timetable import Timetable
from opsbot.probing import Probe, resolved
from opsbot.secrets import is_reference
from opsbot.timetable import public_holidays
from opsbot.validation import House, judge, load_jobs, schedule_of

Secrets = Callable[[str], str]
# Holidays are told ahead for as long as a daemon may run without being restarted or told anew.
_YEARS = 10


def draw_up(home: Home, now: datetime, secret: Secrets) -> Orders:
    """The orders of a home, its problems and the troubles of its job files; raises for nothing that stands in it."""
    jobs, in_files = load_jobs(home)
    house = judge(home, config.read(home.config), jobs, ())
    troubles = tuple(map(str, in_files))
    if house.problems:
        return Orders(problems=tuple(map(str, house.problems)), troubles=troubles)
    found = _Found(secret)
    orders = _orders(house, now, found, troubles)
    return Orders(problems=tuple(map(str, found.problems)), troubles=troubles) if found.problems else orders


class _Found:
    """Secrets as they are read, and why others could not be."""

    def __init__(self, secret: Secrets) -> None:
        self._secret = secret
        self.problems: list[Problem] = []

    def value(self, key: str, reference: str | None) -> str:
        if not reference or not is_reference(reference):
            return reference or ""
        try:
            return self._secret(reference)
        except OpsbotError as error:
            self.problems.append(Problem(f"config.toml.{key}", error.message))
            return ""


def _orders(house: House, now: datetime, found: _Found, troubles: tuple[str, ...]) -> Orders:
    told = house.config
    daemon, web = told.daemon, told.web
    return Orders(
        zone=told.timezone,
        store_url=house.home.store_url(told.store_url),
        store_password=found.value("store.password", told.store_password),
        timetables=tuple(_timetables(house, now)),
        channels=tuple(told.channels),
        environments=tuple(environment.name for environment in told.environments),
        probes=tuple(_resolved(probe, found) for probe in house.probes),
        published=tuple(name for name in sorted(house.jobs) if told.job(name).publish),
        maintenance=told.maintenance,
        parallel=daemon.parallel,
        memory=daemon.memory or 0,
        drain=daemon.drain,
        heartbeat_url=found.value("daemon.heartbeat_url", daemon.heartbeat_url),
        heartbeat_metric=daemon.heartbeat_metric or "",
        executor=daemon.executor,
        broker=found.value("daemon.broker", daemon.broker),
        logs_group=daemon.logs_group or "",
        page=Page(
            listen=web.listen,
            token=found.value("web.token", web.token),
            proxy_header=web.proxy_header or "",
            trusted_proxies=web.trusted_proxies,
            public_status=web.public_status,
            hosts=web.hosts,
        ),
        troubles=troubles,
    )


def _resolved(probe: Probe, found: _Found) -> Probe:
    return resolved(probe, lambda reference: found.value(f"probes.{probe.check}", reference))


def _timetables(house: House, now: datetime) -> Iterator[Timetable]:
    years = range(now.year - 1, now.year + _YEARS)
    for name, (_, job) in sorted(house.jobs.items()):
        yield timetable(name, job, house.config, years)


def timetable(name: str, job: Job[Any], told: Config, years: Sequence[int] = ()) -> Timetable:
    """When a job runs: config.toml over its own file. `years` are those whose holidays are wanted."""
    mine = told.job(name)
    return Timetable(
        job=name,
        cron=schedule_of(job, mine),
        zone=told.timezone,
        timeout=mine.timeout or job.timeout,
        enabled=mine.enabled,
        catch_up=mine.catch_up,
        catch_up_max=mine.catch_up_max,
        catch_up_window=mine.catch_up_window,
        overlap=mine.overlap,
        retries=mine.retries,
        retry_after=mine.retry_after,
        jitter=mine.jitter,
        business_days=mine.business_days,
        holidays=_days(mine.holidays, years),
        blackouts=told.blackouts,
        channels=mine.channels,
    )


def _days(region: str, years: Sequence[int]) -> tuple[date, ...]:
    return public_holidays(region, range(years[0], years[-1] + 1)) if region and years else ()
