"""What the daemon makes of results: one cause told once, every turn accounted for, and nothing lost to a dead database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from opsbot.errors import StoreError
from opsbot.evaluate.standing import PROBER
from opsbot.model.maintenance import Maintenance
from opsbot.model.period import Period
from opsbot.model.probe import Http, ProbeState, Target
from opsbot.model.uptime import Certified, Flip, Sample, Standing
from opsbot.prober.book import Book
from opsbot.prober.rota import Rota
from opsbot.prober.wire import Found
from opsbot.probing import Heartbeat, Probe
from opsbot.store.uptime import SqlUptime
from tests.outbox.world import fresh

START = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
UP, DOWN, UNSURE = ProbeState.UP, ProbeState.DOWN, ProbeState.UNSURE
WHOLE = Period(start=START - timedelta(hours=1), end=START + timedelta(days=1))


def probe(name: str = "api", **changes: object) -> Probe:
    told: dict[str, object] = {"check": name, "every": 30.0, "target": Target(name=name, spec=Http(url="http://x/"))}
    return Probe(name=name, **told | changes)  # type: ignore[arg-type]


def found(name: str, slot: int | None, state: ProbeState = UP, seconds: float | None = None, **more: object) -> Found:
    at = START + timedelta(seconds=30 * (slot or 0) if seconds is None else seconds)
    reason = {UP: "", DOWN: "tcp.refused"}.get(state, "self.stalled")
    return Found(
        sample=Sample(probe=name, at=at, state=state, seconds=0.1, reason=reason),
        slot=slot,
        **more,  # type: ignore[arg-type]
    )


@pytest.fixture
def uptime() -> SqlUptime:
    return fresh().uptime()


def opened(uptime: SqlUptime, *probes: Probe) -> Book:
    book = Book(uptime)
    book.open(probes)
    return book


def account(uptime: SqlUptime, name: str = "api") -> tuple[int, int, int, int, int]:
    buckets = uptime.buckets(WHOLE, timedelta(minutes=5)).get(name, ())
    names = ("up", "down", "unsure", "missing", "excused")
    up, down, unsure, missing, excused = (sum(getattr(one, each) for one in buckets) for each in names)
    assert sum(one.asked for one in buckets) == up + down + unsure + missing + excused
    return up, down, unsure, missing, excused


@pytest.mark.parametrize(
    ("slots", "missing"),
    [
        pytest.param([1, 2, 3], 0, id="every turn"),
        pytest.param([1, 2, 5], 2, id="two did not come about"),
        pytest.param([1, 1, 2], 0, id="one extra at the start"),
        pytest.param([1, 1000], 998, id="a long gap"),
        pytest.param([7, None, 8], 0, id="one besides the turns"),
    ],
)
def test_turns_that_did_not_come_about_are_missing(
    uptime: SqlUptime, slots: Sequence[int | None], missing: int
) -> None:
    book = opened(uptime, probe())
    book.take(found("api", slot, seconds=30.0 * (slot or 0) + n / 10) for n, slot in enumerate(slots))
    book.write()
    assert account(uptime) == (len(slots), 0, 0, missing, 0)
    spans = [bucket.missing for bucket in uptime.buckets(WHOLE, timedelta(minutes=5))["api"]]
    assert max(spans) <= 10, "each where it should have been"


def test_a_new_daemon_counts_what_nobody_asked_meanwhile(uptime: SqlUptime) -> None:
    before = opened(uptime, probe())
    before.take(found("api", slot) for slot in range(4))
    before.write()
    after = opened(uptime, probe())
    assert after.soon(START + 100 * SECOND) == ()
    assert after.soon(START + timedelta(minutes=10)) == ("api",)
    after.take([found("api", 7_000, seconds=600.0)])
    after.write()
    # Slots of another boot of the machine have nothing to do with those before; the clock has: 17 turns of 30 s.
    assert account(uptime) == (5, 0, 0, 16, 0)


def test_another_pace_has_other_slots(uptime: SqlUptime) -> None:
    book = opened(uptime, probe())
    book.take([found("api", 10, seconds=0)])
    book.open([probe(every=1.0)])
    book.take([found("api", 300, seconds=1)])
    book.write()
    assert account(uptime)[3] == 0


WORK = Maintenance(name="move", reason="move", start=START, end=START + timedelta(minutes=10), probes=("api",))


@pytest.mark.parametrize(
    ("states", "excused", "told"),
    [
        # A turn every 30 s from 07:00 on; work from 07:00 to 07:10.
        pytest.param("UUDDDDUU" + "U" * 20, 4, [], id="down and up again in it: nobody hears of it"),
        pytest.param("UU" + "D" * 20, 18, ["down"], id="still down when it is over: told then"),
        pytest.param("U" * 20 + "DD", 0, ["down"], id="down after it"),
        pytest.param("UU" + "D" * 18 + "UU", 18, [], id="up with its end"),
    ],
)
def test_trouble_in_planned_work_is_excused(uptime: SqlUptime, states: str, excused: int, told: list[str]) -> None:
    book = Book(uptime)
    book.open([probe(), probe("other")], (WORK,))
    book.take(found("api", slot, DOWN if state == "D" else UP) for slot, state in enumerate(states))
    book.write()
    assert [str(flip.after) for flip in uptime.untold() if flip.probe == "api"] == told
    assert account(uptime) == (states.count("U"), states.count("D") - excused, 0, 0, excused)


def test_in_planned_work_others_are_told_and_it_says_whose_fault_it_is(uptime: SqlUptime) -> None:
    book = Book(uptime)
    book.open([probe(), probe("other")], (WORK,))
    for slot in range(4):
        book.take(found(name, slot, DOWN if slot else UP) for name in ("api", "other"))
    book.write()
    assert [flip.probe for flip in uptime.untold()] == ["other"]
    standings = uptime.standings()
    assert (standings["api"].state, standings["api"].blamed) == (DOWN, "maintenance/move")
    assert (standings["other"].state, standings["other"].blamed) == (DOWN, "")


def test_who_heard_that_it_is_down_hears_in_planned_work_that_it_is_up(uptime: SqlUptime) -> None:
    book = Book(uptime)
    book.open([probe()], (WORK,))
    book.take(found("api", slot, DOWN if slot > -5 else UP) for slot in range(-6, 2))
    book.take(found("api", slot) for slot in range(2, 5))
    book.write()
    assert [str(flip.after) for flip in uptime.untold()] == ["down", "up"]


def test_one_cause_is_told_once(uptime: SqlUptime) -> None:
    children = [probe(f"c{n}", after="vpn") for n in range(50)]
    book = opened(uptime, probe("vpn"), *children)
    names = ["vpn", *(child.name for child in children)]
    book.take(found(name, 0) for name in names)
    for slot in (1, 2, 3):
        # The children first: their turns come before their parent's.
        book.take(found(name, slot, DOWN) for name in reversed(names))
    assert book.write()
    assert [(flip.probe, flip.after) for flip in uptime.untold()] == [("vpn", DOWN)]
    standings = uptime.standings()
    assert {standings[child.name].blamed for child in children} == {"vpn"}
    assert account(uptime, "c7") == (1, 2, 0, 0, 1)
    for slot in (4, 5, 6):
        book.take(found(name, slot) for name in names)
    book.write()
    assert [(flip.probe, flip.after) for flip in uptime.untold()] == [("vpn", DOWN), ("vpn", UP)]


def test_the_probers_own_trouble_is_one_flip(uptime: SqlUptime) -> None:
    probes = [probe(f"p{n}") for n in range(100)]
    book = opened(uptime, *probes)
    book.take(found(each.name, 0) for each in probes)
    book.note_prober(START, "", "")
    for slot in (1, 2, 3):
        book.take(found(each.name, slot, UNSURE) for each in probes)
        book.note_prober(START + slot * SECOND, "self.network", "no gateway")
    book.write()
    assert [(flip.probe, flip.after, flip.why) for flip in uptime.untold()] == [(PROBER, UNSURE, "no gateway")]
    assert account(uptime, "p3") == (1, 0, 3, 0, 0)
    book.take(found(each.name, 4) for each in probes)
    book.note_prober(START + 9 * SECOND, "", "")
    book.write()
    assert [flip.after for flip in uptime.untold()] == [UNSURE, UP]


def test_nothing_is_lost_or_doubled_when_the_database_fails(tmp_path: Path) -> None:
    store = fresh(tmp_path / "opsbot.db")
    uptime = store.uptime()
    book = Book(_Failing(uptime))
    book.open([probe()])
    for slot in range(40):
        book.take([found("api", slot, DOWN if 10 <= slot < 20 else UP)])
        try:
            book.write()
        except StoreError:
            continue
    while True:
        try:
            book.write()
            break
        except StoreError:
            continue
    assert account(uptime) == (30, 10, 0, 0, 0)
    assert len(uptime.samples("api", WHOLE)) == 40
    assert [(flip.before, flip.after) for flip in uptime.untold()] == [(UP, DOWN), (DOWN, UP)]
    assert uptime.standings()["api"].state is UP
    store.close()


class _Failing:
    """A database that is out of reach two times of three, once after it has done what was asked."""

    def __init__(self, uptime: SqlUptime) -> None:
        self._uptime, self._calls = uptime, 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._uptime, name)

    def record(self, samples: Sequence[Sample], standings: Sequence[Standing], flips: Sequence[Flip]) -> None:
        self._calls += 1
        if self._calls % 3 == 1:
            raise StoreError("the database is locked")
        self._uptime.record(samples, standings, flips)
        if self._calls % 3 == 2:
            raise StoreError("the connection was lost")


def test_a_restarted_daemon_tells_nothing_again(uptime: SqlUptime) -> None:
    first = opened(uptime, probe())
    first.take(found("api", slot, DOWN if slot else UP) for slot in range(4))
    first.write()
    uptime.told(uptime.untold())
    second = opened(uptime, probe())
    second.take(found("api", slot, DOWN) for slot in range(4, 9))
    assert not second.write()
    assert uptime.untold() == ()
    second.take(found("api", slot) for slot in (9, 10))
    assert second.write()


def test_what_is_kept_of_a_result(uptime: SqlUptime) -> None:
    shown = Certified(probe="api", at=START, not_after=START + timedelta(days=9), subject="CN=api")
    book = opened(uptime, probe())
    book.take([found("api", 0, certified=shown)])
    book.take(found("api", slot, DOWN, why="refused", evidence=(("status", "503"),)) for slot in (1, 2))
    book.take([found("stranger", 1, DOWN)])
    book.write()
    assert uptime.certificates() == {"api": shown}
    standing = uptime.standings()["api"]
    assert (standing.why, standing.evidence, standing.reason) == ("refused", (("status", "503"),), "tcp.refused")
    assert "stranger" not in uptime.standings()
    book.take(found("api", slot) for slot in (3, 4))
    book.write()
    assert uptime.standings()["api"].evidence == ()


def test_a_heartbeat_changes_at_its_first_verdict(uptime: SqlUptime) -> None:
    book = opened(uptime, probe("backup", target=None, heartbeat=Heartbeat(), every=86_400.0))
    book.take([found("backup", None, seconds=0), found("backup", None, DOWN, seconds=60)])
    book.write()
    assert [(flip.probe, flip.after) for flip in uptime.untold()] == [("backup", DOWN)]
    assert book.soon(START) == ()


def test_a_thousand_probes_are_spread_over_their_pace() -> None:
    rota = Rota()
    rota.set([probe(f"p{n}", every=60.0) for n in range(1000)], now=5_000.0)
    moments = []
    while rota.next < 5_120.0:
        moments += [(due, turn.probe.name, slot) for turn, slot, due in rota.due(rota.next)]
    assert len(moments) == 2000
    per_second = [sum(1 for due, _, _ in moments if 5_000 + n <= due < 5_001 + n) for n in range(120)]
    assert max(per_second) < 40
    firsts = {name: (due, slot) for due, name, slot in moments[:1000]}
    again = {name: (due, slot) for due, name, slot in moments[1000:]}
    assert all(again[name] == (pytest.approx(due + 60), slot + 1) for name, (due, slot) in firsts.items())


def test_turns_stay_where_they_are_after_a_restart_and_when_others_come_and_go() -> None:
    names = [f"p{n}" for n in range(40)]
    rota, later = Rota(), Rota()
    rota.set([probe(name, every=1.0) for name in names], now=5_000.0)
    later.set([probe(name, every=1.0) for name in names], now=5_007.3)
    rota.set([probe(name, every=1.0) for name in (*names[:20], "new")], now=5_003.1)
    first, second = ({turn.probe.name: due % 1.0 for turn, _, due in each.due(5_008.3)} for each in (rota, later))
    assert len(first) == 21
    for name in names[:20]:
        apart = abs(first[name] - second[name])
        assert min(apart, 1 - apart) < 1e-6, name
    ordered = sorted(second.values())
    assert max(b - a for a, b in pairwise(ordered)) < 0.35


def test_a_rota_does_not_make_up_for_lost_time() -> None:
    rota = Rota()
    rota.set([probe(every=10.0)], now=100.0, soon=["api"])
    assert [due for _, _, due in rota.due(103.0)] == [pytest.approx(100.0, abs=3.0)] or rota.next > 103
    list(rota.due(112.0))
    (turn,) = [turn for turn, _, _ in rota.due(500.0)]
    assert (turn.probe.name, len(list(rota.due(500.0)))) == ("api", 0)
    assert 500.0 < rota.next <= 510.0


def test_who_others_come_after_is_asked_once_for_all_of_them() -> None:
    rota = Rota()
    rota.set([probe("vpn", every=3600.0)], now=5_000.0)
    (own,) = {rota.next}
    for name in ("vpn", "vpn", "gone"):
        rota.besides(name, 5_001.0)
    assert [(turn.probe.name, slot) for turn, slot, _ in rota.due(5_001.1)] == [("vpn", 1)]
    rota.besides("vpn", 5_003.0)
    assert list(rota.due(5_005.9)) == []
    rota.besides("vpn", 5_007.0)
    assert len(list(rota.due(5_007.1))) == 1
    assert rota.next == own, "its own turn stays where it was"
