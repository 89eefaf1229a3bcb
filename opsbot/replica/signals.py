"""How a series moves: seeded noise, daily and weekly shape, growth and planted changes, as a pure function of time.

Everything is worked out on a fixed grid of 300 s from the epoch; finer steps are split from it and coarser
ones folded, so the same minute says the same whichever way it is asked.
"""

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal, assert_never

import numpy as np
from numpy.typing import NDArray

from opsbot.replica.world import Buckets, Floats, Signal, Window

GRID = 300
DAY = 86_400
WEEK = 7 * DAY
# The epoch was a Thursday; shapes begin on Monday.
MONDAY = 3 * DAY
GROWTH_CYCLE = 730 * DAY
GROWTH_EPOCH = 1_767_225_600  # 2026-01-01
# Slow swings that never fall in step with the day.
SWINGS = (2.3 * 3600, 7.9 * 3600)

Change = Literal["set", "scale", "silence"]
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_HIGH = np.uint64(11)
_LOW = np.uint64(0xFFFFFF)


def key_of(seed: int, *names: str) -> int:
    """A 64-bit key for a name; the same on every machine."""
    text = "\x1f".join((str(seed), *names))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def fraction_of(seed: int, *names: str) -> float:
    """A steady number in [0, 1) for a name."""
    return key_of(seed, *names) / 2**64


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """A week's rhythm: a share of the peak for each hour (UTC) and each day from Monday, both 0..1.

    Compared by identity: it is a cache key, and hashing 31 numbers costs more than a series.
    """

    hours: tuple[float, ...]
    days: tuple[float, ...]

    def curve(self, times: NDArray[np.int64]) -> Floats:
        """The share of the peak at each time."""
        week = np.outer(self.days, self.hours).ravel()
        week = np.append(week, week[0])
        curve: Floats = np.interp(((times + MONDAY) % WEEK) / 3600, np.arange(week.size), week)
        return curve


STEADY = Shape((1.0,) * 24, (1.0,) * 7)


@dataclass(frozen=True, slots=True)
class Grid:
    """What all series of a window share; read-only arrays of its 300 s buckets."""

    start: int
    n: int
    hashes: NDArray[np.uint64]
    swings: Floats
    """Five rows: ones, and sine and cosine of each swing."""
    growth: Floats
    """Half of -1..1: where in the two-year growth cycle a bucket lies."""


def _frozen(array: Floats) -> Floats:
    array.flags.writeable = False
    return array


