"""Numbers, moments and names, one row each."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest

from opsbot.model.units import Unit
from opsbot.render.axis import moments, nice
from opsbot.render.format import brief, clean, clip, day, moment, money, plural, quantity, span, utc, width


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (93.12, Unit.PERCENT, "93.1 %"),
        (93.0, Unit.PERCENT, "93 %"),
        (99.97, Unit.PERCENT, "99.97 %"),
        (99.999, Unit.PERCENT, "99.99 %"),
        (100.0, Unit.PERCENT, "100 %"),
        (0.0, Unit.PERCENT, "0 %"),
        (0.08, Unit.PERCENT, "0.08 %"),
        (-0.0, Unit.COUNT, "0"),
        (412.0, Unit.MILLISECONDS, "412 ms"),
        (1840.0, Unit.MILLISECONDS, "1.84 s"),
        (221.0, Unit.SECONDS, "3 min 41 s"),
        (0.412, Unit.SECONDS, "412 ms"),
        (59.97, Unit.SECONDS, "1 min"),
        (7200.0, Unit.SECONDS, "2 h"),
        (1.2 * 2**30, Unit.BYTES, "1.2 GiB"),
        (1023.9, Unit.BYTES, "1 KiB"),
        (12_400.0, Unit.COUNT, "12,400"),
        (2.5e6, Unit.COUNT, "2.5M"),
        (1e308, Unit.COUNT, "1e+308"),
        (1e308, Unit.SECONDS, "1e+308 s"),
        (1e308, Unit.USD, "$1e+308"),
        (8.0, Unit.DAYS, "8 d"),
        (1240.0, Unit.USD, "$1,240"),
        (-0.31, Unit.USD, "-$0.31"),
        (None, Unit.PERCENT, "no data"),
        (math.nan, Unit.PERCENT, "no data"),
        (math.inf, Unit.PERCENT, "∞"),
    ],
)
def test_a_quantity_reads_as_people_say_it(value: float | None, unit: Unit, said: str) -> None:
    assert quantity(value, unit) == said


@pytest.mark.parametrize("unit", list(Unit))
@pytest.mark.parametrize("value", [1e308, -1e308, 5e-324, 1e15, 999.95, 0.0999, math.inf, -math.inf])
def test_no_number_breaks_the_formatter(value: float, unit: Unit) -> None:
    assert 0 < len(quantity(value, unit)) < 24


@pytest.mark.parametrize(
    ("usd", "said"), [(0.0, "$0.00"), (0.0124, "$0.01"), (0.0052, "$0.0052"), (0.00001, "<$0.0001"), (12.4, "$12.40")]
)
def test_money_keeps_two_digits_that_say_something(usd: float, said: str) -> None:
    assert money(usd) == said


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("plain name", "plain name"),
        ("a\r\nBcc: x\tb", "a Bcc: x b"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]8;;http://evil\x07link\x1b]8;;\x07", "link"),
        ("\x1b", ""),
        ("a\u202eb\u2066c\u200bd\ufeff", "abcd"),
        ("tag\U000e0041\ud800", "tag"),
        ("سلام", "سلام"),
        ("中文 😀", "中文 😀"),
        ("a\x00\x07\x9bb", "ab"),
        ("$1,240 vs $980", "$1,240 vs $980"),
    ],
)
def test_a_cleaned_text_commands_nothing(text: str, left: str) -> None:
    assert clean(text) == left


def test_a_clipped_text_keeps_letters_whole() -> None:
    assert clip("short", 10) == "short"
    assert clip("a long sentence", 7) == "a long…"
    assert clip("e\u0301" * 5, 4) == "e\u0301…"


@pytest.mark.parametrize(
    ("length", "said"),
    [
        (timedelta(seconds=41), "41 s"),
        (timedelta(minutes=85), "1 h 25 min"),
        (timedelta(days=2, hours=4, minutes=5), "2 d 4 h"),
        (timedelta(days=1, minutes=5), "1 d"),
        (timedelta(days=8, hours=4), "8 d"),
        (timedelta(seconds=-5), "0 s"),
    ],
)
def test_a_span_has_two_units_at_most(length: timedelta, said: str) -> None:
    assert span(length) == said


def test_moments_carry_their_zone_and_lose_what_is_clear() -> None:
    now = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
    assert moment(now, "Europe/Berlin") == "Fri 20 Nov 2026 08:00 CET"
    assert moment(now, "No/Such") == "Fri 20 Nov 2026 07:00 UTC"
    assert day(now, "Pacific/Auckland") == "20 Nov 2026"
    assert brief(now - timedelta(hours=2), "UTC", now) == "05:00"
    assert brief(now - timedelta(hours=9), "UTC", now) == "Thu 22:00"
    assert brief(now - timedelta(days=30), "UTC", now) == "21 Oct 07:00"
    assert brief(now - timedelta(days=400), "UTC", now) == "16 Oct 2025 07:00"
    assert utc(now) == "2026-11-20T07:00:00Z"


def test_words_agree_with_their_number() -> None:
    assert (plural(1, "check"), plural(1200, "check"), plural(2, "entry", "entries")) == (
        "1 check",
        "1,200 checks",
        "2 entries",
    )


def test_a_terminal_gives_wide_letters_two_columns() -> None:
    assert (width("abc"), width("中文"), width("e\u0301")) == (3, 4, 1)


@pytest.mark.parametrize(
    ("low", "high", "limit", "unit", "labels"),
    [
        (12.0, 93.0, 80.0, Unit.PERCENT, ["0 %", "25 %", "50 %", "75 %", "100 %"]),
        (86.0, 94.0, 90.0, Unit.PERCENT, ["90 %", "95 %"]),
        (200.0, 1840.0, 500.0, Unit.MILLISECONDS, ["0 s", "1 s", "2 s"]),
        (0.0, 2220.0, 900.0, Unit.SECONDS, ["0 s", "15 min", "30 min"]),
        (0.0, 0.0, None, Unit.COUNT, ["0", "1"]),
        (5.0, 5.0, None, Unit.COUNT, ["5"]),
    ],
)
def test_an_axis_has_round_values(low: float, high: float, limit: float | None, unit: Unit, labels: list[str]) -> None:
    bottom, top, ticks = nice(low, high, limit, unit)
    assert bottom <= low
    assert high <= top
    assert [quantity(tick, unit) for tick in ticks] == labels


@pytest.mark.parametrize("days", [0.05, 0.5, 1, 2, 7, 28, 365])
@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "Europe/Berlin"])
def test_a_time_axis_has_few_ticks_inside_the_picture(days: float, zone: str) -> None:
    start = 1_795_000_000
    end = start + int(days * 86400)
    ticks = moments(start, end, zone)
    assert 1 <= len(ticks) <= 8
    assert all(start < tick < end for tick in ticks)
