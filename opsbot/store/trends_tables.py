"""The settled past of whatever may run full, and what was forecast of it. Days are proleptic ordinals."""

from __future__ import annotations

from sqlalchemy import Column, Double, Index, Integer, LargeBinary, PrimaryKeyConstraint, Table, Text

from opsbot.store.tables import metadata

# One row a series: it is read and written as a whole, and two thousand of them are two thousand rows, not a million.
trend_series = Table(
    "trend_series",
    metadata,
    Column("key", Text, primary_key=True),
    Column("unit", Text, nullable=False),
    Column("first", Integer, nullable=False),
    Column("until", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("ix_trend_series_until", "until"),
)

trend_forecast = Table(
    "trend_forecast",
    metadata,
    Column("key", Text, nullable=False),
    Column("made", Integer, nullable=False),
    Column("current", Double, nullable=False),
    Column("limit_value", Double, nullable=False),
    Column("p_breach_30d", Double, nullable=False),
    Column("p_breach_90d", Double, nullable=False),
    Column("p10", Integer),
    Column("p50", Integer),
    Column("p90", Integer),
    PrimaryKeyConstraint("key", "made", name="pk_trend_forecast"),
    Index("ix_trend_forecast_made", "made"),
)
