"""The catalogue that ships: sound, complete, documented."""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from opsbot.checks import KINDS, needs
from opsbot.checks.asking import MetricSettings
from opsbot.checks.catalogue import load, shipped
from opsbot.checks.document import page
from opsbot.checks.estate import AREAS, NOUNS, SETTLE
from opsbot.checks.kind import common
from opsbot.checks.reading import read_check
from opsbot.checks.table import Table
from opsbot.checks.words import places
from opsbot.model.check import Check, Missing
from tests.fakes import environment

CATALOGUE, PROBLEMS = load([], [])
CHECKS = CATALOGUE.checks
PAGE = Path(__file__).parents[2] / "docs" / "checks.md"
RULES = {check.name: tuple(f"{rule.status} {rule.text}" for rule in check.rules) for check in CHECKS}


def test_it_has_no_problem() -> None:
    assert PROBLEMS == []
    changed, problems = load([{**raw} for raw in shipped()], [])
    assert problems == []
    assert [replace(check, source="shipped") for check in changed.checks] == list(CHECKS)
    assert len(CHECKS) == sum(1 for raw in shipped() if raw.get("enabled", True))


def test_every_kind_of_resource_is_looked_at() -> None:
    kinds, custom = needs(CHECKS)
    assert kinds == set(NOUNS)
    assert {one.namespace for one in custom} == {
        f"Platform/{part}" for part in ("Health", "Data", "Processing", "Quality", "Business", "Experience", "Security")
    }


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_each_check_can_be_read_by_a_person(check: Check) -> None:
    assert check.kind in KINDS
    assert check.area in AREAS
    assert re.fullmatch(r"[A-Z].*[^.]", check.title)
    assert re.fullmatch(r"[A-Z].*\.", check.means)
    assert check.runbook
    assert common(check).noun
    assert len(set(places(common(check).says))) == len(places(common(check).says))


@pytest.mark.parametrize(
    "check", [one for one in CHECKS if isinstance(one.settings, MetricSettings)], ids=lambda check: check.name
)
def test_each_metric_settles_before_it_is_judged(check: Check) -> None:
    settings = check.settings
    assert isinstance(settings, MetricSettings)
    assert settings.settle >= max(SETTLE.get(one.namespace, settings.settle) for one in settings.inputs)


@pytest.mark.parametrize(
    ("name", "rules"),
    [
        ("ecs-cpu", ["warning > 80 % for 10m"]),
        ("ecs-memory", ["warning > 85 % for 5m"]),
        ("ecs-tasks", ["critical < 1 %", "warning < 50 %"]),
        ("eks-cpu", ["critical > 85 % for 10m"]),
        ("eks-memory", ["critical > 90 % for 10m"]),
        ("ec2-cpu", ["critical > 85 % for 10m"]),
        ("host-memory", ["critical > 90 % for 10m"]),
        ("lambda-error-rate", ["warning > 5 %", "warning > 1 % for 3 periods"]),
        ("lambda-errors", ["warning > 10"]),
        ("lambda-duration", ["warning > 90 %"]),
        ("lambda-throttles", ["warning > 0"]),
        ("lambda-concurrency", ["warning > 80 %"]),
        ("rds-cpu", ["warning > 70 % for 15m"]),
        ("rds-connections", ["warning > 80 %"]),
        ("rds-read-latency", ["warning > 100 ms for 10m"]),
        ("rds-write-latency", ["warning > 100 ms for 10m"]),
        ("rds-failed-connections", ["critical > 10"]),
        ("rds-storage", ["critical > 90 %"]),
        ("s3-4xx", ["warning > 1 %"]),
        ("s3-5xx", ["critical > 0.1 %"]),
        ("cloudfront-4xx", ["warning > 5 %"]),
        ("cloudfront-5xx", ["critical > 1 %"]),
        ("cloudfront-hit-rate", ["warning < 80 % for 15m"]),
        ("cache-hit-rate", ["warning < 80 % for 15m"]),
        ("alb-latency", ["warning > 2 s", "info > 500 ms for 10m"]),
        ("alb-error-rate", ["critical > 5 %"]),
        ("api-latency", ["warning > 2 s", "info > 500 ms for 10m"]),
        ("api-error-rate", ["critical > 5 %"]),
        ("api-5xx", ["critical > 5"]),
        ("api-requests", ["info > 1000"]),
        ("auth-failures", ["warning > 10"]),
        ("processing-batch", ["warning > 5 min for 10m"]),
        ("processing-streaming", ["warning > 30 s for 10m"]),
        ("dms-lag-source", ["critical > 5 min"]),
        ("dms-lag-target", ["critical > 5 min"]),
        ("batch-failed-jobs", ["warning > 0"]),
        ("batch-failure-rate", ["warning > 5 %"]),
        ("glue-job-failed", ["warning > 0"]),
        ("glue-crawler-failed", ["warning > 0"]),
        ("disk-used", ["critical > 90 %", "warning > 80 %"]),
        ("data-loss", ["critical >= 1"]),
        ("data-quality", ["warning < 95 %"]),
        ("availability", ["critical < 99 % for 2 periods"]),
        ("active-users", ["warning < 50 %"]),
        ("uploads", ["warning < 10 %"]),
        ("api-calls", ["critical < 20 %"]),
        ("new-registrations", ["info < 5"]),
        ("page-load", ["warning > 3 s for 15m"]),
        ("session-duration", ["warning < 1 min for 1h"]),
        ("bounce-rate", ["warning > 60 % for 1h"]),
        ("error-pages", ["warning > 2 %"]),
        ("web-vitals-lcp", ["warning > 2.5 s for 1h"]),
        ("web-vitals-inp", ["warning > 200 ms for 1h"]),
        ("web-vitals-cls", ["warning > 0.1 for 1h"]),
        ("certificate-expiry", ["critical < 3", "warning < 14", "info < 30"]),
    ],
)
def test_the_promised_thresholds(name: str, rules: list[str]) -> None:
    assert list(RULES[name]) == rules


@pytest.mark.parametrize("kind", KINDS)
def test_every_key_is_documented(kind: str) -> None:
    table = Table({"kind": kind}, "", [])
    read_check(table, (), "", Missing.UNKNOWN)
    section = page(CHECKS).partition("## A check of your own")[2].partition("## What looking costs")[0]
    assert [key for key in table.known if f"`{key}`" not in section and f"`{key} =" not in section] == []


def test_the_documented_example_holds() -> None:
    example = tomllib.loads(page(CHECKS).partition("```toml")[2].partition("```")[0])
    catalogue, problems = load(example["checks"], [environment()])
    assert problems == []
    assert catalogue.for_environment(environment())[-1].source == 'config.toml, override "dhbw-*"'


def test_the_documentation_is_current() -> None:
    if os.environ.get("OPSBOT_UPDATE_GOLDEN"):
        PAGE.write_text(page(CHECKS), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == page(CHECKS), "run the tests once with OPSBOT_UPDATE_GOLDEN=1"
