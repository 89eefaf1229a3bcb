"""What callers changed while the embedded AWS runs: rollouts, limits, executions; and the events that tell of it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from opsbot.replica.remedies import Taken

if TYPE_CHECKING:
    from opsbot.replica.world import World

Target = tuple[str, str, str]
"""An account, a region and the name of what was changed."""


@dataclass(slots=True)
class Rollout:
    """An ECS service as somebody set it: `seen` counts how often it was described since, which is what time is here."""

    number: int
    desired: int
    definition: str
    at: datetime
    seen: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One change as CloudTrail keeps it."""

    account: str
    region: str
    at: datetime
    who: str
    name: str
    source: str
    resources: tuple[tuple[str, str], ...]
    body: Mapping[str, Any] = field(default_factory=dict)
    """More of what CloudTrail writes down: who called from where, what was asked and answered."""


@dataclass(slots=True)
class Doings:
    """Everything that was changed; handlers hold `lock` while they read and write."""

    rollouts: dict[Target, Rollout] = field(default_factory=dict)
    reserved: dict[Target, int] = field(default_factory=dict)
    aliases: dict[Target, tuple[str, int]] = field(default_factory=dict)
    """The version and how often it was set."""
    executions: dict[Target, list[dict[str, Any]]] = field(default_factory=dict)
    """By document."""
    tokens: dict[str, str] = field(default_factory=dict)
    """Client tokens and the execution each one started."""
    commands: dict[Target, list[dict[str, Any]]] = field(default_factory=dict)
    """By document, what was sent to machines."""
    sizes: dict[Target, list[tuple[datetime, int]]] = field(default_factory=dict)
    """How many machines a group was told to have, and when."""
    stacks: dict[Target, datetime] = field(default_factory=dict)
    """When the update of a stack was taken back."""
    muted: dict[Target, bool] = field(default_factory=dict)
    """Alarms whose actions somebody switched off, or on."""
    queries: dict[str, dict[str, Any]] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    taken: list[Taken] = field(default_factory=list)
    """What may cure something, in the order done; only ever added to."""
    left: tuple[int, World] | None = None
    """The world as so many of those have left it."""
    lock: threading.RLock = field(default_factory=threading.RLock)
