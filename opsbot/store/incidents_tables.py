"""Incidents, runbook runs and the audit log as tables, beside those of `tables`."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, PrimaryKeyConstraint, Table, Text, text

from opsbot.store.tables import metadata

_ACTIVE = text("state IN ('open', 'acked', 'mitigated')")

# Of one trouble at most one incident is active, whoever opens it and however many do so at once.
incident = Table(
    "incident",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("key", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("opened_at", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
    Index("ux_incident_active", "tenant", "key", unique=True, sqlite_where=_ACTIVE, postgresql_where=_ACTIVE),
    Index("ix_incident_opened", "opened_at"),
)

# Only ever added to: a correction is another row.
incident_entry = Table(
    "incident_entry",
    metadata,
    Column("incident", Integer, ForeignKey("incident.number"), nullable=False),
    Column("n", Integer, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("recorded_at", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    *(Column(name, Text, nullable=False) for name in ("login", "arn", "via", "text", "lines")),
    PrimaryKeyConstraint("incident", "n", name="pk_incident_entry"),
)

runbook_run = Table(
    "runbook_run",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("runbook", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("lease_until", BigInteger),
    Column("body", Text, nullable=False),
    Index("ix_runbook_run_at", "at"),
    Index("ix_runbook_run_lease", "lease_until"),
)

# A row stands here before its call is made: whoever finds it there does not make the call again.
runbook_change = Table(
    "runbook_change",
    metadata,
    Column("run", Integer, ForeignKey("runbook_run.number"), nullable=False),
    Column("step", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("began_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    Column("request_id", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("before", Text),
    Column("back_at", BigInteger),
    PrimaryKeyConstraint("run", "step", name="pk_runbook_change"),
    Index("ix_runbook_change_target", "target", "began_at"),
    Index("ix_runbook_change_back", "back_at"),
)

# One change of one target at a time.
target_lock = Table(
    "target_lock",
    metadata,
    Column("target", Text, primary_key=True),
    Column("run", Integer, nullable=False),
)

audit_row = Table(
    "audit_row",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    *(
        Column(name, Text, nullable=False)
        for name in ("login", "arn", "via", "what", "about", "environment", "detail", "before", "seal")
    ),
    Index("ix_audit_row_at", "at"),
)

# Where the chain ends, apart from it: rows that are cut off its end are missed here.
audit_head = Table(
    "audit_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("seq", Integer, nullable=False),
    Column("seal", Text, nullable=False),
)
