"""The names a job file may use; nothing else of opsbot is promised to job files."""

from opsbot.checks import observe
from opsbot.checks.capacity import CapacitySettings, Forecasts, forecast
from opsbot.checks.capacity.headline import capacity_headline, capacity_lede
from opsbot.checks.capacity.report import capacity_sections
from opsbot.checks.savings import Thrift, savings, savings_section
from opsbot.checks.security import security_section
from opsbot.checks.spending import (
    Billed,
    CostBackground,
    CostSensitivity,
    Grave,
    Limits,
    billed,
    cost_background,
    cost_cards,
    cost_findings,
    cost_headline,
    cost_lede,
    cost_quiet,
    cost_sections,
)
from opsbot.checks.uptime import probed
from opsbot.checks.uptime_headline import uptime_headline, uptime_lede
from opsbot.checks.uptime_report import uptime_sections
from opsbot.checks.weekly import Targets as WeeklyTargets
from opsbot.checks.weekly import (
    Week,
    WeeklySettings,
    week,
    weekly_findings,
    weekly_headline,
    weekly_lede,
    weekly_sections,
)
from opsbot.job import Context, Job, NoSettings, Outcome, Settings
from opsbot.model.finding import Finding
from opsbot.model.period import Period, last
from opsbot.model.report import (
    Ahead,
    Band,
    Card,
    Cell,
    Charts,
    ChartSpec,
    Column,
    Facts,
    FindingList,
    Mark,
    Prose,
    Report,
    Row,
    Score,
    Scorecard,
    Section,
    Strip,
    Strips,
    Table,
)
from opsbot.model.status import Status
from opsbot.model.units import Unit
from opsbot.render.sections import sections_by_environment

__all__ = [
    "Ahead",
    "Band",
    "Billed",
    "CapacitySettings",
    "Card",
    "Cell",
    "ChartSpec",
    "Charts",
    "Column",
    "Context",
    "CostBackground",
    "CostSensitivity",
    "Facts",
    "Finding",
    "FindingList",
    "Forecasts",
    "Grave",
    "Job",
    "Limits",
    "Mark",
    "NoSettings",
    "Outcome",
    "Period",
    "Prose",
    "Report",
    "Row",
    "Score",
    "Scorecard",
    "Section",
    "Settings",
    "Status",
    "Strip",
    "Strips",
    "Table",
    "Thrift",
    "Unit",
    "Week",
    "WeeklySettings",
    "WeeklyTargets",
    "billed",
    "capacity_headline",
    "capacity_lede",
    "capacity_sections",
    "cost_background",
    "cost_cards",
    "cost_findings",
    "cost_headline",
    "cost_lede",
    "cost_quiet",
    "cost_sections",
    "forecast",
    "last",
    "observe",
    "probed",
    "savings",
    "savings_section",
    "sections_by_environment",
    "security_section",
    "uptime_headline",
    "uptime_lede",
    "uptime_sections",
    "week",
    "weekly_findings",
    "weekly_headline",
    "weekly_lede",
    "weekly_sections",
]
