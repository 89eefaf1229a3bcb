"""The names a job file may use; nothing else of opsbot is promised to job files."""

from opsbot.checks import observe
from opsbot.checks.uptime import probed
from opsbot.checks.uptime_headline import uptime_headline, uptime_lede
from opsbot.checks.uptime_report import uptime_sections
from opsbot.job import Context, Job, NoSettings, Outcome, Settings
from opsbot.model.finding import Finding
from opsbot.model.period import Period, last
from opsbot.model.report import (
    Ahead,
    Band,
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
    "Cell",
    "ChartSpec",
    "Charts",
    "Column",
    "Context",
    "Facts",
    "Finding",
    "FindingList",
    "Job",
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
    "Unit",
    "last",
    "observe",
    "probed",
    "sections_by_environment",
    "uptime_headline",
    "uptime_lede",
    "uptime_sections",
]
