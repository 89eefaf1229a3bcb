"""What the page is shown of the daemon it lives in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from opsbot.model.maintenance import Maintenance
from opsbot.model.timetable import Timetable
from opsbot.model.vitals import Vitals
from opsbot.probing import Probe
from opsbot.store.sql import SqlStore
from opsbot.web.settings import WebSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Inside:
    """`prefix` is the path below which the page lives behind a proxy, "" or such as "/opsbot". `logs` is the folder that
    `Run.log` names its files in. `environments` are those configured: only with them can the page name the healthy ones.
    """

    store: SqlStore
    now: Callable[[], datetime]
    vitals: Callable[[], Vitals]
    timetables: Callable[[], tuple[Timetable, ...]]
    settings: WebSettings
    zone: str = "UTC"
    version: str = ""
    prefix: str = ""
    logs: Path | None = None
    environments: Callable[[], tuple[str, ...]] = tuple
    probes: Callable[[], tuple[Probe, ...]] = tuple
    maintenance: Callable[[], tuple[Maintenance, ...]] = tuple
