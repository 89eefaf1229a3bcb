"""The daemon's log as a person at a terminal likes to read it: the time, what it is about, a sentence."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

_USUAL = frozenset((*vars(logging.makeLogRecord({})), "message", "asctime", "taskName", "job", "run", "worker"))
_WIDTH = 18


def _seconds(value: object) -> str:
    seconds = float(str(value))
    return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds // 60)} min {int(seconds % 60)} s"


def _started(told: Mapping[str, Any]) -> str:
    return "started" if told.get("attempt", 1) == 1 else f"started, attempt {told['attempt']}"


def _ended(told: Mapping[str, Any]) -> str:
    what = told.get("headline") or told.get("verdict") or told.get("state") or "ended"
    why = f": {told['reason']}" if told.get("reason") else ""
    again = f"; again at {told['again']}" if told.get("again") not in (None, "no") else ""
    return f"{what}{why} ({_seconds(told.get('seconds', 0))}, {told.get('peak_mb', 0)} MB){again}"


_SENTENCES: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "run queued": lambda told: (
        "due" if told.get("late_seconds", 0) < 60 else f"made up for, {_seconds(told['late_seconds'])} late"
    ),
    "run skipped": lambda told: f"skipped: {told['reason']}",
    "run started": _started,
    "run ended": _ended,
    "run is given up": lambda told: f"given up: {told['reason']}",
    "configuration changed": lambda told: f"configuration: {told['change']}",
    "configuration not taken over": lambda told: f"not taken over: {told['problem']}",
    "serving": lambda told: "",
    "draining": lambda told: "",
    "stopped": lambda told: "stopped",
    "upkeep done": lambda told: "",
    "configuration taken over": lambda told: "configuration taken over" if told["changes"] else "",
}


class Spoken(logging.Formatter):
    """Lines in the home's zone. What has no sentence of its own is said with its fields behind it."""

    def __init__(self, zone: str) -> None:
        super().__init__()
        self._zone = ZoneInfo(zone)

    def format(self, record: logging.LogRecord) -> str:
        told = {key: value for key, value in vars(record).items() if key not in _USUAL}
        known = vars(record)
        event = record.getMessage()
        say = _SENTENCES.get(event)
        sentence = say(known) if say else " ".join([event, *(f"{key}={value}" for key, value in told.items())])
        at = datetime.fromtimestamp(record.created, UTC).astimezone(self._zone)
        whose = str(known.get("job", "")) or (
            "opsbot" if record.levelno < logging.WARNING else record.levelname.lower()
        )
        return f"{at:%H:%M:%S}  {whose:<{_WIDTH}}  {sentence}" if sentence else ""


def speak(zone: str) -> None:
    """Say the log so from now on."""
    shown = [one for one in logging.getLogger("opsbot").handlers if isinstance(one, logging.StreamHandler)]
    for handler in shown:
        handler.setFormatter(Spoken(zone))
        # A line that says nothing at a terminal is not said.
        handler.addFilter(_worth_saying)


def _worth_saying(record: logging.LogRecord) -> bool:
    say = _SENTENCES.get(record.getMessage())
    return say is None or say(vars(record)) != ""
