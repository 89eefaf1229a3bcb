"""The schema as SQLAlchemy Core tables: what the queries are written against; migrations/ makes it.

Times are UTC epoch microseconds, so that they compare and sort alike on every database.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
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

# The ledger. `attempt` counts claims and is the fence: whoever holds an older count has lost the run. `ending` says why
# the worker that holds it must end it.
run = Table(
    "run",
    metadata,
    Column("id", Text, primary_key=True),
    Column("job", Text, nullable=False),
    Column("queued_at", BigInteger, nullable=False, server_default="0"),
    Column("started_at", BigInteger),
    Column("at", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("cause", Text, nullable=False, server_default="manual"),
    Column("scheduled_for", BigInteger),
    Column("finished_at", BigInteger),
    Column("not_before", BigInteger),
    Column("attempt", Integer, nullable=False),
    Column("owner", Text, nullable=False, server_default=""),
    Column("lease_until", BigInteger),
    Column("reason", Text, nullable=False, server_default=""),
    Column("ending", Text, nullable=False, server_default=""),
    Column("verdict", Text, nullable=False),
    Column("headline", Text, nullable=False),
    Column("error", Text, nullable=False),
    Column("usage", Text, nullable=False),
    Column("ok_findings", Integer, nullable=False),
    Column("exit_code", Integer),
    Column("cpu_seconds", Double, nullable=False, server_default="0"),
    Column("peak_rss", BigInteger, nullable=False, server_default="0"),
    Column("log", Text, nullable=False, server_default=""),
    # One run per fire time. Runs by hand have none, and NULLs are distinct on every database.
    UniqueConstraint("job", "scheduled_for", name="uq_run_fire"),
    Index("ix_run_queued", "job", "queued_at"),
    Index("ix_run_started", "job", "started_at"),
    Index("ix_run_state", "state", "job"),
    Index("ix_run_time", "queued_at"),
)

# One row a claim. `ended_at` stays NULL when nobody said how it ended: the worker died.
run_attempt = Table(
    "run_attempt",
    metadata,
    Column("run_id", Text, ForeignKey("run.id", ondelete="CASCADE"), nullable=False),
    Column("n", Integer, nullable=False),
    Column("owner", Text, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    Column("outcome", Text, nullable=False),
    Column("exit_code", Integer),
    Column("cpu_seconds", Double, nullable=False),
    Column("peak_rss", BigInteger, nullable=False),
    Column("error", Text, nullable=False),
    PrimaryKeyConstraint("run_id", "n", name="pk_run_attempt"),
)

# What is remembered of a schedule: the moment up to which its fires are rows, and whether it is paused.
clockwork = Table(
    "clockwork",
    metadata,
    Column("job", Text, primary_key=True),
    Column("cursor", BigInteger),
    Column("cron", Text, nullable=False),
    Column("paused_until", BigInteger),
    Column("paused_by", Text, nullable=False),
    Column("pause_reason", Text, nullable=False),
)

worker = Table(
    "worker",
    metadata,
    Column("id", Text, primary_key=True),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("version", Text, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("beat", BigInteger, nullable=False),
    Column("draining", Boolean, nullable=False),
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
    Column("rank", Integer, nullable=False, server_default="1"),
    Column("kept_since", BigInteger),
    Column("action", Text, nullable=False, server_default=""),
    Column("priority", Text, nullable=False, server_default=""),
    Column("edits", Text),
    UniqueConstraint("channel", "key", "seq", name="uq_message_order"),
    Index("ix_message_state", "state", "created_at"),
    Index("ix_message_channel", "channel", "state"),
    Index("ix_message_run", "run_id"),
    Index("ix_message_parent", "reply_to"),
)

# What all senders know of a channel. Before `opens_at` nobody asks it: its pace, or its own wish. While `since` is set it
# takes nothing, and `retry_at` is when to look again; a person may look earlier.
channel = Table(
    "channel",
    metadata,
    Column("name", Text, primary_key=True),
    Column("opens_at", BigInteger),
    Column("since", BigInteger),
    Column("error", Text, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("held", Boolean, nullable=False),
    Column("retry_at", BigInteger),
    Column("told_at", BigInteger),
)

# What people did to messages: who asked for another try, or said that it need not be told, and why.
intervention = Table(
    "intervention",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("message_id", Text, ForeignKey("message.id", ondelete="CASCADE"), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("who", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Index("ix_intervention_message", "message_id"),
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

# Names of probes, which are long, once.
probe = Table(
    "probe",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    UniqueConstraint("name", name="uq_probe_name"),
)

# Samples as they came, a batch a row, until their window is over: then they are chunks.
probe_journal = Table(
    "probe_journal",
    metadata,
    Column("id", Text, primary_key=True),
    Column("body", LargeBinary, nullable=False),
)

# The samples of one probe in one window of five minutes.
probe_chunk = Table(
    "probe_chunk",
    metadata,
    Column("probe_id", Integer, ForeignKey("probe.id", ondelete="CASCADE"), nullable=False),
    Column("start", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
    PrimaryKeyConstraint("probe_id", "start", name="pk_probe_chunk"),
    sqlite_with_rowid=False,
)

# `length` in seconds. `missing` and `pardoned` (excused without a sample) are added to; everything else is reckoned anew
# from what is finer, as often as need be.
probe_bucket = Table(
    "probe_bucket",
    metadata,
    Column("length", Integer, nullable=False),
    Column("probe_id", Integer, ForeignKey("probe.id", ondelete="CASCADE"), nullable=False),
    Column("start", BigInteger, nullable=False),
    *(
        Column(name, Integer, nullable=False)
        for name in ("up", "degraded", "down", "unsure", "excused", "missing", "pardoned")
    ),
    Column("seconds_sum", Double, nullable=False),
    Column("seconds_max", Double, nullable=False),
    Column("counts", LargeBinary, nullable=False),
    PrimaryKeyConstraint("length", "probe_id", "start", name="pk_probe_bucket"),
    sqlite_with_rowid=False,
)

# Up to when buckets of a length are complete; later ones are read from finer ones.
probe_rolled = Table(
    "probe_rolled",
    metadata,
    Column("length", Integer, primary_key=True),
    Column("until", BigInteger, nullable=False),
)

probe_standing = Table(
    "probe_standing",
    metadata,
    Column("probe_id", Integer, ForeignKey("probe.id", ondelete="CASCADE"), primary_key=True),
    Column("state", Text, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("seen", BigInteger, nullable=False),
    Column("rest", Text, nullable=False),
)

probe_certificate = Table(
    "probe_certificate",
    metadata,
    Column("probe_id", Integer, ForeignKey("probe.id", ondelete="CASCADE"), primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("not_after", BigInteger, nullable=False),
    Column("shown", Text, nullable=False),
)

probe_flip = Table(
    "probe_flip",
    metadata,
    Column("probe_id", Integer, ForeignKey("probe.id", ondelete="CASCADE"), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("before", Text, nullable=False),
    Column("after", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("told", Boolean, nullable=False),
    PrimaryKeyConstraint("probe_id", "at", name="pk_probe_flip"),
    Index("ix_probe_flip_told", "told", "at"),
)

# What a job said last by calling its address; one row a heartbeat.
heartbeat = Table(
    "heartbeat",
    metadata,
    Column("probe", Text, primary_key=True),
    Column("known", BigInteger, nullable=False),
    Column("at", BigInteger),
    Column("ok", Boolean, nullable=False),
    Column("exit_code", Integer),
    Column("started", BigInteger),
    Column("seconds", Double),
    Column("said", Text, nullable=False),
)

# Made once and kept: with another key every address that was handed out would be void.
signing_key = Table(
    "signing_key",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)

# What a bill tells apart, once: `name` is the leaf as a JSON list.
cost_leaf = Table(
    "cost_leaf",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("payer", Text, nullable=False),
    Column("name", Text, nullable=False),
    UniqueConstraint("payer", "name", name="uq_cost_leaf_name"),
)

# A day as it was shown from the morning `shown` on; days and mornings are proleptic ordinals. A morning that showed the
# same as the one before has no row.
cost_day = Table(
    "cost_day",
    metadata,
    Column("payer", Text, nullable=False),
    Column("day", Integer, nullable=False),
    Column("shown", Integer, nullable=False),
    Column("currency", Text, nullable=False),
    Column("estimated", Boolean, nullable=False),
    Column("body", LargeBinary, nullable=False),
    PrimaryKeyConstraint("payer", "day", "shown", name="pk_cost_day"),
)

# That the days from `first` until before `until` were asked on a morning, and what that took.
cost_reading = Table(
    "cost_reading",
    metadata,
    Column("payer", Text, nullable=False),
    Column("morning", Integer, nullable=False),
    Column("first", Integer, nullable=False),
    Column("source", Text, nullable=False),
    Column("until", Integer, nullable=False),
    Column("requests", Integer, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("page_rows", Integer, nullable=False),
    PrimaryKeyConstraint("payer", "morning", "first", "source", name="pk_cost_reading"),
)

# Requests of a day, counted before each is made: a crash may count one too many, never one too few.
cost_spent = Table(
    "cost_spent",
    metadata,
    Column("payer", Text, nullable=False),
    Column("day", Integer, nullable=False),
    Column("requests", Integer, nullable=False),
    PrimaryKeyConstraint("payer", "day", name="pk_cost_spent"),
)
