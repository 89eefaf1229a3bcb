"""What probes said: the journal of the last minutes, samples a window, buckets that merge, standings and flips."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "probe",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.UniqueConstraint("name", name="uq_probe_name"),
    )
    op.create_table(
        "probe_journal",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "probe_chunk",
        sa.Column("probe_id", sa.Integer, sa.ForeignKey("probe.id", ondelete="CASCADE"), nullable=False),
        sa.Column("start", sa.BigInteger, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("probe_id", "start", name="pk_probe_chunk"),
        sqlite_with_rowid=False,
    )
    _buckets()
    _standings()


def _buckets() -> None:
    op.create_table(
        "probe_bucket",
        sa.Column("length", sa.Integer, nullable=False),
        sa.Column("probe_id", sa.Integer, sa.ForeignKey("probe.id", ondelete="CASCADE"), nullable=False),
        sa.Column("start", sa.BigInteger, nullable=False),
        *(
            sa.Column(name, sa.Integer, nullable=False)
            for name in ("up", "degraded", "down", "unsure", "excused", "missing", "pardoned")
        ),
        sa.Column("seconds_sum", sa.Double, nullable=False),
        sa.Column("seconds_max", sa.Double, nullable=False),
        sa.Column("counts", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("length", "probe_id", "start", name="pk_probe_bucket"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "probe_rolled",
        sa.Column("length", sa.Integer, primary_key=True),
        sa.Column("until", sa.BigInteger, nullable=False),
    )


def _standings() -> None:
    op.create_table(
        "probe_standing",
        sa.Column("probe_id", sa.Integer, sa.ForeignKey("probe.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("seen", sa.BigInteger, nullable=False),
        sa.Column("rest", sa.Text, nullable=False),
    )
    op.create_table(
        "probe_certificate",
        sa.Column("probe_id", sa.Integer, sa.ForeignKey("probe.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("not_after", sa.BigInteger, nullable=False),
        sa.Column("shown", sa.Text, nullable=False),
    )
    op.create_table(
        "probe_flip",
        sa.Column("probe_id", sa.Integer, sa.ForeignKey("probe.id", ondelete="CASCADE"), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("before", sa.Text, nullable=False),
        sa.Column("after", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("told", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("probe_id", "at", name="pk_probe_flip"),
    )
    op.create_index("ix_probe_flip_told", "probe_flip", ["told", "at"])


def downgrade() -> None:
    several = ("flip", "certificate", "standing", "rolled", "bucket", "chunk", "journal")
    for table in (*(f"probe_{name}" for name in several), "probe"):
        op.drop_table(table)
