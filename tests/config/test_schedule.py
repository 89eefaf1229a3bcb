"""Cron text means one thing: what is refused and why, and when the rest fires."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsbot.schedule import next_fire, parse

BERLIN = ZoneInfo("Europe/Berlin")
# A Friday.
FRIDAY = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "fire"),
    [
        ("0 7 * * MON-FRI", "2026-11-23T07:00:00+01:00"),
        ("0 7 * * mon", "2026-11-23T07:00:00+01:00"),
        ("0 7 * * SAT-MON", "2026-11-21T07:00:00+01:00"),
        ("0 7 * * TUE,SAT-SUN", "2026-11-21T07:00:00+01:00"),
        ("30 6 * * FRIL", "2026-11-27T06:30:00+01:00"),
        ("30 6 * * MON#1", "2026-12-07T06:30:00+01:00"),
        ("0 0 L * *", "2026-11-30T00:00:00+01:00"),
        ("*/15 * * * *", "2026-11-20T13:15:00+01:00"),
        ("0 0 29 2 *", "2028-02-29T00:00:00+01:00"),
        ("0 8 1 JAN *", "2027-01-01T08:00:00+01:00"),
        ("@hourly", "2026-11-20T14:00:00+01:00"),
        ("@Daily", "2026-11-21T00:00:00+01:00"),
        ("@weekly", "2026-11-22T00:00:00+01:00"),
        ("@monthly", "2026-12-01T00:00:00+01:00"),
        ("@yearly", "2027-01-01T00:00:00+01:00"),
    ],
)
def test_when_it_fires_next(text: str, fire: str) -> None:
    assert next_fire(text, FRIDAY, BERLIN).isoformat() == fire


@pytest.mark.parametrize(
    ("after", "fire"),
    [
        pytest.param(
            "2026-03-28T12:00:00+00:00", "2026-03-29T03:00:00+02:00", id="the hour that is skipped: once, at its end"
        ),
        pytest.param(
            "2026-10-24T12:00:00+00:00", "2026-10-25T02:30:00+02:00", id="the hour that comes twice: the first"
        ),
        pytest.param("2026-10-25T00:30:00+00:00", "2026-10-26T02:30:00+01:00", id="and not the second"),
        pytest.param("2026-10-25T01:05:00+00:00", "2026-10-26T02:30:00+01:00", id="nor once it is over"),
    ],
)
def test_clock_changes(after: str, fire: str) -> None:
    assert next_fire("30 2 * * *", datetime.fromisoformat(after), BERLIN).isoformat() == fire


@pytest.mark.parametrize(
    "text", ["* * * * * *", "0 7 * * */2", "0 7 * * MON-5", "0 7 L-3 * *", "0 7 30 FEB *", "0" * 300, "x"]
)
def test_what_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected|never comes"):
        parse(text)


FIELD = st.text(alphabet="0123456789*/-,#LWMONTUEFRISAT @", max_size=12)


@given(st.one_of(st.text(max_size=40), st.builds(" ".join, st.lists(FIELD, min_size=5, max_size=5))))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse(text)
    except ValueError:
        return
    assert next_fire(text, FRIDAY, BERLIN) > FRIDAY
