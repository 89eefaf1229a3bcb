"""Dynamic labels of GetMetricData: `${PROP('Dim.FunctionName')} ${MAX}` and the like."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import numpy as np

from opsbot.replica.world import Floats, SeriesId

_SLOT = re.compile(r"\$\{\s*(?:PROP\(\s*['\"]([\w.\-/ ]+)['\"]\s*\)|([A-Z_]+))\s*\}")
_FIGURES: dict[str, Callable[[Floats], float]] = {
    "MAX": np.max,
    "MIN": np.min,
    "AVG": np.mean,
    "SUM": np.sum,
    "FIRST": lambda values: float(values[0]),
    "LAST": lambda values: float(values[-1]),
    "DATAPOINT_COUNT": lambda values: float(values.size),
}


def label_of(template: str, series: SeriesId | None, stat: str, facts: Mapping[str, str], values: Floats) -> str:
    """`template` with its slots filled; a slot that CloudWatch does not know stays as it is."""
    there = values[~np.isnan(values)]
    properties = dict(facts)
    if series is not None:
        properties |= {"MetricName": series.name, "Namespace": series.namespace, "Stat": stat}
        properties |= {f"Dim.{name}": value for name, value in series.dimensions}

    def fill(found: re.Match[str]) -> str:
        if found[1]:
            return properties.get(found[1], "--" if found[1].startswith("Dim.") else found[0])
        if found[2] == "LABEL":
            return series.name if series is not None else ""
        if found[2] not in _FIGURES:
            return found[0]
        return f"{float(_FIGURES[found[2]](there)):.4g}" if there.size else "--"

    return _SLOT.sub(fill, template)
