"""Synthetic probes: an engine that asks targets on fresh connections and says up or not, why, and where the time went."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opsbot.probes.engine import Done, Engine, Judge, probe

__all__ = ["Done", "Engine", "Judge", "probe"]


def __getattr__(name: str) -> Any:
    # The daemon's web page takes heartbeats and needs no engine: that is imported with its first use.
    if name in __all__:
        return getattr(import_module("opsbot.probes.engine"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
