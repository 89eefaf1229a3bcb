"""CloudWatch's own table of missing points, cell by cell, and the fast form against the plain one."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsbot.evaluate.missing import State, reach, state, states
from opsbot.model.check import Missing

OK, ALARM, INSUFFICIENT, KEEP = State
TREATMENTS = (Missing.UNKNOWN, Missing.IGNORE, Missing.BREACHING, Missing.NOT_BREACHING)

# N = 3, R = 5; 0 within the limit, X beyond it, - missing; newest on the right.
# The columns are missing, ignore, breaching, notBreaching.
TABLE = {
    3: {
        "0-X-X": (OK, OK, OK, OK),
        "0----": (OK, OK, OK, OK),
        "-----": (INSUFFICIENT, KEEP, ALARM, OK),
        "0XX-X": (ALARM, ALARM, ALARM, ALARM),
        "--X--": (ALARM, KEEP, ALARM, OK),
    },
    2: {
        "0-X-X": (ALARM, ALARM, ALARM, ALARM),
        "00X0X": (ALARM, ALARM, ALARM, ALARM),
        "0-X--": (OK, OK, ALARM, OK),
        "----0": (OK, OK, ALARM, OK),
        "---X-": (ALARM, KEEP, ALARM, OK),
    },
}
MARKS = {"0": False, "X": True, "-": None}


def cells() -> Iterator[object]:
    for m, rows in TABLE.items():
        for written, expected in rows.items():
            for treatment, want in zip(TREATMENTS, expected, strict=True):
                yield pytest.param(m, written, treatment, want, id=f"{m} of 3, {written}, {treatment}: {want.name}")


def many(points: list[list[bool | None]], m: int, n: int, treatment: Missing) -> list[int]:
    breach = np.array([[bool(point) for point in row] for row in points], dtype=np.bool_)
    real = np.array([[point is not None for point in row] for row in points], dtype=np.bool_)
    return states(breach, real, m, n, treatment).tolist()


@pytest.mark.parametrize(("m", "written", "treatment", "expected"), list(cells()))
def test_every_cell_of_the_documented_table(m: int, written: str, treatment: Missing, expected: State) -> None:
    points = [MARKS[mark] for mark in written]
    assert state(points, m, 3, treatment) is expected
    assert many([points], m, 3, treatment) == [expected]


def test_the_table_has_its_forty_cells() -> None:
    assert len(list(cells())) == 40


@pytest.mark.parametrize(
    ("written", "m", "n", "treatment", "expected"),
    [
        pytest.param("---X", 3, 3, Missing.UNKNOWN, KEEP, id="one young breaching point is too early for an alarm"),
        pytest.param("X---", 3, 3, Missing.UNKNOWN, ALARM, id="the same point, old enough"),
        pytest.param("X---", 3, 3, Missing.IGNORE, KEEP, id="ignore never raises on too few points"),
        pytest.param("-----", 1, 1, Missing.ZERO, OK, id="zero was filled by its caller"),
        pytest.param("XXX00", 2, 2, Missing.BREACHING, OK, id="enough real points: the treatment is not used"),
    ],
)
def test_beyond_the_table(written: str, m: int, n: int, treatment: Missing, expected: State) -> None:
    points = [MARKS[mark] for mark in written]
    assert (state(points, m, n, treatment), many([points], m, n, treatment)) == (expected, [expected])


@pytest.mark.parametrize(("n", "expected"), [(1, 3), (2, 4), (3, 5), (6, 8), (9, 12), (30, 40)])
def test_how_far_an_alarm_looks(n: int, expected: int) -> None:
    assert reach(n) == expected


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_many_rows_agree_with_one(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 8))
    m = data.draw(st.integers(1, n))
    width = data.draw(st.integers(0, reach(n)))
    row = st.lists(st.sampled_from([True, False, None]), min_size=width, max_size=width)
    rows = data.draw(st.lists(row, min_size=1, max_size=12))
    treatment = data.draw(st.sampled_from(list(Missing)))
    breach = np.array([[bool(point) for point in one] for one in rows], dtype=np.bool_).reshape(len(rows), width)
    real = np.array([[point is not None for point in one] for one in rows], dtype=np.bool_).reshape(len(rows), width)
    assert states(breach, real, m, n, treatment).tolist() == [state(one, m, n, treatment) for one in rows]
