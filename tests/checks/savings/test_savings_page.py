"""The page about savings says what the program does."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from opsbot.checks.savings.merging import AWS, COMMITMENT
from opsbot.checks.savings.rules import RULES
from opsbot.evaluate.savings import AS_OF, Thrift
from opsbot.evaluate.savings.prices import _LISTS, _THINGS
from opsbot.evaluate.savings.waste import WAITING

PAGE = (Path(__file__).parents[3] / "docs" / "savings.md").read_text(encoding="utf-8")


def test_every_check_setting_price_and_region_is_named() -> None:
    checks = [rule.check.name for rule in RULES] + [AWS.name, COMMITMENT.name]
    named = [f"| `{name}` |" for name in checks] + [
        f"`{name}`" for name in (*_THINGS, *(f.name for f in fields(Thrift)))
    ]
    assert [text for text in (*named, AS_OF, *_LISTS, *WAITING) if text not in PAGE] == []


def test_the_defaults_are_those_of_the_page() -> None:
    limits = Thrift()
    told = {"days": "7", "snapshot_days": "180", "network_gb": "50", "logs_days": "90", "least_usd": "1"}
    assert all(
        f"| `{name}` | {value} |" in PAGE and getattr(limits, name) == float(value) for name, value in told.items()
    )
    assert (limits.cpu, limits.burst, limits.coverage, limits.coverage_usd) == (5, 40, 0.6, 200)
