"""Synthetic probes: an engine that asks targets on fresh connections and says up or not, why, and where the time went."""

from opsbot.probes.engine import Done, Engine, Judge, probe

__all__ = ["Done", "Engine", "Judge", "probe"]
