"""What people said of cost anomalies, and what AWS last advised."""

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
    op.create_table(
        "cost_advice",
        sa.Column("payer", sa.Text, primary_key=True),
        sa.Column("day", sa.Integer, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("cost_advice")
    op.drop_table("cost_verdict")
