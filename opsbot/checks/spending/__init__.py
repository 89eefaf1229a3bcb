"""What is spent: payers' bills read once a morning, judged against their own past, and told with the reason."""

from __future__ import annotations

from opsbot.checks.spending.background import Background as CostBackground
from opsbot.checks.spending.background import background as cost_background
from opsbot.checks.spending.cards import cost_cards, cost_quiet
from opsbot.checks.spending.changes import Before, Change
from opsbot.checks.spending.findings import findings as cost_findings
from opsbot.checks.spending.headline import cost_headline, cost_lede
from opsbot.checks.spending.reading import Billed, Grave, Limits, Spending, billed
from opsbot.checks.spending.report import cost_sections
from opsbot.evaluate.cost import Sensitivity as CostSensitivity

__all__ = [
    "Before", "Billed", "Change", "CostBackground", "CostSensitivity", "Grave", "Limits", "Spending", "billed",
    "cost_background", "cost_cards", "cost_findings", "cost_headline", "cost_lede", "cost_quiet", "cost_sections",
]  # fmt: skip
