"""What every Uptime promises: each sample once, an exact account at every length, and quantiles that survive rolling up."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest

from opsbot.evaluate import histogram
from opsbot.evaluate.slo import Objective, level
from opsbot.model.period import Period
from opsbot.model.probe import ProbeState
from opsbot.model.uptime import Bucket, Certified, Flip, Sample, Standing
from opsbot.store.sql import SqlStore

START = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
MINUTE, WINDOW, HOUR, DAY = timedelta(minutes=1), timedelta(minutes=5), timedelta(hours=1), timedelta(days=1)
ALL = Period(start=START, end=START + timedelta(days=2))
UP, DEGRADED, DOWN, UNSURE = ProbeState.UP, ProbeState.DEGRADED, ProbeState.DOWN, ProbeState.UNSURE


def samples(count: int, probe: str = "api", every: float = 30.0, seed: int = 7) -> list[Sample]:
    chance = random.Random(seed)
    made = []
    for n in range(count):
        state = chance.choices((UP, DEGRADED, DOWN, UNSURE), (90, 4, 4, 2))[0]
        sure = state in (UP, DEGRADED)
        made.append(
            Sample(
                probe=probe,
                at=START + timedelta(seconds=every * n, microseconds=chance.randrange(900_000)),
                state=state,
                seconds=round(chance.lognormvariate(-3, 0.8), 6) if sure else None,
                reason="" if state is UP else "http.timeout",
                phases=(("dns", 0.001), ("connect", 0.002)) if sure else (),
                excused=state is DOWN and n % 3 == 0,
            )
        )
    return made


def total(buckets: Iterable[Bucket]) -> dict[str, int]:
    names = ("up", "degraded", "down", "unsure", "missing", "excused", "asked")
    found = list(buckets)
    return {name: sum(getattr(bucket, name) for bucket in found) for name in names}


def of(made: list[Sample], missing: int = 0) -> dict[str, int]:
    counted = {state.value: sum(one.state is state and not one.excused for one in made) for state in ProbeState}
    return counted | {"missing": missing, "excused": sum(one.excused for one in made), "asked": len(made) + missing}


def test_samples_come_back_as_they_were_recorded(store: SqlStore) -> None:
    uptime, made = store.uptime(), samples(100)
    uptime.record(made[50:], (), ())
    uptime.record(made[:50], (), ())
    uptime.record([made[0]] and [Sample(probe="other", at=START, state=UP)], (), ())
    assert uptime.samples("api", ALL) == tuple(made)
    uptime.roll_up(START + timedelta(minutes=22))
    assert uptime.samples("api", ALL) == tuple(made)
    assert uptime.samples("api", Period(start=made[10].at, end=made[20].at)) == tuple(made[10:20])
    assert uptime.samples("nobody", ALL) == ()


@pytest.mark.parametrize("minutes", [(), (1,), (23,), (61,), (121,), (7, 8, 64, 121), (60 * 24,), (130, 60 * 49)])
def test_every_length_counts_the_same_however_far_it_is_rolled_up(store: SqlStore, minutes: tuple[int, ...]) -> None:
    uptime, made = store.uptime(), samples(240)
    for start in range(0, 240, 40):
        uptime.record(made[start : start + 40], (), ())
    uptime.account([Bucket(probe="api", start=START + 7 * MINUTE, length=WINDOW, missing=3)])
    for minute in minutes:
        uptime.roll_up(START + minute * MINUTE)
        uptime.roll_up(START + minute * MINUTE)
    for length, count in ((WINDOW, 24), (HOUR, 2), (DAY, 1)):
        buckets = uptime.buckets(ALL, length)["api"]
        assert total(buckets) == of(made, missing=3), length
        assert len(buckets) == count
        assert [bucket.start for bucket in buckets] == sorted(bucket.start for bucket in buckets)
        exact = sorted(one.seconds for one in made if one.seconds is not None)
        assert sum(bucket.seconds_sum for bucket in buckets) == pytest.approx(sum(exact))
        assert max(bucket.seconds_max for bucket in buckets) == pytest.approx(exact[-1])
        p95 = histogram.quantile(histogram.merge(bucket.counts for bucket in buckets), 0.95)
        assert p95 == pytest.approx(exact[round(len(exact) * 0.95) - 1], rel=2 * histogram.ERROR)


def test_what_comes_late_is_counted_where_it_belongs(store: SqlStore) -> None:
    uptime, made = store.uptime(), samples(240)
    late = made[20:30]
    uptime.record([one for one in made if one not in late], (), ())
    uptime.roll_up(START + timedelta(hours=25))
    uptime.record(late, (), ())
    uptime.account([Bucket(probe="api", start=late[0].at, length=WINDOW, missing=2, excused=1)])
    wanted = of(made, missing=2)
    wanted |= {"excused": wanted["excused"] + 1, "asked": wanted["asked"] + 1}
    for hours in (25, 26, 49):
        for length in (WINDOW, HOUR, DAY):
            assert total(uptime.buckets(ALL, length)["api"]) == wanted, (hours, length)
        uptime.roll_up(START + timedelta(hours=hours))
    assert uptime.samples("api", ALL) == tuple(made)


def test_a_batch_that_is_given_twice_is_kept_once(store: SqlStore) -> None:
    """Whoever never heard that a commit went through does it again."""
    uptime, made = store.uptime(), samples(20)
    flip = Flip(probe="api", at=START, before=UP, after=DOWN)
    for _ in range(2):
        uptime.record(made, (), (flip,))
    uptime.record(made + samples(40)[20:], (), ())
    for _ in range(2):
        assert total(uptime.buckets(ALL, HOUR)["api"]) == of(samples(40))
        uptime.roll_up(START + 2 * HOUR)
    assert uptime.untold() == (flip,)


def test_a_level_says_the_same_from_every_length(store: SqlStore) -> None:
    uptime = store.uptime()
    uptime.record(samples(240), (), ())
    uptime.roll_up(START + timedelta(hours=30))
    objective = Objective(target=0.99)
    found = {level(uptime.buckets(ALL, length)["api"], objective) for length in (WINDOW, HOUR, DAY)}
    assert len(found) == 1


def test_history_is_kept_for_its_time_and_no_longer(store: SqlStore) -> None:
    uptime, made = store.uptime(), samples(60)
    uptime.record(made, (), ())
    long = Period(start=START - DAY, end=START + timedelta(days=4000))
    seen = []
    for days in (13, 15, 29, 31, 729, 731, 3650):
        uptime.roll_up(START + timedelta(days=days))
        finest = uptime.buckets(long, WINDOW).get("api", ())
        hours = uptime.buckets(long, HOUR).get("api", ())
        daily = uptime.buckets(long, DAY)["api"]
        seen.append((days, bool(uptime.samples("api", long)), bool(finest), bool(hours), total(daily) == of(made)))
    assert seen == [
        (13, True, True, True, True),
        (15, False, True, True, True),
        (29, False, True, True, True),
        (31, False, False, True, True),
        (729, False, False, True, True),
        (731, False, False, False, True),
        (3650, False, False, False, True),
    ]


def test_probes_are_told_apart_and_asked_for_by_name(store: SqlStore) -> None:
    uptime = store.uptime()
    names = ["api", "a'pi", "größe", "x" * 300]
    for seed, name in enumerate(names):
        uptime.record(samples(30, name, seed=seed), (), ())
    for _ in range(2):
        found = uptime.buckets(ALL, HOUR)
        assert {name: total(found[name]) for name in names} == {
            name: of(samples(30, name, seed=seed)) for seed, name in enumerate(names)
        }
        assert list(uptime.buckets(ALL, HOUR, ["größe", "nobody"])) == ["größe"]
        assert uptime.buckets(ALL, HOUR, []) == {}
        uptime.roll_up(START + 3 * HOUR)
    with pytest.raises(ValueError, match="5 minutes, an hour or a day"):
        uptime.buckets(ALL, MINUTE)


def test_standings_and_certificates_are_the_last_ones(store: SqlStore) -> None:
    uptime = store.uptime()
    plain = Standing(probe="web", state=UP, since=START, seen=START)
    whole = Standing(
        probe="api", state=DOWN, since=START, seen=START + MINUTE, streak=1, streak_state=UP, streak_since=START + MINUTE,
        reason="tcp.refused", why="nobody listens \x1b[31m", blamed="vpn", changes=(START, START + MINUTE), told=UP,
        evidence=(("status", "503"), ("excerpt", "größer")),
    )  # fmt: skip
    uptime.record((), (plain, whole), ())
    assert uptime.standings() == {"api": whole, "web": plain}
    assert uptime.record([Sample(probe="web", at=START + HOUR, state=UP)], (), ()) is None
    assert uptime.standings()["web"].seen == START + HOUR
    uptime.keep(["api"])
    assert list(uptime.standings()) == ["api"]
    old, new = (
        Certified(probe="api", at=START + n * DAY, not_after=START + n * 90 * DAY, subject=f"CN={n}", path=("a", "b"))
        for n in (1, 2)
    )
    uptime.certify((new,))
    uptime.certify((old,))
    assert uptime.certificates() == {"api": new}


def test_flips_wait_until_they_are_told(store: SqlStore) -> None:
    uptime = store.uptime()
    flips = [
        Flip(probe=f"p{n % 3}", at=START + n * MINUTE, before=UP, after=DOWN, reason="dns.timeout", why="no answer")
        for n in range(6)
    ]
    quiet = Flip(probe="p0", at=START + HOUR, before=UP, after=DOWN, told=True)
    uptime.record((), (), [*reversed(flips), quiet])
    assert uptime.untold() == tuple(flips)
    uptime.told(flips[:4])
    assert uptime.untold() == tuple(flips[4:])
    assert store.uptime().untold() == tuple(flips[4:])
    # A probe that is not probed any more is nothing to tell.
    uptime.record((), [Standing(probe="p1", state=DOWN, since=START, seen=START)], ())
    uptime.keep(["p2"])
    assert uptime.untold() == tuple(flips[5:])
