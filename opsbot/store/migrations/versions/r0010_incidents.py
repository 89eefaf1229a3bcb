"""Incidents, runbook runs and the audit log."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

_ACTIVE = sa.text("state IN ('open', 'acked', 'mitigated')")


def upgrade() -> None:
    _incidents()
    _runs()
    op.create_table(
        "audit_row",
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        *_texts("login", "arn", "via", "what", "about", "environment", "detail", "before", "seal"),
    )
    op.create_index("ix_audit_row_at", "audit_row", ["at"])
    op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("seq", sa.Integer, nullable=False),
        *_texts("seal"),
    )


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def _incidents() -> None:
    op.create_table(
        "incident",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        *_texts("key", "tenant", "state"),
        sa.Column("opened_at", sa.BigInteger, nullable=False),
        *_texts("body"),
    )
    op.create_index(
        "ux_incident_active",
        "incident",
        ["tenant", "key"],
        unique=True,
        sqlite_where=_ACTIVE,
        postgresql_where=_ACTIVE,
    )
    op.create_index("ix_incident_opened", "incident", ["opened_at"])
    op.create_table(
        "incident_entry",
        sa.Column("incident", sa.Integer, sa.ForeignKey("incident.number"), nullable=False),
        sa.Column("n", sa.Integer, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("recorded_at", sa.BigInteger, nullable=False),
        *_texts("kind", "login", "arn", "via", "text", "lines"),
        sa.PrimaryKeyConstraint("incident", "n", name="pk_incident_entry"),
    )


def _runs() -> None:
    op.create_table(
        "runbook_run",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        *_texts("runbook", "environment", "state"),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("lease_until", sa.BigInteger),
        *_texts("body"),
    )
    op.create_index("ix_runbook_run_at", "runbook_run", ["at"])
    op.create_table(
        "runbook_change",
        sa.Column("run", sa.Integer, sa.ForeignKey("runbook_run.number"), nullable=False),
        *_texts("step", "target", "state"),
        sa.Column("began_at", sa.BigInteger, nullable=False),
        sa.Column("ended_at", sa.BigInteger),
        *_texts("request_id", "why"),
        sa.PrimaryKeyConstraint("run", "step", name="pk_runbook_change"),
    )
    op.create_index("ix_runbook_change_target", "runbook_change", ["target", "began_at"])
    op.create_table(
        "target_lock",
        sa.Column("target", sa.Text, primary_key=True),
        sa.Column("run", sa.Integer, nullable=False),
    )


def downgrade() -> None:
    for table in (
        "target_lock", "runbook_change", "runbook_run", "incident_entry", "incident", "audit_head", "audit_row",
    ):  # fmt: skip
        op.drop_table(table)
