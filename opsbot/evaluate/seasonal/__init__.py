"""Metric anomalies: a score for each point of a series from its own past, which are told, and in what words."""

from __future__ import annotations

from opsbot.evaluate.seasonal.score import State, advance
from opsbot.evaluate.seasonal.watch import Anomaly, Direction, Sensitivity, Watched, threshold, watch
from opsbot.evaluate.seasonal.words import sentence

__all__ = ["Anomaly", "Direction", "Sensitivity", "State", "Watched", "advance", "sentence", "threshold", "watch"]
