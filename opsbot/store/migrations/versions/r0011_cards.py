"""Messages that take the place of one that arrived before."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.add_column("message", sa.Column("edits", sa.Text))


def downgrade() -> None:
    op.drop_column("message", "edits")
