"""Whatever a metric holds, the answer is finite, ordered and the same twice; nothing is raised, nothing warned of."""

from __future__ import annotations

import math
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsbot.evaluate.trend import outlook, quantiles
from opsbot.evaluate.trend.history import Pace
from opsbot.samples import Values
from tests.evaluate.trend.histories import line

EXAMPLES = int(os.environ.get("OPSBOT_EXAMPLES", "60"))
LEVELS = np.array([0.01, 0.1, 0.5, 0.9, 0.99])
NAN, INF = math.nan, math.inf

DEGENERATE: dict[str, list[float]] = {
    "empty": [],
    "one": [5.0],
    "two points": [1.0, 2.0],
    "three points": [1.0, 2.0, 3.0],
    "all missing": [NAN] * 40,
    "all infinite": [INF, -INF] * 20,
    "zeros": [0.0] * 60,
    "constant": [7.5] * 90,
    "infinities between": [1.0, 2.0, INF] * 20,
    "huge": [1e15 + day * 1e9 for day in range(90)],
    "tiny": [1e-12 * day for day in range(90)],
    "negative": [-5.0 - 0.1 * day for day in range(60)],
    "one value, then none": [3.0] + [NAN] * 50,
    "none at the end": [float(day) for day in range(60)] + [NAN] * 20,
    "none at the start": [NAN] * 20 + [float(day) for day in range(60)],
    "alternating": [0.0, 100.0] * 50,
    "over the limit": [float(day) for day in range(120)],
    "denormal": [5e-324] * 50,
    "denormal, growing": [5e-324 * day for day in range(50)],
    "largest": [1.7e308, 1.6e308] * 30,
    "from one end to the other": [-1.7e308, 1.7e308] * 30,
    "a cliff": [0.0] * 40 + [1e300] * 40,
    "twenty orders of magnitude": [10.0 ** (day % 20) for day in range(100)],
    "every second missing": [float(day) if day % 2 else NAN for day in range(100)],
    "two values far apart": [1.0] + [NAN] * 300 + [2.0],
    "a line without noise": [float(day) for day in range(455)],
    "steps without noise": [float(day // 30) for day in range(455)],
    "a parabola": [float(day * day) for day in range(100)],
    "compound": [1.3**day for day in range(400)],
}


def check(values: Values, limit: float, period: int) -> None:
    found = outlook(values, limit=limit, period=period)
    odds = (found.p_breach_30d, found.p_breach_90d, found.p_horizon)
    assert 0 <= odds[0] <= odds[1] <= odds[2] <= 1
    days = [day for day in (found.p10, found.p50, found.p90) if day is not None]
    assert days == sorted(days)
    assert all(1 <= day <= found.horizon for day in [*days, found.day or 1])
    assert math.isfinite(found.growth)
    assert all(math.isfinite(each.amount) and 0 <= each.at < values.size for each in found.undone)
    told = quantiles(values, period=period, horizon=30, levels=LEVELS)
    assert told.shape == (30, LEVELS.size)
    assert np.isfinite(told).all()
    assert (told[:, 1:] >= told[:, :-1]).all()


@pytest.mark.parametrize("period", [7, 24, 52])
@pytest.mark.parametrize("name", DEGENERATE)
def test_degenerate_histories_are_answered(name: str, period: int) -> None:
    check(np.array(DEGENERATE[name], dtype=float), 100.0, period)


@pytest.mark.parametrize("limit", [0.0, -1e308, 1e308, 5e-324, INF, -INF, NAN], ids=str)
def test_any_limit_is_answered(limit: float) -> None:
    check(line(90, 100.0, 1.0, noise=2.0), limit, 7)


@pytest.mark.parametrize("values", [[], [NAN] * 9, [4.0], [1.0, 2.0], [1.0, NAN, 3.0, 4.0]], ids=str)
def test_too_little_is_said_to_be_so(values: list[float]) -> None:
    found = outlook(np.array(values), limit=100.0)
    assert (found.pace, found.day) == (Pace.UNKNOWN, None)


values = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([0.0, NAN, 1.0, -1.0, 1e-9, 1e9]),
    st.floats(-1e6, 1e6),
)


@st.composite
def histories(draw: st.DrawFn) -> Values:
    """Some numbers as they come, or a walk or line that some of them disturb."""
    odd = draw(st.lists(values, max_size=40))
    if draw(st.booleans()):
        return np.array(odd, dtype=float)
    days = draw(st.integers(2, 120))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    plain = draw(st.floats(-10, 10)) * np.arange(days) + draw(st.sampled_from([0.0, 0.1, 5.0])) * random.normal(
        size=days
    )
    plain = np.cumsum(plain) if draw(st.booleans()) else plain
    plain = np.round(plain) if draw(st.booleans()) else plain
    for value in odd[:5]:
        start = draw(st.integers(0, days - 1))
        plain[start : start + draw(st.sampled_from([1, 2, 10]))] = value
    scale = draw(st.sampled_from([1e-300, 1e-5, 1.0, 1e5, 1e300]))
    with np.errstate(over="ignore"):
        return plain * scale


@settings(max_examples=EXAMPLES, deadline=None)
@given(history=histories(), limit=values, period=st.sampled_from([7, 24, 52]))
def test_any_history_is_answered(history: Values, limit: float, period: int) -> None:
    check(history, limit, period)
