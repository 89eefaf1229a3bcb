"""A replay for programs: one object, schema `opsbot.backtest/1`, described in docs/schemas/backtest.schema.json."""

from __future__ import annotations

from datetime import date

from opsbot.evaluate.backtest import Alarm, CostReplay, MetricReplay, Said, Track
from opsbot.evaluate.seasonal import Anomaly, sentence
from opsbot.model.period import from_epoch
from opsbot.render.format import utc

SCHEMA = "opsbot.backtest/1"
Object = dict[str, object]


def of_metric(replay: MetricReplay, name: str) -> Object:
    how = replay.how
    return {
        "schema": SCHEMA, "kind": "metric", "file": name,
        "window": {"start": utc(from_epoch(replay.first)), "end": utc(from_epoch(replay.last))},
        "points": replay.points, "repeated": replay.repeated, "learnt": replay.learnt,
        "sensitivity": {
            "direction": str(how.direction), "min_effect": how.min_effect, "alerts_per_month": how.alerts_per_month,
        },
        "anomalies": [_anomaly(one) for one in replay.anomalies],
    }  # fmt: skip


def _anomaly(one: Anomaly) -> Object:
    return {
        "time": utc(from_epoch(one.time)), "value": one.value, "usual": one.usual, "score": round(one.score, 4),
        "threshold": round(one.threshold, 4), "summary": sentence(one),
    }  # fmt: skip


def of_capacity(track: Track, unit: str, name: str) -> Object:
    return {
        "schema": SCHEMA, "kind": "capacity", "file": name,
        "window": {"start": track.first.isoformat(), "end": track.last.isoformat()},
        "points": int(track.values.size), "limit": track.limit, "unit": unit,
        "brier_30d": track.brier_30d, "brier_90d": track.brier_90d,
        "forecasts": [_forecast(one) for one in track.said],
    }  # fmt: skip


def _forecast(one: Said) -> Object:
    found = one.outlook
    return {
        "made": one.made.isoformat(), "current": found.current,
        "p_breach_30d": round(found.p_breach_30d, 4), "p_breach_90d": round(found.p_breach_90d, 4),
        "breach_day_p10": _day(one.day(found.p10)), "breach_day_p50": _day(one.day(found.p50)),
        "breach_day_p90": _day(one.day(found.p90)), "pace": str(found.pace), "reached": _day(one.reached),
        "came": str(one.came), "in_30d": one.in_30d, "in_90d": one.in_90d,
    }  # fmt: skip


def of_cost(replay: CostReplay, name: str) -> Object:
    last = date.fromordinal(replay.first.toordinal() + replay.daily.size - 1)
    return {
        "schema": SCHEMA, "kind": "cost", "file": name,
        "window": {"start": replay.first.isoformat(), "end": last.isoformat()},
        "points": int(replay.daily.size), "leaves": replay.leaves, "currency": replay.currency,
        "judged_from": replay.judged_from.isoformat(), "mornings": replay.mornings,
        "anomalies": [_alarm(alarm) for alarm in replay.alarms],
    }  # fmt: skip


def _alarm(alarm: Alarm) -> Object:
    found = alarm.anomaly
    return {
        "id": found.id, "told": [day.isoformat() for day in alarm.told], "closed": _day(alarm.closed),
        "state": str(found.state), "kind": str(found.kind), "account": found.account, "service": found.service,
        "start_day": found.start.isoformat(), "last_day": found.last.isoformat(), "actual_usd": round(found.actual, 4),
        "expected_usd": round(found.expected, 4), "impact_usd": round(found.impact, 4),
        "confidence": round(found.confidence, 4), "summary": found.why,
        "root_causes": [
            {"service": cause.service, "account": cause.account, "region": cause.region, "usage_type": cause.usage_type,
             "share": round(cause.share, 4)}
            for cause in found.causes
        ],
    }  # fmt: skip


def _day(day: date | None) -> str | None:
    return day.isoformat() if day else None
