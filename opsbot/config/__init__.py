"""The home's config.toml: read whole, every problem at once, in the order of the file; frozen from then on.

The tables of checks, channels and a job's own settings stay raw here: each kind knows its own keys, and
`opsbot.validation` asks them.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from opsbot.alerting.policy import Policy
from opsbot.config import rules
from opsbot.config.budgets import budgets
from opsbot.config.file import Defaults, EnvironmentTable, File, own_settings
from opsbot.config.lines import Lines
from opsbot.config.maintenance import windows
from opsbot.config.probes import ProbeTable
from opsbot.config.problems import show_path, tellable, translate
from opsbot.config.routes import policy
from opsbot.config.serving import DaemonTable, JobTable, WebTable
from opsbot.errors import Problem
from opsbot.model.budget import OwnBudget
from opsbot.model.environment import Environment
from opsbot.model.maintenance import Maintenance
from opsbot.model.timetable import Blackout, CatchUp, Overlap

NAME = "config.toml"
LARGEST = 1024 * 1024
DEEPEST = 32
LONGEST = 500
_AT = re.compile(r"(?P<what>.*) \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)", re.DOTALL)
_TWICE = re.compile(r"Cannot declare \((?P<keys>.*)\) twice")
# tomllib says what its grammar wanted; these say what a person has to write.
_SYNTAX = {
    "Invalid value": 'expected a value: "text", a number, true, false, a [list] or a {table = "..."}',
    "Invalid statement": "expected a key such as name = ..., a [table] or an [[entry of a list]]",
    "Illegal character '\\n'": "the text that was opened with a quote is not closed on its line",
    "Expected newline or end of document after a statement": "expected the line to end here; text stands in quotes, "
    "and no number begins with 0",
    "Invalid initial character for a key part": "expected a key; a {table} in one value stands on one line",
    "Invalid hex value": 'a "\\" in "text" begins an escape; put text with backslashes into \'single quotes\'',
    "Unescaped '\\' in a string": 'a "\\" in "text" begins an escape; put text with backslashes into \'single quotes\'',
    "Cannot overwrite a value": "this key has a value already; keep one of the two",
    "Unclosed array": "the list that was opened with [ is not closed",
    "Unterminated string": "the text that was opened with a quote is not closed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class JobConfig:
    """`[jobs.<name>]`: None where the job file's own word holds; `settings` are the job's own, still raw.

    `holidays` names a region such as "DE-BW", or is "".
    """

    name: str
    schedule: str | None = None
    enabled: bool = True
    channels: tuple[str, ...] = ()
    timeout: timedelta | None = None
    catch_up: CatchUp = CatchUp.LATEST
    catch_up_max: int = 5
    catch_up_window: timedelta = timedelta(days=7)
    overlap: Overlap = Overlap.SKIP
    retries: int = 1
    retry_after: timedelta = timedelta(minutes=1)
    jitter: timedelta = timedelta(0)
    business_days: bool = False
    holidays: str = ""
    publish: bool = False
    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What config.toml says. `checks` and `channels` are raw tables; `coverage_min` of the defaults is in percent,
    `store_password` a reference or "". `break_glass`: for a P0 a plan may be carried out without an approval."""

    timezone: str
    defaults: Defaults
    environments: tuple[Environment, ...]
    checks: tuple[Mapping[str, Any], ...]
    jobs: Mapping[str, JobConfig]
    channels: Mapping[str, Mapping[str, Any]]
    store_url: str
    url_base: str
    store_password: str = ""
    blackouts: tuple[Blackout, ...] = ()
    maintenance: tuple[Maintenance, ...] = ()
    budgets: tuple[OwnBudget, ...] = ()
    probes: tuple[ProbeTable, ...] = ()
    policy: Policy = field(default_factory=Policy)
    break_glass: bool = False
    daemon: DaemonTable = field(default_factory=DaemonTable)
    web: WebTable = field(default_factory=WebTable)

    def job(self, name: str) -> JobConfig:
        """What is configured for a job; a job the file does not mention runs as its own file says."""
        return self.jobs.get(name) or JobConfig(name=name, settings={})


@dataclass(frozen=True, kw_only=True)
class Draft:
    """config.toml as far as it could be read: `tables` as they stand, and `config` only if nothing was wrong."""

    text: str
    tables: Mapping[str, Any]
    config: Config | None
    problems: tuple[Problem, ...]

    @cached_property
    def lines(self) -> Lines:
        return Lines(self.text)

    def in_order(self, problems: Iterable[Problem]) -> list[Problem]:
        """Problems of this file in the order of its lines, each naming it; an unreadable file has one problem."""
        if not self.tables:
            return list(problems)
        placed = [(self.lines.of_shown(problem.where, NAME), problem) for problem in problems]
        placed.sort(key=lambda pair: pair[0])
        return [
            Problem(tellable(problem.where, LONGEST), f"{tellable(problem.what, LONGEST)} (line {line})")
            for line, problem in placed
        ]


def load(path: Path) -> tuple[Config | None, list[Problem]]:
    """Read and check a config.toml by itself; never raises for what stands in it. None if there is any problem."""
    draft = read(path)
    return draft.config, draft.in_order(draft.problems)


