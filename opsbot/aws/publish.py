"""What probes say as CloudWatch custom metrics: Up, Latency by phase, CertificateDays, all of them in one call a minute.

Off unless a probe says `publish = true`: each metric costs $0.30 a month, see `opsbot.aws.price`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from opsbot.aws.errors import CALL_ERRORS, translate
from opsbot.aws.price import CUSTOM_METRICS, PRICES
from opsbot.errors import CloudError
from opsbot.model.probe import ProbeState
from opsbot.model.uptime import Certified, Sample
from opsbot.probing import Probe

NAMESPACE = "Opsbot/Probes"
# AWS's limits of one PutMetricData call and of one datum in it.
METRICS, VALUES = 1000, 150
PHASES = ("dns", "connect", "proxy", "tls", "first_byte", "transfer")
_USUAL_PHASES = 5
_MINUTES_A_MONTH = 30 * 24 * 60
_DIMENSION = 255

Datum = dict[str, Any]


def data(
    probes: Iterable[Probe], samples: Iterable[Sample], certificates: Mapping[str, Certified], minute: datetime
) -> list[Datum]:
    """What one minute of samples comes to; `minute` is its begin. A minute without a verdict on a probe says nothing of
    it: neither 0 nor 1."""
    by_probe: dict[str, list[Sample]] = {}
    for sample in samples:
        by_probe.setdefault(sample.probe, []).append(sample)
    return [
        datum
        for probe in probes
        for datum in _of(probe, by_probe.get(probe.name, ()), certificates.get(probe.name), minute)
    ]


def _of(probe: Probe, samples: Sequence[Sample], shown: Certified | None, minute: datetime) -> Iterator[Datum]:
    judged = [sample for sample in samples if sample.state is not ProbeState.UNSURE and not sample.excused]
    if not judged:
        return
    yield _datum(probe, "Up", "Count", minute, [float(sample.state is not ProbeState.DOWN) for sample in judged])
    whole = [
        sample.seconds * 1000 for sample in judged if sample.seconds is not None and sample.state is not ProbeState.DOWN
    ]
    if whole:
        yield _datum(probe, "Latency", "Milliseconds", minute, whole, Phase="total")
    for phase in PHASES:
        if took := [dict(sample.phases)[phase] * 1000 for sample in judged if phase in dict(sample.phases)]:
            yield _datum(probe, "Latency", "Milliseconds", minute, took, Phase=phase)
    if shown is not None:
        days = (shown.not_after - minute).total_seconds() / 86400
        yield _datum(probe, "CertificateDays", "None", minute, [days])


def _datum(probe: Probe, name: str, unit: str, minute: datetime, values: Sequence[float], **more: str) -> Datum:
    dimensions = {"Probe": probe.name, "Environment": probe.environment, **more}
    counted = Counter(round(value, 3) for value in values).most_common(VALUES)
    return {
        "MetricName": name,
        "Dimensions": [{"Name": key, "Value": value[:_DIMENSION]} for key, value in dimensions.items() if value],
        "Timestamp": minute,
        "Unit": unit,
        "Values": [value for value, _ in counted],
        "Counts": [float(count) for _, count in counted],
    }


def put(client: Any, found: Sequence[Datum], namespace: str = NAMESPACE) -> int:
    """Put them, a thousand a call; how many calls it took. Raises CloudError."""
    parts = [found[start : start + METRICS] for start in range(0, len(found), METRICS)]
    for part in parts:
        try:
            client.put_metric_data(Namespace=namespace, MetricData=list(part))
        except CALL_ERRORS as error:
            failure = translate(error, call="cloudwatch:PutMetricData")
            raise CloudError(
                failure.message, permanent=failure.permanent, hint=failure.hint, action="cloudwatch:PutMetricData"
            ) from error
    return len(parts)


def client() -> Any:
    """A CloudWatch client with the credentials opsbot itself runs as."""
    import boto3
    from botocore.config import Config

    # The next minute brings other figures; these are not worth waiting for.
    patient = Config(retries={"mode": "standard", "total_max_attempts": 3}, connect_timeout=3, read_timeout=10)
    return boto3.client("cloudwatch", config=patient)


def metrics_of(probes: Iterable[Probe]) -> int:
    """How many metrics probes that are published come to: Up, Latency in total and by the usual phases, and the days of a
    certificate."""
    return sum(2 + _phases(probe) + (probe.kind in ("http", "tls", "websocket")) for probe in probes if probe.publish)


def _phases(probe: Probe) -> int:
    return {"heartbeat": 0, "dns": 1, "tcp": 2, "tls": 3}.get(probe.kind, _USUAL_PHASES)


def usd_a_month(metrics: int) -> float:
    """What so many metrics cost in a month of one call a minute."""
    if not metrics:
        return 0.0
    calls = _MINUTES_A_MONTH * -(-metrics // METRICS)
    spent, left = PRICES["cloudwatch:PutMetricData"].of(calls), metrics
    for most, usd in CUSTOM_METRICS:
        some = min(left, most)
        spent, left = spent + some * usd, left - some
    return spent
