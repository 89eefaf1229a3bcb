"""The outbox of a daemon: what is worse goes first, channels that take nothing, and what people did about it."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    # Plain ALTERs: a rebuilt `message` would take its attempts with it by their foreign key.
    op.add_column("message", sa.Column("rank", sa.Integer, nullable=False, server_default="1"))
    op.add_column("message", sa.Column("kept_since", sa.BigInteger))
    op.create_index("ix_message_channel", "message", ["channel", "state"])
    op.create_table(
        "channel",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("opens_at", sa.BigInteger),
        sa.Column("since", sa.BigInteger),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("held", sa.Boolean, nullable=False),
        sa.Column("retry_at", sa.BigInteger),
        sa.Column("told_at", sa.BigInteger),
    )
    op.create_table(
        "intervention",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("message_id", sa.Text, sa.ForeignKey("message.id", ondelete="CASCADE"), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
    )
    op.create_index("ix_intervention_message", "intervention", ["message_id"])


def downgrade() -> None:
    op.drop_index("ix_message_channel", "message")
    op.drop_table("intervention")
    op.drop_table("channel")
    op.execute("UPDATE message SET state = 'queued' WHERE state = 'held'")
    op.execute("UPDATE message SET state = 'dead' WHERE state = 'dropped'")
    for column in ("rank", "kept_since"):
        op.drop_column("message", column)
