"""Everything impure, as protocols; one conformance suite per port in `tests/contracts/`, run for every adapter."""

from __future__ import annotations

from opsbot.ports.alerts import Alerts, Step, Turn
from opsbot.ports.channel import Channel
from opsbot.ports.cloud import Ask, Cloud, CustomMetric, Estimate, MetricQuery, Reading
from opsbot.ports.ledger import Ledger
from opsbot.ports.logs import LogAnswer, LogGroup, LogQuery, Logs
from opsbot.ports.store import Artifact, History, Store
from opsbot.ports.uptime import Uptime
from opsbot.ports.world import Looking, Progress, World, quiet

__all__ = [
    "Alerts",
    "Artifact",
    "Ask",
    "Channel",
    "Cloud",
    "CustomMetric",
    "Estimate",
    "History",
    "Ledger",
    "LogAnswer",
    "LogGroup",
    "LogQuery",
    "Logs",
    "Looking",
    "MetricQuery",
    "Progress",
    "Reading",
    "Step",
    "Store",
    "Turn",
    "Uptime",
    "World",
    "quiet",
]
