"""Probes as CloudWatch metrics: what is put, what it costs, and that an AWS takes it and gives it back."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from opsbot import app
from opsbot.aws import publish, publish_jobs
from opsbot.aws.publish import METRICS, NAMESPACE, VALUES, data, metrics_of, put, usd_a_month
from opsbot.cli.publishing import _of_jobs
from opsbot.errors import CloudError
from opsbot.model.period import Period
from opsbot.model.probe import Dns, ProbeState, Target
from opsbot.model.run import Cause, Run, RunState
from opsbot.model.status import Status
from opsbot.model.uptime import Sample
from opsbot.replica.server import serve
from opsbot.store.uptime_recent import recent
from tests.outbox.world import fresh
from tests.replica.engine.engine_world import tiny_world
from tests.uptime.kept import MINUTE, NOW, certified, probe

AT = NOW - 10 * MINUTE
SECOND = timedelta(seconds=1)
API = probe("api", publish=True)


def sample(n: int, state: ProbeState = ProbeState.UP, seconds: float | None = 0.2, name: str = "api") -> Sample:
    phases = (("dns", 0.01), ("tls", 0.05)) if state is not ProbeState.DOWN else (("dns", 0.01),)
    return Sample(probe=name, at=AT + n * SECOND, state=state, seconds=seconds, phases=phases)


def shown(found: list[dict[str, Any]]) -> dict[str, tuple[list[float], list[float]]]:
    named = {}
    for datum in found:
        dimensions = {each["Name"]: each["Value"] for each in datum["Dimensions"]}
        assert dimensions.pop("Probe") == "api"
        assert dimensions.pop("Environment") == "dhbw-prod"
        named[" ".join([datum["MetricName"], *dimensions.values()])] = (datum["Values"], datum["Counts"])
    return named


def test_a_minute_of_samples() -> None:
    many = [
        sample(0),
        sample(10),
        sample(20, ProbeState.DOWN, None),
        sample(30, ProbeState.DEGRADED, 1.5),
        sample(40, ProbeState.UNSURE),
    ]
    found = shown(data([API], many, {"api": certified(API, 12, AT)}, AT))
    assert found == {
        "Up": ([1.0, 0.0], [3.0, 1.0]),
        "Latency total": ([200.0, 1500.0], [2.0, 1.0]),
        "Latency dns": ([10.0], [4.0]),
        "Latency tls": ([50.0], [3.0]),
        "CertificateDays": ([12.0], [1.0]),
    }


def test_what_nobody_could_tell_is_neither_up_nor_down() -> None:
    assert data([API], [sample(0, ProbeState.UNSURE)], {"api": certified(API, 12, AT)}, AT) == []
    assert data([API], [], {}, AT) == []


def test_no_datum_has_more_than_150_values() -> None:
    many = [sample(n % 60, seconds=0.1 + n / 1000) for n in range(400)]
    assert max(len(datum["Values"]) for datum in data([API], many, {}, AT)) == VALUES


def test_a_probe_of_no_environment_has_no_such_dimension() -> None:
    alone = data([replace(API, environment="")], [sample(0)], {}, AT)
    assert [[d["Name"] for d in datum["Dimensions"]] for datum in alone][:2] == [["Probe"], ["Probe", "Phase"]]


@pytest.mark.parametrize(
    ("metrics", "usd"),
    [(0, 0.0), (8, 2.40 + 0.432), (1000, 300.432), (10_000, 3000 + 4.32), (20_000, 3000 + 1000 + 8.64)],
)
def test_the_price_of_a_month(metrics: int, usd: float) -> None:
    assert usd_a_month(metrics) == pytest.approx(usd)


def test_only_what_is_to_be_published_is_counted() -> None:
    name = replace(API, name="name", target=Target(name="name", spec=Dns(name="example.org")))
    assert metrics_of([API, name, replace(API, publish=False)]) == 8 + 3


def test_an_aws_takes_it_and_gives_it_back(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "demo", "AWS_SECRET_ACCESS_KEY": "demo", "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    many = [probe(f"p{n:03}", publish=True) for n in range(300)]
    samples = [sample(n, name=one.name) for one in many for n in (0, 30)]
    with serve(tiny_world(), now=lambda: NOW) as running:
        monkeypatch.setenv("AWS_ENDPOINT_URL", running.url)
        client = publish.client()
        found = data(many, samples, {}, AT)
        assert put(client, found) == -(-len(found) // METRICS) == 2
        query = {"Namespace": NAMESPACE, "MetricName": "Latency", "StartTime": AT, "EndTime": AT + MINUTE, "Period": 60,
                 "Statistics": ["Average", "SampleCount"]}  # fmt: skip
        dimensions = {"Probe": "p007", "Environment": "dhbw-prod", "Phase": "dns"}
        point = client.get_metric_statistics(
            **query, Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()]
        )["Datapoints"]
        assert [(one["Average"], one["SampleCount"]) for one in point] == [(10.0, 2.0)]
        with pytest.raises(CloudError, match="PutMetricData"):
            put(client, [{**found[0], "Counts": [1.0, 2.0]}])


def test_samples_of_a_minute_are_read_before_and_after_they_are_rolled_up(tmp_path: Path) -> None:
    store = fresh(tmp_path / "opsbot.db")
    uptime = store.uptime()
    uptime.record([sample(n) for n in (0, 30, 59, 60)], (), ())
    minute = Period(start=AT, end=AT + MINUTE)
    before = recent(store.engine, minute)
    uptime.roll_up(NOW)
    assert recent(store.engine, minute) == before
    assert [one.at for one in before] == [AT, AT + 30 * SECOND, AT + 59 * SECOND]
    store.close()


# runs -----------------------------------------------------------------------------------------------------------------

RUN = Run(
    id="R1", job="daily_health", queued_at=AT, started_at=AT, finished_at=AT + 42 * SECOND, at=AT, state=RunState.SUCCEEDED,
    cause=Cause.SCHEDULE,
)  # fmt: skip
FOUND = (Status.CRITICAL, Status.WARNING, Status.WARNING, Status.UNKNOWN)


@pytest.mark.parametrize(
    ("run", "values"),
    [
        (RUN, {"Succeeded": 1.0, "Duration": 42.0, "Critical": 1.0, "Warning": 2.0}),
        (replace(RUN, state=RunState.FAILED), {"Succeeded": 0.0, "Duration": 42.0}),
        (replace(RUN, state=RunState.TIMED_OUT), {"Succeeded": 0.0, "Duration": 42.0}),
        (replace(RUN, state=RunState.LOST, started_at=None), {"Succeeded": 0.0}),
        (replace(RUN, state=RunState.SKIPPED, started_at=None), {}),
        (replace(RUN, state=RunState.CANCELLED), {}),
        (replace(RUN, state=RunState.RUNNING, finished_at=None), {}),
    ],
    ids=lambda value: str(value.state) if isinstance(value, Run) else "",
)
def test_how_a_run_ended(run: Run, values: dict[str, float]) -> None:
    found = publish_jobs.data(run, FOUND)
    assert {datum["MetricName"]: datum["Value"] for datum in found} == values
    assert all(datum["Dimensions"] == [{"Name": "Job", "Value": "daily_health"}] for datum in found)


def test_the_runs_of_a_minute_of_the_jobs_that_are_published(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[jobs.daily_health]\npublish = true\n")
    house = app.load(tmp_path)
    store = house.store()
    for id, job, ended in (("R1", "daily_health", 10), ("R2", "daily_health", 70), ("R3", "uptime_probes", 10)):
        run = replace(RUN, id=id, job=job, state=RunState.RUNNING, finished_at=None, owner="here")
        store.begin(run)
        store.commit(replace(run, state=RunState.SUCCEEDED, finished_at=AT + ended * SECOND), (), (), ())
    store.close()
    told = list(_of_jobs(house, AT))
    assert [(datum["MetricName"], datum["Value"]) for datum in told] == [
        ("Succeeded", 1.0), ("Duration", 10.0), ("Critical", 0.0), ("Warning", 0.0),
    ]  # fmt: skip
    assert "Opsbot/Jobs" in str(house.own_policy())
