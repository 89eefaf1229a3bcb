"""A daemon's inside as the page sees it: a real store with runs, findings and messages, and a clock that stands."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

from opsbot.model.finding import Finding
from opsbot.model.message import Delivery
from opsbot.model.run import Attempt, Cause, Run, RunState, Usage
from opsbot.model.status import Status
from opsbot.model.timetable import Clockwork, Timetable
from opsbot.model.units import Unit
from opsbot.model.vitals import Beat, Vitals
from opsbot.ports import Artifact
from opsbot.store.sql import SqlStore
from opsbot.web.app import Inside
from opsbot.web.settings import WebSettings
from tests.outbox.world import message

NOW = datetime(2026, 11, 20, 14, 3, 22, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
ZONE = "Europe/Berlin"
ENVIRONMENTS = ("dhbw-prod", "dhbw-stage", "edt-prod", "harbor-prod", "meridian-prod", "northlake-prod", "oakfield-prod",
                "summit-prod", "tidewater-prod", "valemont-prod")  # fmt: skip
SCHEDULES = {
    "capacity_trends": "30 6 * * MON",
    "cost_anomalies": "0 9 * * *",
    "daily_health": "0 7 * * MON-FRI",
    "uptime_probes": "*/5 * * * *",
    "weekly_report": "0 8 * * MON",
}
LOOPS = {"clock": 60.0, "sweep": 15.0, "dispatch": 0.5, "supervise": 0.5, "beat": 10.0, "outbox": 0.5, "web": 5.0}
REPORT = (
    "<!DOCTYPE html><html><head><title>r</title><style>p{color:red}</style></head><body><p>report</p></body></html>"
)


def timetable(job: str, **changes: object) -> Timetable:
    made = Timetable(
        job=job, cron=SCHEDULES.get(job, "0 * * * *"), zone=ZONE, timeout=10 * MINUTE, channels=("ops-slack",)
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def vitals(**changes: object) -> Vitals:
    made = Vitals(
        worker="ops-1:4711",
        started_at=NOW - 3 * DAY - 4 * HOUR,
        beats=tuple(Beat(loop=name, period=period, age=period / 3) for name, period in LOOPS.items()),
        ready=True,
        draining=False,
        config_hash="9f2c41d07b3a55e1",
        config_ok=True,
        config_loaded_at=NOW - 26 * HOUR,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def inside(store: SqlStore, **changes: object) -> Inside:
    tables = tuple(map(timetable, SCHEDULES))
    made = Inside(
        store=store,
        now=lambda: NOW,
        vitals=vitals,
        timetables=lambda: tables,
        settings=WebSettings(),
        zone=ZONE,
        version="1.4.0",
        environments=lambda: ENVIRONMENTS,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def finding(environment: str, status: Status, resource: str = "lecture-backend", **changes: object) -> Finding:
    made = Finding(
        check="ecs-cpu",
        environment=environment,
        resource=resource,
        status=status,
        at=NOW - 7 * HOUR,
        unit=Unit.PERCENT,
        title="ECS CPU",
        area="ecs",
        value=93.1,
        limit=80.0,
        rule="> 80 % for 10m",
        summary="CPU 93 % for 3 h, limit 80 %",
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def ended(id: str, job: str, at: datetime, **changes: object) -> Run:
    made = Run(
        id=id,
        job=job,
        queued_at=at,
        started_at=at,
        finished_at=at + timedelta(seconds=41.3),
        at=at,
        state=RunState.SUCCEEDED,
        cause=Cause.SCHEDULE,
        verdict="ok",
        headline="8 environments, nothing to do",
        usage=Usage(calls=(("cloudwatch:GetMetricData", 12), ("ecs:DescribeServices", 30)), metrics=1240, usd=0.0124),
        cpu_seconds=12.4,
        peak_rss=231_000_000,
        exit_code=0,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def keep(store: SqlStore, run: Run, *findings: Finding, told: tuple[object, ...] = (), html: str = REPORT) -> Run:
    """Begun and ended through the store, as a run's child does."""
    store.begin(replace(run, state=RunState.RUNNING, finished_at=None, verdict="", headline=""))
    artifacts = [
        Artifact(run_id=run.id, format=name, body=body.encode())
        for name, body in (("html", html), ("text", "report\n"), ("json", "{}"))
    ]
    store.commit(run, findings, told, artifacts if run.state is RunState.SUCCEEDED else ())  # type: ignore[arg-type]
    return run


