"""What a change found before it was made, and when it is taken back by itself."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.add_column("runbook_change", sa.Column("before", sa.Text))
    op.add_column("runbook_change", sa.Column("back_at", sa.BigInteger))
    op.create_index("ix_runbook_change_back", "runbook_change", ["back_at"])
    op.create_index("ix_runbook_run_lease", "runbook_run", ["lease_until"])


def downgrade() -> None:
    op.drop_index("ix_runbook_run_lease", "runbook_run")
    op.drop_index("ix_runbook_change_back", "runbook_change")
    op.drop_column("runbook_change", "back_at")
    op.drop_column("runbook_change", "before")
