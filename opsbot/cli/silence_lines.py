"""Silences as rows for a terminal and as plain values for JSON."""

from __future__ import annotations

import shlex
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opsbot.model.alert import Silence


def matchers(silence: Silence) -> str:
    """As they are typed."""
    from opsbot.render.format import clean

    return " ".join(shlex.quote(clean(f"{name}={glob}")) for name, glob in silence.match)


def line(silence: Silence, zone: str, now: datetime) -> str:
    from opsbot.render.format import brief, clean

    if silence.ended_at is not None:
        when = f"ended {brief(silence.ended_at, zone, now)}"
    elif not silence.holds(now):
        when = "over"
    else:
        until = " or until resolved" if silence.until_resolved else ""
        when = f"until {silence.ends_at.astimezone(_zone(zone)):%a %d %b %H:%M}{until}"
    return f"{silence.id}  {when}  {matchers(silence)}  by {clean(silence.owner)}: {clean(silence.reason)}"


def plain(silence: Silence, now: datetime) -> dict[str, Any]:
    from opsbot.render.format import clean, utc

    return {
        "id": silence.id,
        "match": {clean(name): clean(glob) for name, glob in silence.match},
        "owner": clean(silence.owner),
        "reason": clean(silence.reason),
        "starts_at": utc(silence.starts_at),
        "ends_at": utc(silence.ends_at),
        "until_resolved": silence.until_resolved,
        "ended_at": utc(silence.ended_at) if silence.ended_at else None,
        "holds": silence.holds(now),
    }


def _zone(name: str) -> Any:
    from opsbot.render.format import zone

    return zone(name)