def read(path: Path) -> Draft:
    """The same, keeping what could be read; the problems are not yet in order and carry no lines."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        return _unread(Problem(NAME, f"cannot be read from {path.parent}: {(error.strerror or 'unknown').lower()}"))
    if len(content) > LARGEST:
        return _unread(Problem(NAME, f"expected at most {LARGEST:,} bytes; is this the right file?"))
    return parse(content)


def parse(content: bytes) -> Draft:
    """A config.toml from its bytes."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - content.rfind(b"\n", 0, error.start)
        return _unread(Problem(f"{NAME}:{line}:{column}", "expected UTF-8 text; save the file as UTF-8"))
    text = text.replace("\r\n", "\n")
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return _unread(_syntax(str(error), text))
    except (ValueError, OverflowError):
        # Python's own limit on the digits of a number; tomllib lets it through.
        return _unread(Problem(f"{NAME}:{_line_with(text, r'[0-9_]{1000}')}", "a number has too many digits"))
    except RecursionError:
        return _unread(_too_deep(text))
    if rules.deeper_than(tables, DEEPEST):
        return _unread(_too_deep(text))
    # The format's own limit; beyond it Python would refuse to print the number in an error.
    if rules.holds_number_beyond(tables, 2**63):
        return _unread(Problem(f"{NAME}:{_line_with(text, r'[0-9A-Fa-f_]{17}')}", "a number has too many digits"))
    return _check(text, tables)


def _check(text: str, tables: dict[str, Any]) -> Draft:
    found = list(rules.secrets_in_clear(tables))
    told = {path for path, _ in found}
    file: File | None = None
    try:
        file = File.model_validate(tables)
    except ValidationError as error:
        found += [pair for pair in translate(error, File) if pair[0] not in told]
    told |= {path for path, _ in found}
    found += [pair for pair in rules.between_keys(tables) if pair[0] not in told]
    problems = tuple(Problem(show_path(NAME, path), what) for path, what in found)
    return Draft(text=text, tables=tables, config=_config(file) if file and not problems else None, problems=problems)


def _config(file: File) -> Config:
    return Config(
        timezone=file.timezone,
        defaults=file.defaults,
        environments=tuple(map(_environment, file.environments)),
        checks=file.checks,
        jobs={rules.job_name(name): _job(name, table) for name, table in file.jobs.items()},
        channels=file.channels,
        store_url=file.store.url,
        store_password=file.store.password or "",
        url_base=(file.reports.url_base or "").rstrip("/"),
        blackouts=tuple(
            Blackout(start=row.start, end=row.end, reason=row.reason, jobs=row.jobs) for row in file.blackouts
        ),
        maintenance=windows(file.maintenance, file.timezone),
        policy=policy(
            file.routes, file.dependencies, file.alerts, windows(file.maintenance, file.timezone), file.channels
        ),
        budgets=budgets(file.budgets),
        probes=file.probes,
        break_glass=file.runbooks.break_glass,
        daemon=file.daemon,
        web=file.web,
    )


def _job(name: str, table: JobTable) -> JobConfig:
    return JobConfig(
        name=rules.job_name(name),
        schedule=table.schedule,
        enabled=table.enabled,
        channels=table.channels,
        timeout=table.timeout,
        catch_up=CatchUp(table.catch_up),
        catch_up_max=table.catch_up_max,
        catch_up_window=table.catch_up_window,
        overlap=Overlap(table.overlap),
        retries=table.retries,
        retry_after=table.retry_after,
        jitter=table.jitter or timedelta(0),
        business_days=table.business_days,
        holidays=table.holidays or "",
        publish=table.publish,
        settings=own_settings(table),
    )


def _environment(table: EnvironmentTable) -> Environment:
    return Environment(
        name=table.name,
        regions=table.regions,
        account_id=table.account_id or "",
        tenant=table.tenant or "",
        tier=table.tier or "",
        role_arn=table.role_arn,
        profile=table.profile,
        external_id=table.external_id,
        labels=tuple(sorted(table.labels.items())),
        payer=table.payer,
        cost_export=table.cost_export or "",
        remediation_role_arn=table.remediation_role_arn,
    )


def _unread(problem: Problem) -> Draft:
    return Draft(text="", tables={}, config=None, problems=(problem,))


def _too_deep(text: str) -> Problem:
    lines = text.split("\n")
    nested = max(range(len(lines)), key=lambda place: sum(lines[place].count(sign) for sign in "[{."))
    return Problem(f"{NAME}:{nested + 1}", f"tables or lists stand more than {DEEPEST} deep; nothing here needs that")


def _line_with(text: str, pattern: str) -> int:
    match = re.search(pattern, text)
    return text.count("\n", 0, match.start()) + 1 if match else 1


def _syntax(message: str, text: str) -> Problem:
    """tomllib's complaint as `config.toml:LINE:COLUMN: what`."""
    match = _AT.fullmatch(message)
    what = match["what"] if match else message
    line, column = (int(match["line"]), int(match["column"])) if match and match["line"] else _end(text)
    return Problem(f"{NAME}:{line}:{column}", tellable(_plain_words(what), LONGEST))


def _plain_words(what: str) -> str:
    if twice := _TWICE.fullmatch(what):
        name = ".".join(re.findall(r"'([^']*)'", twice["keys"]))
        return f"the table [{name}] stands here a second time; put its keys under the first"
    return _SYNTAX.get(what) or what[:1].lower() + what[1:]


def _end(text: str) -> tuple[int, int]:
    return text.count("\n") + 1, len(text) - text.rfind("\n")
