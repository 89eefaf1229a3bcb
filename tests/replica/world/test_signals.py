"""Series are a pure function of time, the same at every step, and one tells what another implies."""

from __future__ import annotations

import numpy as np
import pytest

from opsbot.replica.signals import Events, Gauge, Measure, Planted, Remainder, Shape, Share, Tone, key_of, planted
from opsbot.replica.windows import Always, Recurring, Since
from opsbot.replica.world import Signal

NOON = 1_795_176_000  # 2026-11-20 12:00 UTC
OFFICE = Shape(tuple(0.1 if hour < 7 or hour > 19 else 1.0 for hour in range(24)), (1.0,) * 5 + (0.3,) * 2)
REQUESTS = Events(tone=Tone(key=key_of(1, "requests"), peak=400, shape=OFFICE, rest=0.2, noise=0.1))
FEW = Events(tone=Tone(key=key_of(1, "few"), peak=1.3, noise=0.1))
SIGNALS: dict[str, Signal] = {
    "gauge": Gauge(tone=Tone(key=key_of(1, "cpu"), peak=60, shape=OFFICE, rest=0.4, noise=0.08, growth=0.1)),
    "events": REQUESTS,
    "few events": FEW,
    "errors": Share(of=REQUESTS, tone=Tone(key=key_of(1, "errors"), peak=0.07, noise=0.2)),
    "few errors": Share(of=FEW, tone=Tone(key=key_of(1, "few errors"), peak=0.5)),
    "sparse errors": Share(of=REQUESTS, tone=Tone(key=key_of(1, "5xx"), peak=0.02), sparse=True),
    "latency": Measure(of=REQUESTS, tone=Tone(key=key_of(1, "latency"), peak=90, noise=0.1)),
    "free": Remainder(total=100.0, used=Gauge(tone=Tone(key=key_of(1, "used"), peak=60, noise=0.01))),
}


@pytest.mark.parametrize("name", SIGNALS)
def test_the_same_time_says_the_same_however_it_is_asked(name: str) -> None:
    signal = SIGNALS[name]
    day = signal.buckets(NOON, 288, 300)
    hour = signal.buckets(NOON + 3600, 12, 300)
    for whole, part in zip((day.count, day.mean, day.spread), (hour.count, hour.mean, hour.spread), strict=True):
        assert np.array_equal(whole[12:24], part)


@pytest.mark.parametrize("name", SIGNALS)
@pytest.mark.parametrize("step", [60, 900, 3600])
def test_sums_and_counts_agree_at_every_step(name: str, step: int) -> None:
    signal = SIGNALS[name]
    grid = signal.buckets(NOON, 24, 300)
    other = signal.buckets(NOON, 7200 // step, step)
    assert other.count.sum() == grid.count.sum()
    assert (other.count * other.mean).sum() == pytest.approx((grid.count * grid.mean).sum())


@pytest.mark.parametrize("name", ["errors", "few errors"])
@pytest.mark.parametrize("step", [60, 300])
def test_errors_are_whole_and_never_more_than_the_events(name: str, step: int) -> None:
    buckets = SIGNALS[name].buckets(NOON, 2000, step)
    wrong = buckets.count * buckets.mean
    assert np.allclose(wrong, np.round(wrong))
    assert (wrong <= buckets.count).all()
    assert wrong.sum() > 0


def test_a_minute_inside_five_may_be_the_start() -> None:
    whole = SIGNALS["events"].buckets(NOON, 10, 60)
    part = SIGNALS["events"].buckets(NOON + 180, 4, 60)
    assert np.array_equal(whole.count[3:7], part.count)


def test_the_week_shows_and_the_noise_has_a_ceiling() -> None:
    gauge = SIGNALS["gauge"]
    week = gauge.buckets(NOON - 4 * 86_400, 7 * 288, 300).mean
    assert week.max() <= 60 * 1.08 * 1.05
    working, night = gauge.buckets(NOON, 12, 300).mean, gauge.buckets(NOON + 12 * 3600, 12, 300).mean
    assert working.mean() > 1.8 * night.mean()


def test_names_do_not_move_together() -> None:
    gauges = [Gauge(tone=Tone(key=key_of(1, str(n)), peak=50, noise=0.3)) for n in range(20)]
    apart = np.corrcoef([gauge.buckets(NOON, 2000, 300).mean for gauge in gauges])[np.triu_indices(20, 1)]
    assert np.abs(apart).max() < 0.35
    assert abs(apart.mean()) < 0.05


def test_folding_keeps_the_spread_of_what_it_joins() -> None:
    flat = Gauge(tone=Tone(key=3, peak=50), spread=0.2)
    assert flat.buckets(NOON // 3600 * 3600, 2, 3600).spread == pytest.approx([0.2, 0.2])
    noisy = Gauge(tone=Tone(key=3, peak=50, noise=0.4), spread=0.2)
    assert (noisy.buckets(NOON // 3600 * 3600, 2, 3600).spread > 0.22).all()


HOUR = 3600


@pytest.mark.parametrize(
    ("window", "spans", "began"),
    [
        pytest.param(Always(), [(NOON, NOON + HOUR)], NOON - 12 * HOUR, id="always, told from midnight"),
        pytest.param(Since(NOON - 60), [(NOON, NOON + HOUR)], NOON - 60, id="begun before"),
        pytest.param(Since(NOON + 60), [(NOON + 60, NOON + HOUR)], None, id="begins within"),
        pytest.param(Since(NOON + HOUR), [], None, id="begins after"),
        pytest.param(
            Recurring(every=HOUR, offset=1500, length=300), [(NOON + 1500, NOON + 1800)], None, id="once an hour"
        ),
        pytest.param(
            Recurring(every=86_400, offset=11 * HOUR, length=2 * HOUR), [(NOON, NOON + HOUR)], NOON - HOUR, id="daily"
        ),
        pytest.param(
            Recurring(every=86_400, offset=23 * HOUR, length=14 * HOUR),
            [(NOON, NOON + HOUR)],
            NOON - 13 * HOUR,
            id="over midnight",
        ),
    ],
)
def test_windows(window: Always | Since | Recurring, spans: list[tuple[int, int]], began: int | None) -> None:
    assert window.spans(NOON, NOON + HOUR) == spans
    assert window.began(NOON) == began


def test_what_is_planted_holds_in_its_window_and_nowhere_else() -> None:
    window = Since(NOON)
    gauge = planted(SIGNALS["gauge"], Planted(window, "set", 93.0)).buckets(NOON - 3600, 24, 300).mean
    assert (gauge[:12] < 70).all()
    assert (np.abs(gauge[12:] - 93) < 2).all()
    uploads = planted(REQUESTS, Planted(window, "scale", 0.04)).buckets(NOON - 3600, 24, 300).count
    assert (uploads[12:].mean() / uploads[:12].mean()) == pytest.approx(0.04, rel=0.2)
    silent = planted(SIGNALS["gauge"], Planted(window, "silence")).buckets(NOON - 3600, 24, 300).count
    assert silent.tolist() == [5.0] * 12 + [0.0] * 12
    free = planted(SIGNALS["free"], Planted(window, "set", 94.0)).buckets(NOON, 12, 300).mean
    assert free == pytest.approx([6.0] * 12, abs=0.3)
    errors = planted(SIGNALS["errors"], Planted(window, "set", 0.5)).buckets(NOON, 12, 300).mean
    assert (np.abs(errors - 0.5) < 0.04).all()
