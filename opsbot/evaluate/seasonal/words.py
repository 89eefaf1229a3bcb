"""An anomaly in words for people: `highest in 14 days, 3.1x the usual Tuesday 09:00`."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo

from opsbot.evaluate.seasonal.days import DAY, DAYS
from opsbot.evaluate.seasonal.watch import Anomaly

_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
# Less than twice (more than half) is said in percent: 1.2x reads like nothing.
_TIMES = 2.0
# A record of less than two days is none.
_RECORD = 2 * DAY


def sentence(anomaly: Anomaly, zone: tzinfo = UTC) -> str:
    """What is unusual, lower case and without a full stop; the time of day is told in `zone`."""
    return ", ".join(part for part in (_record(anomaly), _beside(anomaly, zone)) if part)


def _record(anomaly: Anomaly) -> str:
    if anomaly.record < _RECORD:
        return ""
    return f"{'highest' if anomaly.up else 'lowest'} in {min(anomaly.record // DAY, DAYS)} days"


def _beside(anomaly: Anomaly, zone: tzinfo) -> str:
    at = datetime.fromtimestamp(anomaly.time, zone)
    clock = f"{at:%H:%M}{' UTC' if zone is UTC else ''}"
    when = f"{_NAMES[at.weekday()]} {clock}" if anomaly.weekday else clock
    value, usual = anomaly.value, anomaly.usual
    if usual == 0 or (value < 0) != (usual < 0):
        return f"against {usual:.4g} on a usual {when}" if anomaly.weekday else f"against {usual:.4g} usually at {when}"
    ratio = value / usual
    if ratio >= _TIMES:
        return f"{ratio:.1f}x the usual {when}" if ratio < 10 else f"{ratio:,.0f}x the usual {when}"
    return f"{abs(ratio - 1) * 100:.0f} % {'over' if abs(ratio) > 1 else 'under'} the usual {when}"
