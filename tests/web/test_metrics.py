"""What Prometheus is told: read with its own parser, held against its naming rules, and counted once."""

from __future__ import annotations

import re
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from opsbot.model.run import RunState, Usage
from opsbot.store.overview import Ended
from opsbot.web.metrics import Metrics
from opsbot.web.server import Server
from opsbot.web.tally import BUCKETS, Tally
from tests.outbox.world import fresh
from tests.web import world
from tests.web.world import HOUR, NOW, ask, ended, keep

# What is told in which unit: the suffix Prometheus's own checker asks for.
UNITS = {"seconds": "seconds", "bytes": "bytes", "usd": "usd"}


def families(body: str) -> dict[str, Metric]:
    return {family.name: family for family in text_string_to_metric_families(body)}


@pytest.fixture(scope="module")
def told(open_page: Server) -> dict[str, Metric]:
    answer = ask(open_page.port, "/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return families(answer.body)


def value(told: dict[str, Metric], name: str, **labels: str) -> float:
    for family in told.values():
        for sample in family.samples:
            if sample.name == name and labels.items() <= sample.labels.items():
                return sample.value
    raise AssertionError(f"{name} {labels} is not told")


@pytest.mark.parametrize(
    ("name", "labels", "wanted"),
    [
        ("opsbot_alive", {}, 1),
        ("opsbot_ready", {}, 1),
        ("opsbot_draining", {}, 0),
        ("opsbot_loop_heartbeat_age_seconds", {"loop": "clock"}, 20),
        ("opsbot_loop_stalled", {"loop": "web"}, 0),
        ("opsbot_config_last_reload_successful", {}, 1),
        ("opsbot_config_last_reload_success_timestamp_seconds", {}, (NOW - 26 * HOUR).timestamp()),
        ("opsbot_job_paused", {"job": "weekly_report"}, 1),
        ("opsbot_job_paused", {"job": "daily_health"}, 0),
        ("opsbot_job_next_run_timestamp_seconds", {"job": "cost_anomalies"}, NOW.replace(day=21, hour=8, minute=0, second=0).timestamp()),
        ("opsbot_job_last_success_timestamp_seconds", {"job": "daily_health"}, (NOW - 7 * HOUR + timedelta(seconds=41.3)).timestamp()),
        ("opsbot_ledger_runs", {"job": "capacity_trends", "state": "running"}, 1),
        ("opsbot_ledger_runs", {"job": "daily_health", "state": "queued"}, 1),
        ("opsbot_ledger_runs", {"job": "weekly_report", "state": "queued"}, 0),
        ("opsbot_findings", {"job": "daily_health", "status": "critical"}, 1),
        ("opsbot_findings", {"job": "daily_health", "status": "warning"}, 2),
        ("opsbot_outbox_messages", {"channel": "managers", "state": "dead"}, 1),
        ("opsbot_outbox_oldest_unsent_age_seconds", {"channel": "ops-slack"}, 1200),
        ("opsbot_runs_total", {"job": "daily_health", "state": "succeeded"}, 0),
        ("opsbot_build_info", {"version": "1.4.0"}, 1),
        ("opsbot_scrape_errors", {"group": "ledger"}, 0),
    ],
)  # fmt: skip
def test_a_metric_has_its_value(told: dict[str, Metric], name: str, labels: dict[str, str], wanted: float) -> None:
    assert value(told, name, **labels) == pytest.approx(wanted)


def test_names_follow_the_rules(told: dict[str, Metric]) -> None:
    for name, family in told.items():
        assert re.fullmatch(r"(opsbot|process)_[a-z][a-z0-9_]*[a-z0-9]", name), name
        assert family.documentation.endswith("."), name
        assert family.type in ("gauge", "counter", "histogram"), name
        told_of = [unit for word, unit in UNITS.items() if f"in {word}" in family.documentation.lower()]
        assert all(unit in name for unit in told_of), name
        for sample in family.samples:
            assert not {label for label in sample.labels if not re.fullmatch(r"[a-z]+", label)}, name
            assert family.type != "counter" or sample.name.endswith("_total"), sample.name
            assert family.type == "counter" or not sample.name.endswith("_total"), sample.name
        keys = [(sample.name, *sorted(sample.labels.items())) for sample in family.samples]
        assert len(keys) == len(set(keys)), name


@pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed (Debian: apt-get install prometheus)"
)
def test_promtool_has_nothing_to_say(open_page: Server) -> None:
    body = ask(open_page.port, "/metrics").body
    checked = subprocess.run(["promtool", "check", "metrics"], input=body, capture_output=True, text=True, timeout=30)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_counters_count_what_ends_from_now_on_once(tmp_path: Path) -> None:
    store = fresh(tmp_path / "opsbot.db")
    keep(store, ended("OLD", "daily_health", NOW - HOUR))
    moment = [NOW]
    metrics = Metrics(world.inside(store, now=lambda: moment[0]))
    assert (
        value(families(metrics.exposed()[0].decode()), "opsbot_runs_total", job="daily_health", state="succeeded") == 0
    )
    moment[0] += HOUR
    keep(store, ended("NEW", "daily_health", NOW + HOUR / 2))
    keep(store, ended("BAD", "daily_health", NOW + HOUR / 2, state=RunState.FAILED, usage=Usage(), cpu_seconds=0.0))
    for _ in range(3):
        told = families(metrics.exposed()[0].decode())
    store.close()
    assert value(told, "opsbot_runs_total", job="daily_health", state="succeeded") == 1
    assert value(told, "opsbot_runs_total", job="daily_health", state="failed") == 1
    assert value(told, "opsbot_run_duration_seconds_count", job="daily_health") == 2
    assert value(told, "opsbot_run_duration_seconds_sum", job="daily_health") == pytest.approx(82.6)
    assert value(told, "opsbot_run_duration_seconds_bucket", job="daily_health", le="30") == 0
    assert value(told, "opsbot_run_duration_seconds_bucket", job="daily_health", le="60") == 2
    assert value(told, "opsbot_aws_calls_total", operation="ecs:DescribeServices") == 30
    assert value(told, "opsbot_aws_cost_usd_total", job="daily_health") == pytest.approx(0.0124)
    assert value(told, "opsbot_run_cpu_seconds_total", job="daily_health") == pytest.approx(12.4)


