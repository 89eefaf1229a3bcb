"""The schema as SQLAlchemy Core tables: what the queries are written against; migrations/ makes it.

Times are UTC epoch microseconds, so that they compare and sort alike on every database.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()

run = Table(
    "run",
    metadata,
    Column("id", Text, primary_key=True),
    Column("job", Text, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("scheduled_for", BigInteger),
    Column("finished_at", BigInteger),
    Column("attempt", Integer, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("headline", Text, nullable=False),
    Column("error", Text, nullable=False),
    Column("usage", Text, nullable=False),
    Column("ok_findings", Integer, nullable=False),
    # One run per fire time. Runs by hand have none, and NULLs are distinct on every database.
    UniqueConstraint("job", "scheduled_for", name="uq_run_fire"),
    Index("ix_run_started", "job", "started_at"),
)

# Findings that are OK are only counted (run.ok_findings): 100,000 of them say nothing a person will read again.
finding = Table(
    "finding",
    metadata,
    Column("run_id", Text, ForeignKey("run.id", ondelete="CASCADE"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("key", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("payload", Text, nullable=False),
    PrimaryKeyConstraint("run_id", "position", name="pk_finding"),
    Index("ix_finding_key", "key"),
)

# The last known status of everything a job does not call OK; a row goes when its resource is OK again.
latest = Table(
    "latest",
    metadata,
    Column("job", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    PrimaryKeyConstraint("job", "key", name="pk_latest"),
)

# The outbox. `attempts` counts claims and is the fence: whoever holds an older count has lost the message.
message = Table(
    "message",
    metadata,
    Column("id", Text, primary_key=True),
    Column("channel", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("to", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("reply_to", Text),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("not_before", BigInteger),
    Column("lease_until", BigInteger),
    Column("provider_id", Text, nullable=False),
    Column("error", Text, nullable=False),
    UniqueConstraint("channel", "key", "seq", name="uq_message_order"),
    Index("ix_message_state", "state", "created_at"),
    Index("ix_message_run", "run_id"),
    Index("ix_message_parent", "reply_to"),
)

# One row a claim. `ended_at` stays NULL when nobody said how it ended: the sender died.
delivery_attempt = Table(
    "delivery_attempt",
    metadata,
    Column("message_id", Text, ForeignKey("message.id", ondelete="CASCADE"), nullable=False),
    Column("n", Integer, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    Column("outcome", Text, nullable=False),
    Column("error", Text, nullable=False),
    PrimaryKeyConstraint("message_id", "n", name="pk_delivery_attempt"),
)

artifact = Table(
    "artifact",
    metadata,
    Column("run_id", Text, ForeignKey("run.id", ondelete="CASCADE"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("format", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    PrimaryKeyConstraint("run_id", "position", name="pk_artifact"),
)
