"""`[[budgets]]`: what a part of the bill may cost in a month."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field

from opsbot.config.types import Name, Table, Text
from opsbot.model.budget import OwnBudget

Amount = Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)]
Share = Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False)]


class BudgetTable(Table):
    """A budget of one calendar month, held against the bills of the payers; those of AWS Budgets are read beside it."""

    name: Name = Field(description="What reports call it; unique.", examples=["shop"])
    usd: Amount = Field(description="USD a month, as amortized cost.", examples=[1200])
    payer: Name | None = Field(
        default=None,
        description="An environment that is a payer: only what stands on its bill.",
        examples=["shop-billing"],
    )
    environment: Name | None = Field(
        default=None, description="Only the account of this environment.", examples=["shop-prod"]
    )
    tenant: Text | None = Field(
        default=None, description="Only the accounts of this tenant's environments.", examples=["shop"]
    )
    service: Text | None = Field(
        default=None, description="Only this service, as the bill or a report names it.", examples=["RDS"]
    )
    warning: Share = Field(default=80.0, description="Percent of it spent that is worth a warning.", examples=[80])
    critical: Share = Field(
        default=100.0, description="Percent of it foreseen at the month's end that is critical.", examples=[100]
    )


def budgets(tables: Iterable[BudgetTable]) -> tuple[OwnBudget, ...]:
    """The same as values."""
    return tuple(
        OwnBudget(
            name=table.name,
            usd=table.usd,
            payer=table.payer or "",
            environment=table.environment or "",
            tenant=table.tenant or "",
            service=table.service or "",
            warning=table.warning,
            critical=table.critical,
        )
        for table in tables
    )
