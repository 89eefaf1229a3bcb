"""Schedules and ages as people say them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsbot.schedule import parse
from opsbot.web.words import relative, schedule


@pytest.mark.parametrize(
    ("cron", "told"),
    [
        ("0 7 * * MON-FRI", "at 07:00, Monday to Friday"),
        ("30 6 * * MON", "at 06:30, on Monday"),
        ("0 9 * * *", "at 09:00, every day"),
        ("0 8,20 * * *", "at 08:00 and 20:00, every day"),
        ("*/5 * * * *", "every 5 minutes"),
        ("* * * * *", "every minute"),
        ("0 * * * *", "every hour, on the hour"),
        ("15 * * * *", "every hour, at 15 past"),
        ("0 */6 * * *", "every 6 hours"),
        ("*/10 8-18 * * MON-FRI", "every 10 minutes from 08:00 to 18:59, Monday to Friday"),
        ("0 8-18 * * *", "every hour from 08:00 to 18:00"),
        ("0 9 * * SAT,SUN", "at 09:00, on Saturday and Sunday"),
        ("0 0 1 * *", "at 00:00, on the 1st of the month"),
        ("5 4 2,11,13,22 MAR *", "at 04:05, on the 2nd, 11th, 13th and 22nd of the month, in March"),
        ("59 23 31 12 *", "at 23:59, on the 31st of the month, in December"),
        ("0 0 L * *", "at 00:00, on the last day of the month"),
        ("0 9 * * MON#1", "at 09:00, on the first Monday of the month"),
        ("0 9 * * FRIL", "at 09:00, on the last Friday of the month"),
        ("@daily", "at 00:00, every day"),
        pytest.param("*/7 * * * *", "*/7 * * * *", id="seven minutes do not go round"),
        pytest.param("0 */5 * * *", "0 */5 * * *", id="nor do five hours"),
        pytest.param("0 9 13 * FRI", "0 9 13 * FRI", id="either of two days needs its cron text"),
        pytest.param("1-5 * * * *", "1-5 * * * *", id="ranges of minutes too"),
    ],
)
def test_a_schedule_in_words(cron: str, told: str) -> None:
    parse(cron)
    assert schedule(cron) == told


FIELD = st.from_regex(r"\A(\*|\*/[1-9]|[0-9]{1,2}(-[0-9]{1,2})?(,[0-9]{1,2})?|MON|FRIL|MON#[1-5]|JAN|L)\Z")


@given(st.one_of(st.text(max_size=40), st.lists(FIELD, min_size=5, max_size=5).map(" ".join)))
def test_no_text_breaks_it(text: str) -> None:
    assert isinstance(schedule(text), str)


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0.3, "now"),
        (41, "41 s ago"),
        (100, "2 min ago"),
        (3500, "58 min ago"),
        (5400, "1 h 30 min ago"),
        (25164, "7 h ago"),
        (86400 * 1.6, "1 d 14 h ago"),
        (86400 * 12, "12 d ago"),
        (-59040, "in 16 h"),
    ],
)
def test_an_age_in_words(seconds: float, told: str) -> None:
    assert relative(seconds) == told
