"""Alerts, what was told of them to whom, silences, and the few words that are kept between two turns."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, PrimaryKeyConstraint, Table, Text

from opsbot.store.tables import metadata

alert = Table(
    "alert",
    metadata,
    Column("key", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    Column("payload", Text, nullable=False),
    Index("ix_alert_state", "state"),
)

# What a channel knows of a group; the row goes with the close-out.
alert_told = Table(
    "alert_told",
    metadata,
    Column("key", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("message_id", Text, nullable=False),
    Column("payload", Text, nullable=False),
    PrimaryKeyConstraint("key", "channel", name="pk_alert_told"),
)

silence = Table(
    "silence",
    metadata,
    Column("id", Text, primary_key=True),
    Column("ends_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    Column("payload", Text, nullable=False),
)

# One row: when time alone changes something next, and the storms that rage.
alert_clock = Table(
    "alert_clock",
    metadata,
    Column("name", Text, primary_key=True),
    Column("due", BigInteger),
    Column("storms", Text, nullable=False),
)
