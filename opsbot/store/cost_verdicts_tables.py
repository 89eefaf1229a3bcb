"""What people said of cost findings, a row a word: the last one on a key holds, the earlier ones are kept. And the last
advice of AWS that a payer paid for, so that it is not paid for every day."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, PrimaryKeyConstraint, Table, Text

from opsbot.store.tables import metadata

cost_verdict = Table(
    "cost_verdict",
    metadata,
    Column("key", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("meaning", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("reason", Text, nullable=False),
    PrimaryKeyConstraint("key", "at", name="pk_cost_verdict"),
)

# `day` is a proleptic ordinal, `body` JSON. A payer's name and " anomalies" is what AWS's own detection told it.
cost_advice = Table(
    "cost_advice",
    metadata,
    Column("payer", Text, primary_key=True),
    Column("day", Integer, nullable=False),
    Column("body", Text, nullable=False),
)
