"""What the daemon is told to do, as plain values: a child reads the home and says them as one JSON object.

So the process that must live for years never runs a job file and never pays for what reading a configuration needs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from opsbot import probing
from opsbot.model.maintenance import Maintenance
from opsbot.model.timetable import Overlap, Timetable
from opsbot.probing import Probe


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Where the web page listens and who may see it; `token` is the secret itself, "" for none."""

    listen: str = ""
    token: str = ""
    proxy_header: str = ""
    trusted_proxies: tuple[str, ...] = ()
    public_status: bool = False
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """A home as the daemon needs it, secrets resolved.

    `published` are the jobs whose runs become CloudWatch metrics. `problems` are the configuration's: with any of them
    nothing else here counts. `troubles` are job files that do not load; the other jobs run. `hash` names the home's
    content.
    """

    hash: str = ""
    zone: str = "UTC"
    store_url: str = ""
    store_password: str = ""
    timetables: tuple[Timetable, ...] = ()
    channels: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    probes: tuple[Probe, ...] = ()
    published: tuple[str, ...] = ()
    maintenance: tuple[Maintenance, ...] = ()
    parallel: int = 2
    memory: int = 0
    drain: timedelta = timedelta(seconds=25)
    heartbeat_url: str = ""
    heartbeat_metric: str = ""
    executor: str = "local"
    broker: str = ""
    logs_group: str = ""
    page: Page = Page()
    problems: tuple[str, ...] = ()
    troubles: tuple[str, ...] = ()

    def timetable(self, job: str) -> Timetable | None:
        return next((one for one in self.timetables if one.job == job), None)

    @property
    def overlaps(self) -> Mapping[str, Overlap]:
        """The jobs whose runs may be taken, disabled ones too: by hand they can always run."""
        return {one.job: one.overlap for one in self.timetables}


def write(orders: Orders) -> str:
    """One line of JSON; lengths in seconds, moments in ISO 8601."""
    return json.dumps(_plain(orders), ensure_ascii=False)


def read(text: str) -> Orders:
    """The inverse of `write`. Raises ValueError for anything else."""
    try:
        found: Orders = _typed(Orders, json.loads(text))
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"no orders: {error}") from error
    return found


def differences(old: Orders, new: Orders) -> tuple[str, ...]:
    """What a reload changed, one sentence each; no secret's value is in them."""
    before, after = ({one.job: one for one in orders.timetables} for orders in (old, new))
    told = [f"job {job} is new: {after[job].cron}" for job in after if job not in before]
    told += [f"job {job} is gone" for job in before if job not in after]
    for job in (job for job in after if job in before):
        told += [f"job {job}: {change}" for change in _changes(before[job], after[job])]
    told += _probes_changed(old.probes, new.probes)
    told += ["maintenance changed"] if old.maintenance != new.maintenance else []
    for name in (
        "zone",
        "channels",
        "environments",
        "parallel",
        "memory",
        "drain",
        "executor",
        "logs_group",
        "heartbeat_metric",
    ):
        was, now = getattr(old, name), getattr(new, name)
        told += [f"{name}: {_shown(was)} -> {_shown(now)}"] if was != now else []
    secret = ("store_url", "store_password", "heartbeat_url", "broker", "page")
    return tuple(told + [f"{name} changed" for name in secret if getattr(old, name) != getattr(new, name)])


def _probes_changed(old: tuple[Probe, ...], new: tuple[Probe, ...]) -> list[str]:
    """By name alone: what is sent to a target may be secret."""
    before, after = ({probe.name: probe for probe in probes} for probes in (old, new))
    told = [f"probe {name} is new" for name in after if name not in before]
    told += [f"probe {name} is gone" for name in before if name not in after]
    return told + [f"probe {name} changed" for name in after if name in before and before[name] != after[name]]


def _changes(old: Timetable, new: Timetable) -> list[str]:
    changed = [field.name for field in fields(Timetable) if getattr(old, field.name) != getattr(new, field.name)]
    brief = [name for name in changed if name not in ("holidays", "blackouts")]
    told = [f"{name}: {_shown(getattr(old, name))} -> {_shown(getattr(new, name))}" for name in brief]
    return told + [f"{name} changed" for name in changed if name not in brief]


def _shown(value: object) -> str:
    return (", ".join(map(str, value)) or "none") if isinstance(value, tuple) else str(value)


def _plain(value: Any) -> Any:
    if isinstance(value, Probe):
        return probing.plain(value)
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    if isinstance(value, timedelta):
        return value.total_seconds()
    return value.isoformat() if isinstance(value, date) else value


def _typed(kind: Any, value: Any) -> Any:
    """`value` as JSON has it, as the type that a field declares."""
    if kind == tuple[Probe, ...]:
        return probing.read(value)
    if get_origin(kind) is UnionType:
        return None if value is None else _typed(get_args(kind)[0], value)
    if get_origin(kind) is tuple:
        return tuple(_typed(get_args(kind)[0], one) for one in value)
    if is_dataclass(kind) and isinstance(kind, type):
        hints = get_type_hints(kind)
        return kind(**{name: _typed(hints[name], one) for name, one in value.items()})
    if kind is timedelta:
        return timedelta(seconds=value)
    if kind in (datetime, date):
        return kind.fromisoformat(value)
    return kind(value) if isinstance(kind, type) and issubclass(kind, StrEnum) else value
