"""What other people's jobs say by calling an address of their own, and the key those addresses are signed with."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "heartbeat",
        sa.Column("probe", sa.Text, primary_key=True),
        sa.Column("known", sa.BigInteger, nullable=False),
        sa.Column("at", sa.BigInteger),
        sa.Column("ok", sa.Boolean, nullable=False),
        sa.Column("exit_code", sa.Integer),
        sa.Column("started", sa.BigInteger),
        sa.Column("seconds", sa.Double),
        sa.Column("said", sa.Text, nullable=False),
    )
    op.create_table(
        "signing_key",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.LargeBinary, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("signing_key")
    op.drop_table("heartbeat")
