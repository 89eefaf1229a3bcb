"""Whether the daemon is alive and takes runs, for those who restart it: short answers, no store, nothing to wait for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from opsbot.model.vitals import Vitals
from opsbot.web.parts import Broken, part

Answer = tuple[int, dict[str, Any]]


def alive(vitals: Callable[[], Vitals], *, in_full: bool) -> Answer:
    """200 while every loop moves, 503 once one stands still. What went wrong in a loop only those see who may look."""
    told = part("vitals", vitals)
    if isinstance(told, Broken):
        return 503, {"alive": False, "why": "the daemon does not answer"}
    loops = [_loop(beat.loop, beat.period, beat.age, beat.stalled) for beat in told.beats]
    if in_full:
        loops = [loop | {"error": beat.error} for loop, beat in zip(loops, told.beats, strict=True)]
    return 200 if told.alive else 503, {"alive": told.alive, "loops": loops}


def ready(vitals: Callable[[], Vitals]) -> Answer:
    """200 while it takes runs; 503 while it drains or cannot."""
    told = part("vitals", vitals)
    if isinstance(told, Broken):
        return 503, {"ready": False, "draining": False}
    return 200 if told.ready else 503, {"ready": told.ready, "draining": told.draining}


def _loop(name: str, period: float, age: float, stalled: bool) -> dict[str, Any]:
    return {"loop": name, "period": round(period, 3), "age": round(age, 3), "stalled": stalled}
