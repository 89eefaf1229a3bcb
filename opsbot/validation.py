"""The whole home judged at once: configuration, checks, channels, jobs; every problem in the order of the file.

Each part knows its own tables: the catalogue its checks, a channel its settings, a job file its own. Here they meet.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any

from pydantic import BaseModel, ValidationError

from opsbot import channels, config
from opsbot.checks import catalogue
from opsbot.checks.catalogue import Catalogue
from opsbot.config import NAME, Config, Draft, JobConfig, rules
from opsbot.config.file import Defaults, File
from opsbot.config.problems import nearest, problems_of, show_path
from opsbot.config.serving import JobTable
from opsbot.errors import ConfigError, Problem
from opsbot.home import Home, JobFile, load_job
from opsbot.job import Job, Settings
from opsbot.model.environment import Environment
from opsbot.probes.plan import plan
from opsbot.probing import Probe
from opsbot.schedule import parse
from opsbot.timetable import public_holidays

Tables = Mapping[str, Any]
Jobs = Mapping[str, tuple[JobFile, Job[Any]]]


@dataclass(frozen=True, kw_only=True)
class House:
    """A home that was read: what is right in it, and every problem. Nothing may run while there is one."""

    home: Home
    draft: Draft
    problems: tuple[Problem, ...]
    catalogue: Catalogue
    jobs: Jobs
    probes: tuple[Probe, ...] = ()

    @cached_property
    def config(self) -> Config:
        """Raises ConfigError with every problem, if there is one."""
        if self.problems or self.draft.config is None:
            raise ConfigError(self.problems)
        return self.draft.config


def validate(home: Home) -> list[Problem]:
    """Every problem of a home, in the order of its files; empty if it can be used."""
    return list(read(home).problems)


def read(home: Home) -> House:
    """Read a whole home; never raises for what stands in it."""
    return judge(home, config.read(home.config), *load_jobs(home))


def judge(home: Home, draft: Draft, jobs: Jobs, in_files: Sequence[Problem]) -> House:
    """The parts of a home against one another; `jobs` are those that loaded, `in_files` why others did not."""
    defaults = draft.config.defaults if draft.config else Defaults()
    checks, in_checks = catalogue.load(
        _checks(draft.tables),
        _environments(draft.tables),
        file=NAME,
        settle=defaults.settle,
        missing=defaults.missing,
    )
    probes, in_probes = plan(
        rules.rows(draft.tables, "probes"),
        _environments(draft.tables),
        draft.config.timezone if draft.config else "UTC",
    )
    # What the file as a whole says of a key, such as a secret in clear, is not said again by the part it belongs to.
    told = {problem.where for problem in draft.problems}
    in_parts = [*in_checks, *_in_runbooks(draft.tables, home), *_in_channels(draft.tables)]
    in_parts += [Problem(show_path(NAME, path), what) for path, what in in_probes]
    in_parts += [*_in_jobs(draft.tables, jobs, home), *_in_holidays(draft), *_in_blackouts(draft.tables, home)]
    in_parts += _in_maintenance(draft, checks, probes)
    in_config = [*draft.problems, *(problem for problem in in_parts if problem.where not in told)]
    problems = (*draft.in_order(in_config), *in_files)
    return House(home=home, draft=draft, problems=problems, catalogue=checks, jobs=jobs, probes=probes)


def settings_of(job: Job[Any], table: Tables) -> Settings:
    """A job's own settings from its table, or from `--set`. Raises ConfigError that names every key at fault."""
    try:
        settings: Settings = job.settings.model_validate(dict(table))
    except ValidationError as error:
        raise ConfigError(problems_of(error, job.settings, "settings")) from None
    return settings


def schedule_of(job: Job[Any], configured: JobConfig) -> str:
    """When a job runs: as config.toml says, else as its own file says."""
    return configured.schedule or job.schedule


def _checks(tables: Tables) -> list[Mapping[str, object]]:
    """The `[[checks]]`; none while one of them is no table, because problems name checks by their place."""
    found: list[Mapping[str, object]] = [dict(row) for _, row in rules.rows(tables, "checks")]
    return found if isinstance(tables.get("checks"), list) and len(found) == len(tables["checks"]) else []


def _environments(tables: Tables) -> list[Environment]:
    """As far as they can be told: an override that names a half-wrong one is not called unknown for that."""
    told = []
    for _, row in rules.rows(tables, "environments"):
        texts = {key: row[key] for key in ("name", "tenant", "tier") if isinstance(row.get(key), str)}
        regions = tuple(region for _, region in rules.texts(row.get("regions")))
        if "name" in texts:
            told.append(Environment(**texts, regions=regions or ("us-east-1",), labels=_labels(row.get("labels"))))
    return told


def _labels(value: object) -> tuple[tuple[str, str], ...]:
    pairs = value.items() if isinstance(value, dict) else ()
    return tuple(sorted((key, text) for key, text in pairs if isinstance(text, str)))


def _in_runbooks(tables: Tables, home: Home) -> Iterator[Problem]:
    """What checks and their overrides name must be there: at 3 am a report tells somebody to open it."""
    files = [file.name for file in home.runbooks()]
    for path, table in _with_runbooks(tables):
        name = table.get("runbook")
        if isinstance(name, str) and name and name not in files:
            where = show_path(NAME, (*path, "runbook"))
            yield Problem(where, f'there is no runbook "{name}"{nearest(name, files) or "; put it into runbooks/"}')


def _with_runbooks(tables: Tables) -> Iterator[tuple[tuple[str | int, ...], Tables]]:
    for place, check in rules.rows(tables, "checks"):
        yield ("checks", place), check
        yield from ((("checks", place, "overrides", name), table) for name, table in rules.named(check, "overrides"))
    yield from ((("probes", place), probe) for place, probe in rules.rows(tables, "probes"))


