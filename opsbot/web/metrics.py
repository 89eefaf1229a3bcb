"""What Prometheus is told: the daemon's loops, the ledger, the outbox, and what AWS was asked and charged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from platform import python_version
from threading import Lock
from typing import cast

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from opsbot import timetable as rules
from opsbot.model.message import Delivery
from opsbot.model.run import RunState
from opsbot.model.timetable import Timetable
from opsbot.model.vitals import Vitals
from opsbot.store.overview import Overview
from opsbot.web import jobs
from opsbot.web.inside import Inside
from opsbot.web.parts import Broken, part
from opsbot.web.strip import BARS
from opsbot.web.tally import BUCKETS, Tally

KIND = "text/plain; version=0.0.4; charset=utf-8"
_ENDS = tuple(state for state in RunState if state.ended)
_WAITING = (Delivery.QUEUED, Delivery.SENDING, Delivery.HELD)
Value = tuple[Sequence[str], float]


class Metrics(Collector):
    """A registry of its own, filled when it is asked. Counters start with the daemon; they count the whole ledger, so of
    several replicas take one, not the sum."""

    def __init__(self, inside: Inside) -> None:
        self._inside = inside
        self._tally = Tally(inside.now())
        self._lock = Lock()
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def exposed(self) -> tuple[bytes, str]:
        """The text format, and its name."""
        with self._lock:
            return generate_latest(self._registry), KIND

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        """Groups that cannot be read are left out and counted in `opsbot_scrape_errors`."""
        now = self._inside.now()
        groups = {
            "daemon": lambda: list(self._daemon(self._inside.vitals(), now)),
            "jobs": lambda: list(self._jobs(now)),
            "ledger": lambda: list(self._ledger(now)),
            "findings": lambda: list(self._findings()),
            "outbox": lambda: list(self._outbox(now)),
        }
        told = {name: part(f"metrics of {name}", read) for name, read in groups.items()}
        for family in told.values():
            yield from () if isinstance(family, Broken) else family
        broken = [((name,), float(isinstance(family, Broken))) for name, family in told.items()]
        yield _gauge("scrape_errors", "Whether this group of metrics could not be read.", ("group",), broken)
        info = [((self._inside.version, python_version()), 1.0)]
        yield _gauge("build_info", "The version that runs, always 1.", ("version", "python"), info)

    def _daemon(self, vitals: Vitals, now: datetime) -> Iterator[Metric]:
        beats = vitals.beats
        yield _gauge("alive", "Whether every loop moves.", (), [((), float(vitals.alive))])
        yield _gauge("ready", "Whether this daemon takes runs.", (), [((), float(vitals.ready))])
        yield _gauge(
            "draining", "Whether this daemon finishes its runs and takes no more.", (), [((), float(vitals.draining))]
        )
        yield _gauge(
            "troubles", "Troubles shown on the status page by the daemon itself.", (), [((), len(vitals.troubles))]
        )
        yield _gauge(
            "start_time_seconds",
            "When this daemon started, since the epoch.",
            (),
            [((), vitals.started_at.timestamp())],
        )
        ages = [((beat.loop,), beat.age) for beat in beats]
        yield _gauge("loop_heartbeat_age_seconds", "How long ago a loop last moved.", ("loop",), ages)
        periods = [((beat.loop,), beat.period) for beat in beats]
        yield _gauge("loop_period_seconds", "How often a loop promises to move.", ("loop",), periods)
        stalled = [((beat.loop,), float(beat.stalled)) for beat in beats]
        yield _gauge("loop_stalled", "Whether a loop stands still.", ("loop",), stalled)
        yield _gauge(
            "config_last_reload_successful", "Whether the configuration was taken over when it was last read.", (),
            [((), float(vitals.config_ok))],
        )  # fmt: skip
        yield _gauge(
            "config_last_reload_success_timestamp_seconds", "When the configuration at work was read, since the epoch.",
            (), [((), vitals.config_loaded_at.timestamp())],
        )  # fmt: skip

    def _jobs(self, now: datetime) -> Iterator[Metric]:
        timetables = self._inside.timetables()
        clockworks = self._inside.store.ledger().clockworks()
        paused, following = [], []
        for timetable in timetables:
            clockwork = clockworks.get(timetable.job)
            paused.append(((timetable.job,), float(bool(jobs.pause(clockwork, timetable.zone, now)))))
            if fire := rules.next_fire(timetable, jobs.begins(clockwork, now)):
                following.append(((timetable.job,), fire.timestamp()))
        yield _gauge("job_paused", "Whether somebody paused this job.", ("job",), paused)
        yield _gauge("job_next_run_timestamp_seconds", "When it runs next, since the epoch.", ("job",), following)
        yield from self._last(timetables)

    def _last(self, timetables: Sequence[Timetable]) -> Iterator[Metric]:
        recent = Overview(self._inside.store).recent([timetable.job for timetable in timetables], BARS)
        ended, well = [], []
        for job, glances in recent.items():
            ended += [((job,), glance.ended.timestamp()) for glance in glances[:1] if glance.ended]
            good = [glance.ended for glance in glances if glance.state is RunState.SUCCEEDED and glance.ended]
            well += [((job,), moment.timestamp()) for moment in good[:1]]
        yield _gauge("job_last_run_timestamp_seconds", "When its last run ended, since the epoch.", ("job",), ended)
        yield _gauge(
            "job_last_success_timestamp_seconds", "When a run of it last ended well, since the epoch.", ("job",), well
        )

    def _ledger(self, now: datetime) -> Iterator[Metric]:
        overview, tally = Overview(self._inside.store), self._tally
        tally.read(overview.ended, now)
        names = {timetable.job for timetable in self._inside.timetables()} | {job for job, _ in tally.runs}
        waiting = overview.in_state()
        open_runs = [
            ((job, state.value), float(waiting.get((job, state), 0)))
            for job in sorted(names | {job for job, _ in waiting})
            for state in (RunState.QUEUED, RunState.RUNNING)
        ]
        yield _gauge("ledger_runs", "Runs that wait or are at work.", ("job", "state"), open_runs)
        ends = [((job, end.value), float(tally.runs[job, end.value])) for job in sorted(names) for end in _ENDS]
        yield _counter("runs", "Runs that ended.", ("job", "state"), ends)
        yield self._durations()
        yield _counter("run_cpu_seconds", "CPU used by runs with all their processes.", ("job",), _by_job(tally.cpu))
        calls = [((job, call), float(number)) for (job, call), number in sorted(tally.calls.items())]
        yield _counter("aws_calls", "Calls made to AWS by runs.", ("job", "operation"), calls)
        yield _counter("aws_cost_usd", "What AWS charges for those calls, in USD.", ("job",), _by_job(tally.usd))
        yield _counter(
            "aws_metrics_requested", "Metrics asked for, as CloudWatch bills them.", ("job",), _by_job(tally.metrics)
        )
        yield _counter(
            "aws_throttled", "Calls that AWS answered with a request to slow down.", ("job",), _by_job(tally.throttled)
        )

    def _durations(self) -> Metric:
        family = HistogramMetricFamily("opsbot_run_duration_seconds", "How long runs took.", labels=("job",))
        edges = [*(f"{edge:g}" for edge in BUCKETS), "+Inf"]
        for job, counts in sorted(self._tally.seconds.items()):
            reached = [float(sum(counts[: place + 1])) for place in range(len(counts))]
            family.add_metric((job,), list(zip(edges, reached, strict=True)), self._tally.seconds_sum[job])
        return family

    def _findings(self) -> Iterator[Metric]:
        found = Overview(self._inside.store).standing_counts()
        values = [((job, status.value), float(number)) for (job, status), number in sorted(found.items())]
        yield _gauge("findings", "Findings that are not OK as far as is known.", ("job", "status"), values)

    def _outbox(self, now: datetime) -> Iterator[Metric]:
        backlog = Overview(self._inside.store).backlog()
        kept = [((line.channel, line.state.value), float(line.number)) for line in backlog]
        yield _gauge("outbox_messages", "Messages kept, by channel and state.", ("channel", "state"), kept)
        oldest = dict.fromkeys((line.channel for line in backlog), 0.0)
        for line in backlog:
            if line.state in _WAITING:
                oldest[line.channel] = max(oldest[line.channel], (now - line.oldest).total_seconds())
        ages = [((channel,), age) for channel, age in oldest.items()]
        yield _gauge(
            "outbox_oldest_unsent_age_seconds", "How long the oldest unsent message has waited.", ("channel",), ages
        )


def _by_job(values: Counter[str]) -> list[Value]:
    return [((job,), float(value)) for job, value in sorted(values.items())]


def _gauge(name: str, told: str, labels: Sequence[str], values: Iterable[Value]) -> Metric:
    return _filled(GaugeMetricFamily(f"opsbot_{name}", told, labels=labels), values)


def _counter(name: str, told: str, labels: Sequence[str], values: Iterable[Value]) -> Metric:
    return _filled(CounterMetricFamily(f"opsbot_{name}", told, labels=labels), values)


def _filled(family: GaugeMetricFamily | CounterMetricFamily, values: Iterable[Value]) -> Metric:
    for labels, value in values:
        family.add_metric(labels, value)
    return cast(Metric, family)
