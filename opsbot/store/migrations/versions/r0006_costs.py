"""What payers were shown of their bills, morning by morning, and how many requests that took."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "cost_leaf",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("payer", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.UniqueConstraint("payer", "name", name="uq_cost_leaf_name"),
    )
    op.create_table(
        "cost_day",
        sa.Column("payer", sa.Text, nullable=False),
        sa.Column("day", sa.Integer, nullable=False),
        sa.Column("shown", sa.Integer, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("estimated", sa.Boolean, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("payer", "day", "shown", name="pk_cost_day"),
    )
    _asked()


def _asked() -> None:
    op.create_table(
        "cost_reading",
        sa.Column("payer", sa.Text, nullable=False),
        sa.Column("morning", sa.Integer, nullable=False),
        sa.Column("first", sa.Integer, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        *(sa.Column(name, sa.Integer, nullable=False) for name in ("until", "requests", "rows", "page_rows")),
        sa.PrimaryKeyConstraint("payer", "morning", "first", "source", name="pk_cost_reading"),
    )
    op.create_table(
        "cost_spent",
        sa.Column("payer", sa.Text, nullable=False),
        sa.Column("day", sa.Integer, nullable=False),
        sa.Column("requests", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("payer", "day", name="pk_cost_spent"),
    )


def downgrade() -> None:
    for table in ("cost_spent", "cost_reading", "cost_day", "cost_leaf"):
        op.drop_table(table)
