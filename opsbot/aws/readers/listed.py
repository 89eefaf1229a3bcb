"""What only ListMetrics knows: the agent's disks and metrics people publish themselves. One list per namespace.

`RecentlyActive` is not used: a metric that fell silent days ago is just the one to be told about.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from opsbot.aws.readers.place import Found, Look, Reader, facts
from opsbot.model.resource import Resource
from opsbot.ports import CustomMetric

AGENT = "CWAgent"
DISK = "disk_used_percent"
DISK_KIND = "cwagent-disk"
NOT_DISKS = frozenset({"tmpfs", "devtmpfs", "overlay", "squashfs"})
ACTION = "cloudwatch:ListMetrics"


def kind_of(metric: CustomMetric) -> str:
    return f"metric:{metric.namespace}/{metric.name}"


def readers(custom: Iterable[CustomMetric], *, disks: bool) -> Iterator[Reader]:
    """One reader for each namespace that has to be listed."""
    spaces: dict[str, list[CustomMetric]] = {AGENT: []} if disks else {}
    for metric in sorted(custom, key=lambda metric: (metric.namespace, metric.name, metric.dimensions)):
        spaces.setdefault(metric.namespace, []).append(metric)
    for namespace, metrics in spaces.items():
        with_disks = disks and namespace == AGENT
        kinds = dict.fromkeys(kind_of(metric) for metric in metrics)
        yield Reader(
            kinds=(*([DISK_KIND] if with_disks else []), *kinds),
            actions=(ACTION,),
            read=partial(_listed, namespace, tuple(metrics), with_disks),
            # A disk carries the tags of its instance.
            tagged=("ec2:instance",) if with_disks else (),
        )


def _listed(namespace: str, wanted: tuple[CustomMetric, ...], disks: bool, look: Look) -> Iterator[Found]:
    asked = {"Namespace": namespace}
    names = {metric.name for metric in wanted} | ({DISK} if disks else set())
    if len(names) == 1:
        asked["MetricName"] = min(names)
    for metric in look.each("cloudwatch", "list_metrics", "Metrics", **asked):
        dimensions = {pair["Name"]: pair["Value"] for pair in metric.get("Dimensions") or ()}
        if disks and metric["MetricName"] == DISK:
            yield from _disk(look, dimensions)
        for custom in wanted:
            if custom.name == metric["MetricName"] and set(custom.dimensions) == set(dimensions):
                yield _custom(look, custom, dimensions)


def _disk(look: Look, dimensions: Mapping[str, str]) -> Iterator[Resource]:
    instance, path = dimensions.get("InstanceId"), dimensions.get("path")
    kind = dimensions.get("fstype", "")
    if not instance or not path or kind in NOT_DISKS or dimensions.get("device") in NOT_DISKS:
        return
    yield Resource(
        kind=DISK_KIND,
        name=f"{instance}:{path}",
        region=look.region,
        arn=look.arn("ec2", f"instance/{instance}"),
        dimensions=tuple(sorted(dimensions.items())),
        facts=facts(path=path, device=dimensions.get("device")),
    )


def _custom(look: Look, metric: CustomMetric, dimensions: Mapping[str, Any]) -> Resource:
    values = [str(dimensions[name]) for name in metric.dimensions]
    return Resource(
        kind=kind_of(metric),
        name="/".join(values) or metric.name,
        region=look.region,
        dimensions=tuple(sorted(dimensions.items())),
    )