def _in_channels(tables: Tables) -> Iterator[Problem]:
    for name, table in rules.named(tables, "channels"):
        yield from channels.decode(name, table)[1]


def load_jobs(home: Home) -> tuple[Jobs, list[Problem]]:
    """Every job file, the home's and the shipped; those that cannot be used are problems instead."""
    jobs: dict[str, tuple[JobFile, Job[Any]]] = {}
    problems: list[Problem] = []
    for file in home.jobs():
        try:
            job = load_job(file)
        except ConfigError as error:
            problems += error.problems
            continue
        wrong = list(_in_job(file, job))
        problems += wrong
        if not wrong:
            jobs[file.name] = file, job
    return jobs, problems


def _in_job(file: JobFile, job: Job[Any]) -> Iterator[Problem]:
    """What a job file sets, as far as a type checker would have told: people write these by hand."""
    if not file.name.isidentifier():
        yield Problem(file.shown, 'expected a name of letters, digits and "_" such as daily_health.py')
    run: object = job.run
    if not callable(run):
        found = type(run).__name__
        yield Problem(file.shown, f"run: expected a function of a Context and the settings, got {found}")
    if not (isinstance(job.settings, type) and issubclass(job.settings, Settings)):
        yield Problem(file.shown, "settings: expected a class that derives from opsbot.api.Settings")
    yield from _lengths(file, job)
    yield from _in_schedule(f"{file.shown}: schedule", job.schedule)


def _lengths(file: JobFile, job: Job[Any]) -> Iterator[Problem]:
    for name in ("window", "timeout"):
        length: object = getattr(job, name)
        if not isinstance(length, dt.timedelta) or length <= dt.timedelta(0):
            yield Problem(
                file.shown, f"{name}: expected a timedelta above zero such as timedelta(hours=24), got {length!r}"
            )


def _in_schedule(where: str, text: object) -> Iterator[Problem]:
    if not isinstance(text, str):
        yield Problem(where, f"expected text such as '0 7 * * MON-FRI', got {type(text).__name__}")
        return
    try:
        parse(text)
    except ValueError as error:
        yield Problem(where, str(error))


def _in_jobs(tables: Tables, jobs: Jobs, home: Home) -> Iterator[Problem]:
    files = [file.name for file in home.jobs()]
    for name, table in rules.named(tables, "jobs"):
        where = show_path(NAME, ("jobs", name))
        known = rules.job_name(name)
        if known not in files:
            yield Problem(where, f'there is no job "{name}"{nearest(known, files) or "; put its file into jobs/"}')
        elif known in jobs:
            yield from _in_settings(where, jobs[known][1], table)


def _in_holidays(draft: Draft) -> Iterator[Problem]:
    for name, table in rules.named(draft.tables, "jobs"):
        region = table.get("holidays")
        if isinstance(region, str) and region:
            try:
                public_holidays(region, range(2026, 2027))
            except ValueError as error:
                yield Problem(show_path(NAME, ("jobs", name, "holidays")), str(error))


def _in_blackouts(tables: Tables, home: Home) -> Iterator[Problem]:
    files = [file.name for file in home.jobs()]
    for place, row in rules.rows(tables, "blackouts"):
        for index, glob in rules.texts(row.get("jobs")):
            if not any(fnmatchcase(name, glob) for name in files):
                where = show_path(NAME, ("blackouts", place, "jobs", index))
                yield Problem(where, f"no job is called {glob!r}{nearest(glob, files)}")


def _in_maintenance(draft: Draft, checks: Catalogue, probes: Sequence[Probe]) -> Iterator[Problem]:
    """Globs that nothing answers to: the window would excuse nothing, and people would find out that night."""
    known = {
        "environments": [environment.name for environment in _environments(draft.tables)],
        "probes": [probe.name for probe in probes],
        "checks": [check.name for check in checks.checks],
    }
    # While a probe is wrong there are none to compare with.
    told = [key for key in known if key != "probes" or probes or not draft.tables.get("probes")]
    for place, row in rules.rows(draft.tables, "maintenance"):
        for key in told:
            for index, glob in rules.texts(row.get(key)):
                if glob != "*" and not any(fnmatchcase(name, glob) for name in known[key]):
                    where = show_path(NAME, ("maintenance", place, key, index))
                    yield Problem(where, f"no {key.removesuffix('s')} is called {glob!r}{nearest(glob, known[key])}")


def _in_settings(where: str, job: Job[Any], table: Tables) -> Iterator[Problem]:
    own = {key: value for key, value in table.items() if key not in JobTable.model_fields}
    model: type[BaseModel] = job.settings
    try:
        model.model_validate(own)
    except ValidationError as error:
        yield from problems_of(error, model, where, known=list(JobTable.model_fields))


def schema() -> dict[str, Any]:
    """The JSON Schema of config.toml, for editors; each kind of channel with its own keys."""
    whole = File.model_json_schema()
    whole["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    whole["title"] = "opsbot config.toml"
    kinds = [_channel_schema(kind, model) for kind, model in channels.SETTINGS.items()]
    for kind in kinds:
        whole["$defs"] |= kind.pop("$defs", {})
    whole["properties"]["channels"]["additionalProperties"] = {"oneOf": kinds}
    return whole


def _channel_schema(kind: str, model: type[BaseModel]) -> dict[str, Any]:
    shape = model.model_json_schema()
    shape.setdefault("properties", {})["kind"] = {"const": kind}
    shape["required"] = sorted({*shape.get("required", ()), "kind"})
    return shape
