"""A budget of one's own: what a part of the bill may cost in a month, kept in config.toml and not in AWS."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnBudget:
    """`usd` a calendar month for everything that fits all of the filters; an empty filter fits everything.

    `payer` and `environment` are environments' names, `service` is as the bill names it. `warning` and `critical` are
    percent: of the budget that is spent, and of it that will be spent by the month's end.
    """

    name: str
    usd: float
    payer: str = ""
    environment: str = ""
    tenant: str = ""
    service: str = ""
    warning: float = 80.0
    critical: float = 100.0