def _ended(n: int, seconds: float) -> Ended:
    return Ended(f"R{n}", 1, "job", RunState.SUCCEEDED, seconds, 1.0, (("s3:ListBuckets", 2),), 3, 0, 0.5)


@given(
    st.lists(st.tuples(st.integers(0, 100), st.integers(0, 14), st.floats(0, 5000)), max_size=40),
    st.lists(st.integers(0, 100), max_size=12),
)
def test_each_run_is_counted_once_however_late_it_is_seen(runs: list[tuple[int, int, float]], looks: list[int]) -> None:
    """A run ends at a minute and shows up in the ledger some minutes later; looks come at any minute."""
    tally = Tally(NOW)
    for look in sorted([*looks, 120]):
        now = NOW + timedelta(minutes=look)
        shown = [
            (NOW + timedelta(minutes=end), _ended(n, seconds))
            for n, (end, lag, seconds) in enumerate(runs)
            if end + lag <= look
        ]
        tally.read(lambda since, shown=shown: [run for at, run in shown if at >= since], now)  # type: ignore[misc]
    assert tally.runs["job", "succeeded"] == len(runs)
    assert tally.calls["job", "s3:ListBuckets"] == 2 * len(runs)
    assert sum(tally.seconds.get("job", [])) == len(runs)
    assert len(tally.seconds.get("job", [0] * (len(BUCKETS) + 1))) == len(BUCKETS) + 1
