"""The weekly report: `week` finds out what the week was, `weekly_sections` writes it up, a function a section."""

from __future__ import annotations

from opsbot.checks.weekly.headline import weekly_headline, weekly_lede
from opsbot.checks.weekly.sections import weekly_sections
from opsbot.checks.weekly.settings import Targets, WeeklySettings
from opsbot.checks.weekly.week import Week, week, weekly_findings

__all__ = [
    "Targets",
    "Week",
    "WeeklySettings",
    "week",
    "weekly_findings",
    "weekly_headline",
    "weekly_lede",
    "weekly_sections",
]
