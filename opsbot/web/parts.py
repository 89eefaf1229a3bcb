"""A page is made of parts, and one that cannot be read never takes the others with it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from opsbot.errors import OpsbotError

log = logging.getLogger("opsbot.web")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Broken:
    """Stands where a part would: `why` is for the visitor, the trace is in the log."""

    why: str


def part(name: str, read: Callable[[], T]) -> T | Broken:
    """The part, or why it is not there."""
    try:
        return read()
    except OpsbotError as error:
        log.warning("part of a page unreadable", extra={"part": name, "error": error.message})
        return Broken(error.message)
    except Exception as error:  # noqa: BLE001  a part of a page may be wrong in any way; the others must still be shown
        _noted(name, error)
        return Broken("the log says why")


def _noted(name: str, error: Exception) -> None:
    log.error("part of a page broken", exc_info=error, extra={"part": name})


def whole(value: T | Broken, otherwise: T) -> T:
    """The part's value for others to work with, where it could be read."""
    return otherwise if isinstance(value, Broken) else value