def busy(store: SqlStore, logs: Path) -> None:
    """A day like many: two environments in trouble, one job that failed, one paused, a message that did not go."""
    _histories(store)
    findings = (
        finding("dhbw-prod", Status.CRITICAL),
        finding(
            "dhbw-prod", Status.WARNING, "import-queue", check="sqs-age", summary="oldest message 44 min, limit 15 min"
        ),
        finding("edt-prod", Status.WARNING, "db-1", check="rds-storage", summary="9 % of storage left, limit 10 %"),
        finding(
            "summit-prod", Status.UNKNOWN, "alb/web", check="alb-5xx", summary="cloudwatch:GetMetricData was denied"
        ),
        finding("harbor-prod", Status.OK),
    )
    told = (message("m1", "ops-slack", subject="Action: dhbw-prod needs action", run_id="HEALTH", to="#ops"),
            message("m2", "managers", subject="Action: dhbw-prod needs action", run_id="HEALTH", to="ops@example.org"))  # fmt: skip
    run = ended(
        "HEALTH", "daily_health", NOW - 7 * HOUR, verdict="action", headline="2 of 10 environments need somebody"
    )
    logged = replace(run, log="daily_health/HEALTH.1.log", owner="ops-1:4711")
    keep(store, logged, *findings, told=told)
    (logs / "daily_health").mkdir(parents=True)
    (logs / "daily_health" / "HEALTH.1.log").write_text(
        "\n".join(
            f"2026-11-20T07:00:{n:02}Z info    read environment={name} calls=4" for n, name in enumerate(ENVIRONMENTS)
        )
        + "\n2026-11-20T07:00:41Z info    run finished state=succeeded verdict=action seconds=41.3\n"
    )
    _deliveries(store)
    _ledger(store)


def _histories(store: SqlStore) -> None:
    for n in range(1, 45):
        at = NOW - 7 * HOUR - n * DAY
        verdict = {3: "attention", 4: "attention", 17: "action", 30: "no-data"}.get(n, "ok")
        keep(store, ended(f"HEALTH{n:03}", "daily_health", at, verdict=verdict))
    for n in range(30):
        state = RunState.FAILED if n == 9 else RunState.SUCCEEDED
        keep(
            store,
            ended(
                f"COST{n:03}",
                "cost_anomalies",
                NOW - 6 * HOUR - n * DAY,
                state=state,
                headline="no anomaly in 6 accounts",
            ),
        )
    for n in range(12):
        keep(
            store,
            ended(
                f"WEEK{n:03}", "weekly_report", NOW - 4 * DAY - n * 7 * DAY, headline="a quiet week in 10 environments"
            ),
        )
    failed = ended("UPTIME1", "uptime_probes", NOW - 3 * MINUTE, state=RunState.TIMED_OUT, verdict="", headline="",
                   reason="it ran for 10 min and was ended", error="uptime_probes: still at work after 10 min", exit_code=-15,
                   attempt=2)  # fmt: skip
    keep(store, failed)


def _deliveries(store: SqlStore) -> None:
    for state, error in ((Delivery.SENT, ""), (Delivery.DEAD, "550 mailbox unavailable: ops@example.org")):
        claimed = store.claim(NOW - 6 * HOUR, 60.0)
        assert claimed is not None
        store.settle(claimed, state, now=NOW - 6 * HOUR, error=error)
    late = message(
        "m3", "ops-slack", subject="OK: cost_anomalies", run_id="COST000", to="#ops", created_at=NOW - 20 * MINUTE
    )
    keep(store, ended("MSG", "cost_anomalies", NOW - 20 * MINUTE), told=(late,))
    claimed = store.claim(NOW - 20 * MINUTE, 60.0)
    assert claimed is not None
    store.settle(
        claimed,
        Delivery.QUEUED,
        now=NOW - 2 * MINUTE,
        error="Slack answered 429: asked to wait 90 s",
        not_before=NOW + MINUTE,
    )


def _ledger(store: SqlStore) -> None:
    ledger = store.ledger()
    for job, cron in SCHEDULES.items():
        ledger.plan(Clockwork(job=job, cursor=NOW - MINUTE, cron=cron), ())
    ledger.pause("weekly_report", NOW + 3 * DAY, "root", "release freeze", NOW - DAY)
    for id, job in (("NOW1", "capacity_trends"), ("NOW2", "daily_health")):
        at = NOW - 2 * MINUTE
        queued = Run(
            id=id,
            job=job,
            queued_at=at,
            at=at,
            scheduled_for=at,
            state=RunState.QUEUED,
            cause=Cause.SCHEDULE,
            attempt=0,
        )
        ledger.plan(Clockwork(job=job, cursor=NOW - MINUTE, cron=SCHEDULES[job]), (queued,))
    ledger.claim("ops-1:4711", NOW - MINUTE, 60.0, {"capacity_trends": timetable("x").overlap})
    ledger.end(
        ended("UPTIME1", "uptime_probes", NOW - 3 * MINUTE, state=RunState.TIMED_OUT),
        Attempt(n=2, owner="ops-1:4711", started_at=NOW - 13 * MINUTE, ended_at=NOW - 3 * MINUTE, exit_code=-15),
    )


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: str

    @property
    def cookie(self) -> str:
        return self.headers.get("set-cookie", "").partition(";")[0]


def ask(
    port: int, path: str, *, method: str = "GET", headers: Mapping[str, str] | None = None, form: Mapping[str, str] | None = None,
    host: str = "127.0.0.1",
) -> Answer:  # fmt: skip
    """One real request, following nothing."""
    body = urlencode(form) if form is not None else None
    given = {"Content-Type": "application/x-www-form-urlencoded"} if form is not None else {}
    with closing(http.client.HTTPConnection(host, port, timeout=10)) as peer:
        peer.request(method, path, body, given | dict(headers or {}))
        answer = peer.getresponse()
        told = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, told, answer.read().decode("utf-8", "replace"))
