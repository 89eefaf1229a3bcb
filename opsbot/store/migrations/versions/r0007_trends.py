"""What the capacity job keeps: settled points of each series, and what was forecast."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "trend_series",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("unit", sa.Text, nullable=False),
        sa.Column("first", sa.Integer, nullable=False),
        sa.Column("until", sa.Integer, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_index("ix_trend_series_until", "trend_series", ["until"])
    op.create_table(
        "trend_forecast",
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("made", sa.Integer, nullable=False),
        *(
            sa.Column(name, sa.Double, nullable=False)
            for name in ("current", "limit_value", "p_breach_30d", "p_breach_90d")
        ),
        *(sa.Column(name, sa.Integer) for name in ("p10", "p50", "p90")),
        sa.PrimaryKeyConstraint("key", "made", name="pk_trend_forecast"),
    )
    op.create_index("ix_trend_forecast_made", "trend_forecast", ["made"])


def downgrade() -> None:
    op.drop_table("trend_forecast")
    op.drop_table("trend_series")
