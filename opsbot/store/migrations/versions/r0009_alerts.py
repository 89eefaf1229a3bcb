"""Alerts, what was told of them, and silences; what a message asks of a system with incidents of its own."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "alert",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
    )
    op.create_index("ix_alert_state", "alert", ["state"])
    op.create_table(
        "alert_told",
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("message_id", sa.Text, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("key", "channel", name="pk_alert_told"),
    )
    _silences()
    for name in ("action", "priority"):
        op.add_column("message", sa.Column(name, sa.Text, nullable=False, server_default=""))


def _silences() -> None:
    op.create_table(
        "silence",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("ends_at", sa.BigInteger, nullable=False),
        sa.Column("ended_at", sa.BigInteger),
        sa.Column("payload", sa.Text, nullable=False),
    )
    op.create_table(
        "alert_clock",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("due", sa.BigInteger),
        sa.Column("storms", sa.Text, nullable=False),
    )


def downgrade() -> None:
    for name in ("priority", "action"):
        op.drop_column("message", name)
    for table in ("alert_clock", "silence", "alert_told", "alert"):
        op.drop_table(table)