@lru_cache(maxsize=16)
def grid_of(start: int, n: int) -> Grid:
    """The grid of n buckets from `start`, kept because every series of a query asks for the same."""
    times = np.arange(start, start + n * GRID, GRID, dtype=np.int64)
    hashes = (times // GRID).astype(np.uint64) * _GOLDEN
    hashes = (hashes ^ (hashes >> np.uint64(30))) * _MIX_1
    turns = [times * (2 * math.pi / period) for period in SWINGS]
    swings = np.stack([np.ones(n), *(wave(turn) for turn in turns for wave in (np.sin, np.cos))])
    growth = ((times - GROWTH_EPOCH) % GROWTH_CYCLE) / GROWTH_CYCLE - 0.5
    return Grid(start, n, hashes, _frozen(swings), _frozen(growth))


@lru_cache(maxsize=32)
def curve_of(shape: Shape, start: int, n: int) -> Floats:
    """A shape over a window; kept for the same reason."""
    return _frozen(shape.curve(np.arange(start, start + n * GRID, GRID, dtype=np.int64)))


@lru_cache(maxsize=64)
def constant(value: float, n: int) -> Floats:
    """n times the same value, read-only, shared."""
    return _frozen(np.full(n, value))


@dataclass(frozen=True, slots=True)
class Planted:
    """A change to a series while a window is on."""

    window: Window
    change: Change
    value: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tone:
    """A level in the course of time: `peak` at the shape's 1, `rest` of it at the shape's 0.

    Noise is a share of the level and never exceeds it, so a healthy series has a hard ceiling.
    """

    key: int
    peak: float
    shape: Shape = STEADY
    rest: float = 1.0
    noise: float = 0.0
    growth: float = 0.0
    low: float = 0.0
    high: float = math.inf
    planted: tuple[Planted, ...] = ()


def _draw(tone: Tone, grid: Grid) -> NDArray[np.uint64]:
    bits = (grid.hashes ^ np.uint64(tone.key)) * _MIX_2
    bits ^= bits >> np.uint64(31)
    bits *= _GOLDEN
    return bits


def _noise(tone: Tone, grid: Grid, bits: NDArray[np.uint64]) -> Floats:
    """1 + noise in [-noise, noise]: sixty per cent of it fresh in each bucket, the rest slow swings."""
    weights = [1 - 0.6 * tone.noise]
    for turn in range(len(SWINGS)):
        phase = (tone.key >> (16 * turn) & 0xFFFF) * (2 * math.pi / 0x10000)
        weights += (0.2 * tone.noise * math.cos(phase), 0.2 * tone.noise * math.sin(phase))
    factor: Floats = np.dot(weights, grid.swings)
    factor += (bits >> _HIGH) * (1.2 * tone.noise / 2**53)
    return factor


def _slices(window: Window, grid: Grid) -> list[slice]:
    spans = window.spans(grid.start, grid.start + grid.n * GRID)
    cuts = ((-(-(a - grid.start) // GRID), -(-(b - grid.start) // GRID)) for a, b in spans)
    return [slice(max(a, 0), b) for a, b in cuts if b > a]


def level(tone: Tone, grid: Grid, bits: NDArray[np.uint64]) -> Floats:
    """The tone over the grid, planted changes included."""
    values = curve_of(tone.shape, grid.start, grid.n) * (tone.peak * (1 - tone.rest))
    values += tone.peak * tone.rest
    noise = _noise(tone, grid, bits) if tone.noise else constant(1.0, grid.n)
    values *= noise
    if tone.growth:
        values *= 1 + tone.growth * grid.growth
    for plant in tone.planted:
        for part in _slices(plant.window, grid):
            _plant(plant, values, noise, part)
    if tone.low > 0:
        np.maximum(values, tone.low, out=values)
    if tone.high < math.inf:
        np.minimum(values, tone.high, out=values)
    return values


def _plant(plant: Planted, values: Floats, noise: Floats, part: slice) -> None:
    match plant.change:
        case "set":
            # A quarter of the usual noise: a planted level stays on its side of a limit.
            values[part] = plant.value * (1 + (noise[part] - 1) / 4)
        case "scale":
            values[part] *= plant.value
        case "silence":
            pass
        case _:
            assert_never(plant.change)


def _silenced(tone: Tone, grid: Grid, count: Floats) -> Floats:
    """The counts without the buckets in which the series says nothing."""
    windows = [plant.window for plant in tone.planted if plant.change == "silence"]
    if not windows:
        return count
    count = count.copy()
    for window in windows:
        for part in _slices(window, grid):
            count[part] = 0.0
    return count


def _dither(bits: NDArray[np.uint64]) -> Floats:
    part: Floats = np.multiply(bits & _LOW, 2.0**-24, dtype=np.float64)
    return part


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    """A level that is sampled: CPU, memory, temperature of any kind."""

    tone: Tone
    samples: float = 5.0
    """Per 300 s."""
    spread: float = 0.02

    def on_grid(self, grid: Grid) -> Buckets:
        values = level(self.tone, grid, _draw(self.tone, grid))
        count = _silenced(self.tone, grid, constant(self.samples, grid.n))
        return Buckets(count=count, mean=values, spread=constant(self.spread, grid.n))

    def buckets(self, start: int, n: int, step: int) -> Buckets:
        return on_step(self.on_grid, start, n, step)


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """Things that happen, each a datum of 1: requests, invocations. The tone is their number in 300 s."""

    tone: Tone

    def counts(self, grid: Grid) -> Floats:
        """Whole events in each bucket."""
        bits = _draw(self.tone, grid)
        expected = level(self.tone, grid, bits)
        expected += _dither(bits)
        return _silenced(self.tone, grid, np.floor(expected, out=expected))

    def on_grid(self, grid: Grid) -> Buckets:
        return Buckets(count=self.counts(grid), mean=constant(1.0, grid.n), spread=constant(0.0, grid.n))

    def buckets(self, start: int, n: int, step: int) -> Buckets:
        return on_step(self.on_grid, start, n, step)


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """The events of another series that went wrong; never more than those, whole numbers."""

    of: Events
    tone: Tone
    """The share, 0..1."""
    ceiling: float = 1.0
    """While nothing is planted never more than this share, however few the events."""
    sparse: bool = False
    """True: a datum only for what went wrong (ALB). False: 0 or 1 for each event (Lambda, API Gateway)."""

    def on_grid(self, grid: Grid) -> Buckets:
        bits = _draw(self.tone, grid)
        total = self.of.counts(grid)
        wrong = np.floor(total * level(self.tone, grid, bits) + _dither(bits))
        wrong = np.minimum(wrong, self._most(total, grid))
        if self.sparse:
            return Buckets(count=wrong, mean=constant(1.0, grid.n), spread=constant(0.0, grid.n))
        share = np.divide(wrong, total, out=np.zeros(grid.n), where=total > 0)
        return Buckets(count=total, mean=share, spread=constant(0.0, grid.n))

    def _most(self, total: Floats, grid: Grid) -> Floats:
        most = np.floor(total * self.ceiling)
        for plant in self.tone.planted:
            for part in _slices(plant.window, grid):
                most[part] = total[part]
        return most

    def buckets(self, start: int, n: int, step: int) -> Buckets:
        return on_step(self.on_grid, start, n, step, whole=not self.sparse)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """Something measured at each event of another series: duration, latency."""

    of: Events
    tone: Tone
    spread: float = 0.3

    def on_grid(self, grid: Grid) -> Buckets:
        values = level(self.tone, grid, _draw(self.tone, grid))
        count = _silenced(self.tone, grid, self.of.counts(grid))
        return Buckets(count=count, mean=values, spread=constant(self.spread, grid.n))

    def buckets(self, start: int, n: int, step: int) -> Buckets:
        return on_step(self.on_grid, start, n, step)


@dataclass(frozen=True, slots=True, kw_only=True)
class Remainder:
    """What is left of a total: free storage = allocated - used."""

    total: float
    used: Gauge

    def on_grid(self, grid: Grid) -> Buckets:
        used = self.used.on_grid(grid)
        return replace(used, mean=np.maximum(self.total - used.mean, 0.0), spread=constant(0.0, grid.n))

    def buckets(self, start: int, n: int, step: int) -> Buckets:
        return on_step(self.on_grid, start, n, step)


def on_step(on_grid: Callable[[Grid], Buckets], start: int, n: int, step: int, whole: bool = False) -> Buckets:
    """A series at the step asked for. `whole`: count x mean is a number of things and stays whole when split."""
    if step == GRID:
        return on_grid(grid_of(start, n))
    if step % GRID == 0:
        return _folded(on_grid(grid_of(start, n * step // GRID)), step // GRID)
    first = start // GRID * GRID
    covered = -(-(start + n * step - first) // GRID)
    skip = (start - first) // step
    fine = _split(on_grid(grid_of(first, covered)), GRID // step, whole)
    cut = slice(skip, skip + n)
    return Buckets(count=fine.count[cut], mean=fine.mean[cut], spread=fine.spread[cut])


def _folded(fine: Buckets, k: int) -> Buckets:
    count, mean, spread = (a.reshape(-1, k) for a in (fine.count, fine.mean, fine.spread))
    total = count.sum(axis=1)
    weight = np.maximum(total, 1e-300)
    middle = (count * mean).sum(axis=1) / weight
    square = (count * mean**2 * np.exp(spread**2)).sum(axis=1) / weight
    ratio = np.divide(square, middle**2, out=np.ones_like(square), where=middle != 0)
    return Buckets(count=total, mean=middle, spread=np.sqrt(np.log(np.maximum(ratio, 1.0))))


def _split(coarse: Buckets, k: int, whole: bool) -> Buckets:
    """Each bucket in k parts; the parts add up to it exactly."""
    steps = np.arange(k + 1) / k
    edges = np.floor(np.outer(coarse.count, steps) + 1e-9)
    count = np.diff(edges, axis=1)
    if whole:
        hits = np.diff(np.floor(edges * coarse.mean[:, None] + 1e-9), axis=1)
        mean = np.divide(hits, count, out=np.zeros_like(hits), where=count > 0)
    else:
        mean = np.repeat(coarse.mean[:, None], k, axis=1)
    return Buckets(count=count.ravel(), mean=mean.ravel(), spread=np.repeat(coarse.spread, k))


def planted(signal: Signal, change: Planted) -> Signal:
    """The same series with one more change planted in it."""
    if isinstance(signal, Remainder):
        return replace(signal, used=planted_gauge(signal.used, change))
    if isinstance(signal, Gauge | Events | Share | Measure):
        return replace(signal, tone=replace(signal.tone, planted=(*signal.tone.planted, change)))
    raise TypeError(f"cannot plant anything in a {type(signal).__name__}")


def planted_gauge(gauge: Gauge, change: Planted) -> Gauge:
    """The same gauge with one more change planted in it."""
    return replace(gauge, tone=replace(gauge.tone, planted=(*gauge.tone.planted, change)))


def replanted(signal: Signal, change: Callable[[tuple[Planted, ...]], tuple[Planted, ...]]) -> Signal:
    """The same series with other changes planted in it, and in the events that it belongs to."""
    if isinstance(signal, Remainder):
        return replace(signal, used=replace(signal.used, tone=_replanted(signal.used.tone, change)))
    if isinstance(signal, Share | Measure):
        of = replace(signal.of, tone=_replanted(signal.of.tone, change))
        return replace(signal, tone=_replanted(signal.tone, change), of=of)
    if isinstance(signal, Gauge | Events):
        return replace(signal, tone=_replanted(signal.tone, change))
    return signal


def _replanted(tone: Tone, change: Callable[[tuple[Planted, ...]], tuple[Planted, ...]]) -> Tone:
    return replace(tone, planted=change(tone.planted))


def relinked(signal: Signal, before: Events, after: Events) -> Signal:
    """A share or a measure of `before` as one of `after`; any other series unchanged."""
    if isinstance(signal, Share | Measure) and signal.of is before:
        return replace(signal, of=after)
    return signal
