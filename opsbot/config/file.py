"""What may stand in config.toml, key by key: the models behind its errors, its JSON Schema and its reference page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from opsbot.config.budgets import BudgetTable
from opsbot.config.maintenance import MaintenanceTable
from opsbot.config.probes import ProbeTable
from opsbot.config.routes import AlertsTable, DependencyTable, RouteTable
from opsbot.config.serving import BlackoutTable, DaemonTable, JobTable, RunbooksTable, WebTable
from opsbot.config.types import (
    Absent,
    Account,
    Export,
    Length,
    Name,
    NewerRegions,
    Percent,
    Regions,
    Role,
    StoreUrl,
    Table,
    Tables,
    Text,
    Url,
    Usd,
    Zone,
)
from opsbot.model.check import Missing
from opsbot.secrets import Secret


class Defaults(Table):
    """What holds for every job and check that does not say otherwise."""

    window: Length | None = Field(
        default=None, description="How far back a job judges. Without it each job has its own.", examples=["24h"]
    )
    settle: Length | None = Field(
        default=None,
        description="How old a point must be before it is judged. Without it each AWS namespace has its own.",
        examples=["5m"],
    )
    missing: Absent = Field(
        default=Missing.UNKNOWN,
        description="What absent points mean, unless the check says otherwise.",
        examples=["unknown"],
    )
    coverage_min: Percent = Field(
        default=80.0,
        description="Percent of the expected checks that must have been judged; below it a run exits 3.",
        examples=[80],
    )
    max_usd_per_run: Usd = Field(
        default=5.0, description="A run that would cost more asks AWS nothing.", examples=[5.0]
    )
    threads: int = Field(
        default=16, ge=1, le=128, description="How many AWS calls may be under way at once.", examples=[16]
    )
    newer_regions: NewerRegions = Field(
        default=(), description="Regions that AWS opened after this opsbot was made.", examples=[["eu-central-3"]]
    )


class EnvironmentTable(Table):
    """One account seen through one role, in some regions, for one tenant."""

    name: Name = Field(description="What reports call it; unique.", examples=["shop-prod"])
    regions: Regions = Field(
        description="Where to look. The first is home: global services are asked from there.",
        examples=[["eu-central-1"]],
    )
    account_id: Account | None = Field(
        default=None, description="Checked against AWS before anything is read.", examples=["123456789012"]
    )
    tenant: Text | None = Field(
        default=None, description="Whose it is; checks and `--tenant` select by it.", examples=["shop"]
    )
    tier: Text | None = Field(
        default=None, description="How much it matters; checks select by it.", examples=["production"]
    )
    role_arn: Role | None = Field(
        default=None, description="The role to assume. Without it and `profile`, the credentials at hand are used.",
        examples=["arn:aws:iam::123456789012:role/opsbot"],
    )  # fmt: skip
    profile: Text | None = Field(
        default=None, description="A profile of the AWS configuration files, instead of `role_arn`.", examples=["shop"]
    )
    external_id: Secret | None = Field(
        default=None,
        description="Reference to the external id that the role's trust policy asks for.",
        examples=["env:SHOP_EXTERNAL_ID"],
    )
    remediation_role_arn: Role | None = Field(
        default=None,
        description="The role that approved runbook steps change things with. Without it, the one that reads.",
        examples=["arn:aws:iam::123456789012:role/opsbot-remediation"],
    )
    labels: dict[Name, Text] = Field(
        {}, description="Carried by every finding of the environment.", examples=[{"team": "web"}]
    )
    payer: bool = Field(
        default=False,
        description="Whether this account pays for itself and others: its bill is read from Cost Explorer, at $0.01 a request.",
        examples=[True],
    )
    cost_export: Export | None = Field(
        default=None,
        description="A payer's Data Export to read its bill from instead, at no charge: CUR or FOCUS as CSV, in S3 or in a folder.",
        examples=["s3://shop-billing/exports/daily"],
    )


class StoreTable(Table):
    """Where opsbot keeps runs, findings, reports and what it still has to tell."""

    url: StoreUrl = Field(
        default="sqlite:///var/opsbot.db",
        description="A path after `sqlite:///` is below the home, or below `$OPSBOT_STATE` if that is set; "
        "`sqlite:////` starts at the root. One machine. For more than one: "
        "`postgresql+psycopg://opsbot@db.example.org/opsbot`, which needs `opsbot[postgresql]`.",
        examples=["sqlite:///var/opsbot.db"],
    )
    password: Secret | None = Field(
        default=None,
        description="Reference to the password of PostgreSQL; an address never holds it.",
        examples=["env:OPSBOT_STORE_PASSWORD"],
    )


class ReportsTable(Table):
    """Where people find reports."""

    url_base: Url | None = Field(
        default=None,
        description="Where the archive is served; reports then link to themselves.",
        examples=["https://ops.example.org/reports"],
    )


class File(Table):
    """config.toml: opsbot's configuration. Every section is optional."""

    timezone: Zone = Field(
        "UTC", description="Schedules and the times in reports are in this zone.", examples=["Europe/Berlin"]
    )
    defaults: Defaults = Field(default=Defaults(), description="What holds unless a job or check says otherwise.")
    environments: Annotated[tuple[EnvironmentTable, ...], Field(strict=False)] = Field(
        default=(), description="Where opsbot looks."
    )
    checks: Tables = Field(
        default=(), description="Additions to the shipped checks; one of the same name changes the shipped one."
    )
    probes: Annotated[tuple[ProbeTable, ...], Field(strict=False)] = Field(
        default=(), description="What is asked every so often, and jobs that must report by themselves."
    )
    jobs: dict[str, JobTable] = Field(
        default={}, description="Schedules, channels and settings of jobs, by the job's name."
    )
    channels: dict[Name, dict[str, Any]] = Field(
        {}, description="Ways to reach people, by a name of your choice; `kind` says which."
    )
    store: StoreTable = Field(default=StoreTable(), description="Where opsbot keeps what it knows.")
    reports: ReportsTable = Field(default=ReportsTable(), description="Where people find reports.")
    blackouts: Annotated[tuple[BlackoutTable, ...], Field(strict=False)] = Field(
        default=(), description="Spans in which nothing runs on its schedule."
    )
    maintenance: Annotated[tuple[MaintenanceTable, ...], Field(strict=False)] = Field(
        default=(), description="Planned work: probes and checks go on, and nobody is told of new trouble."
    )
    budgets: Annotated[tuple[BudgetTable, ...], Field(strict=False)] = Field(
        default=(), description="What parts of the bill may cost in a month."
    )
    routes: Annotated[tuple[RouteTable, ...], Field(strict=False)] = Field(
        default=(), description="Who hears of alerts; the first that matches decides."
    )
    dependencies: Annotated[tuple[DependencyTable, ...], Field(strict=False)] = Field(
        default=(), description="Alerts that follow from others, and are not told while those fire."
    )
    alerts: AlertsTable = Field(default=AlertsTable(), description="How much patience alerts have.")
    runbooks: RunbooksTable = Field(default=RunbooksTable(), description="What runbooks may do.")
    daemon: DaemonTable = Field(default=DaemonTable(), description="How `opsbot serve` behaves.")
    web: WebTable = Field(default=WebTable(), description="The daemon's own web page.")


def own_settings(job: JobTable) -> Mapping[str, Any]:
    """The keys of `[jobs.<name>]` that are the job file's own."""
    return job.model_extra or {}
