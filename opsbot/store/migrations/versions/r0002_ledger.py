"""The ledger: runs that wait, are held under a lease and are tried again; schedules and workers."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def _added() -> tuple[sa.Column[Any], ...]:
    return (
        sa.Column("queued_at", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("cause", sa.Text, nullable=False, server_default="manual"),
        sa.Column("not_before", sa.BigInteger),
        sa.Column("owner", sa.Text, nullable=False, server_default=""),
        sa.Column("lease_until", sa.BigInteger),
        sa.Column("reason", sa.Text, nullable=False, server_default=""),
        sa.Column("ending", sa.Text, nullable=False, server_default=""),
        sa.Column("exit_code", sa.Integer),
        sa.Column("cpu_seconds", sa.Double, nullable=False, server_default="0"),
        sa.Column("peak_rss", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("log", sa.Text, nullable=False, server_default=""),
    )


def upgrade() -> None:
    # Plain ALTERs: rebuilding `run`, as batch mode would on SQLite, would take its findings with it by their foreign key.
    for column in _added():
        op.add_column("run", column)
    op.execute("UPDATE run SET queued_at = started_at")
    # Whoever began these before there were leases is gone, or will be refused by the new schema.
    op.execute("UPDATE run SET state = 'lost', reason = 'begun before runs had leases' WHERE state = 'running'")
    _let_started_at_be_empty()
    op.create_index("ix_run_queued", "run", ["job", "queued_at"])
    op.create_index("ix_run_started", "run", ["job", "started_at"])
    op.create_index("ix_run_state", "run", ["state", "job"])
    op.create_index("ix_run_time", "run", ["queued_at"])
    _attempts()
    _schedules()
    _workers()


def _let_started_at_be_empty() -> None:
    op.drop_index("ix_run_started", "run")
    op.add_column("run", sa.Column("began_at", sa.BigInteger))
    op.execute("UPDATE run SET began_at = started_at")
    op.drop_column("run", "started_at")
    op.alter_column("run", "began_at", new_column_name="started_at")


def _attempts() -> None:
    op.create_table(
        "run_attempt",
        sa.Column("run_id", sa.Text, sa.ForeignKey("run.id", ondelete="CASCADE"), nullable=False),
        sa.Column("n", sa.Integer, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("started_at", sa.BigInteger, nullable=False),
        sa.Column("ended_at", sa.BigInteger),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("exit_code", sa.Integer),
        sa.Column("cpu_seconds", sa.Double, nullable=False),
        sa.Column("peak_rss", sa.BigInteger, nullable=False),
        sa.Column("error", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("run_id", "n", name="pk_run_attempt"),
    )


def _schedules() -> None:
    op.create_table(
        "clockwork",
        sa.Column("job", sa.Text, primary_key=True),
        sa.Column("cursor", sa.BigInteger),
        sa.Column("cron", sa.Text, nullable=False),
        sa.Column("paused_until", sa.BigInteger),
        sa.Column("paused_by", sa.Text, nullable=False),
        sa.Column("pause_reason", sa.Text, nullable=False),
    )


def _workers() -> None:
    op.create_table(
        "worker",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("started_at", sa.BigInteger, nullable=False),
        sa.Column("beat", sa.BigInteger, nullable=False),
        sa.Column("draining", sa.Boolean, nullable=False),
    )


def downgrade() -> None:
    for table in ("worker", "clockwork", "run_attempt"):
        op.drop_table(table)
    for index in ("ix_run_state", "ix_run_time", "ix_run_queued"):
        op.drop_index(index, "run")
    # What never began has no place in the old schema.
    op.execute("DELETE FROM run WHERE started_at IS NULL")
    for column in _added():
        op.drop_column("run", column.name)
