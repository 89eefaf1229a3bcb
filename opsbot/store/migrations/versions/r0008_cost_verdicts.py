"""What people said of cost anomalies."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "cost_verdict",
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("meaning", "who", "reason")),
        sa.PrimaryKeyConstraint("key", "at", name="pk_cost_verdict"),
    )


def downgrade() -> None:
    op.drop_table("cost_verdict")
