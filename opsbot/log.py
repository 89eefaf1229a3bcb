"""Log lines on stderr: one event each, fixed words, fields as pairs; JSON in a container, text on a terminal.

The rest of opsbot logs through the standard library with `extra={...}`; here those fields become columns.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog

_OURS = ("opsbot",)


def configure(format: str, *, verbose: bool) -> None:
    """Send opsbot's log to stderr as `text` or `json`; `verbose` shows AWS calls (debug)."""
    shared: list[Any] = [
        structlog.stdlib.ExtraAdder(),
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.dict_tracebacks if format == "json" else structlog.processors.format_exc_info,
    ]
    renderer: Any = structlog.processors.JSONRenderer() if format == "json" else _plain
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    for name in _OURS:
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False
        logger.setLevel(logging.DEBUG if verbose else logging.WARNING if format == "text" else logging.INFO)


def _plain(logger: object, method: str, event: dict[str, Any]) -> str:
    time, level, words = event.pop("timestamp", ""), event.pop("level", ""), event.pop("event", "")
    fields = " ".join(f"{key}={value}" for key, value in sorted(event.items()))
    return f"{time} {level:<7} {words} {fields}".rstrip()
