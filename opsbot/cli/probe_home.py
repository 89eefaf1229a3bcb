"""What `opsbot probe NAME` needs of a home: its probes, and where its heartbeats are called and kept."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path

from opsbot import app, config, home
from opsbot.config import NAME, Config, rules
from opsbot.config.problems import show_path
from opsbot.errors import ConfigError, OpsbotError, Problem
from opsbot.home import Home
from opsbot.model.heartbeat import Pulse
from opsbot.probes import heartbeat, online
from opsbot.probes.plan import plan
from opsbot.probing import Probe, resolved
from opsbot.store.heartbeats import SqlHeartbeats

_EVERYWHERE = ("0.0.0.0", "[::]", "")  # noqa: S104  compared with, not listened on


def probes(option: Path | None) -> tuple[Probe, ...]:
    """Those of config.toml, read by itself: no job file is run. Raises ConfigError with every problem."""
    place = _place(option)
    draft = config.read(place.config)
    told = draft.config
    environments = told.environments if told else ()
    zone = told.timezone if told else "UTC"
    found, mistakes = plan(rules.rows(draft.tables, "probes"), environments, zone) if told else ((), [])
    problems = [*draft.problems, *(Problem(show_path(NAME, path), what) for path, what in mistakes)]
    if problems:
        raise ConfigError(draft.in_order(problems))
    return found


def with_secrets(found: Sequence[Probe]) -> tuple[Probe, ...]:
    """The probes with their secrets in their places. Raises ConfigError naming each one that cannot be read."""
    problems: dict[str, Problem] = {}
    for one in found:
        for place, reference in one.secrets:
            try:
                app.secret(reference)
            except OpsbotError as error:
                problems.setdefault(reference, Problem(f'probe "{one.name}", {online.key_of(place)}', error.message))
    if problems:
        raise ConfigError(problems.values())
    return tuple(resolved(one, app.secret) for one in found)


def pulses(option: Path | None) -> Mapping[str, Pulse]:
    """What the heartbeats said last. Raises ConfigError, StoreError."""
    place, told = _told(option)
    return SqlHeartbeats(app.store_of(place, told).engine).pulses()


def urls(option: Path | None, names: Sequence[str]) -> list[tuple[str, str]]:
    """(name, address to call) of heartbeats. Raises ConfigError, StoreError, and OpsbotError if there is no page."""
    place, told = _told(option)
    if not told.web.listen:
        raise OpsbotError(
            "config.toml.web.listen: there is no web page, so nothing could be called",
            hint='set listen = "127.0.0.1:8080" in [web], and run: opsbot serve',
        )
    key = SqlHeartbeats(app.store_of(place, told).engine).key()
    return [(name, f"http://{_page(told.web.listen)}/ping/{heartbeat.address(key, name)}") for name in names]


def _page(listen: str) -> str:
    """Where the page is called: one that listens everywhere by this machine's name."""
    host, _, port = listen.rpartition(":")
    return f"{platform.node()}:{port}" if host in _EVERYWHERE else listen


def _told(option: Path | None) -> tuple[Home, Config]:
    place = _place(option)
    return place, app.config_of(place)


def _place(option: Path | None) -> Home:
    return home.find(option, os.environ, Path.cwd())
