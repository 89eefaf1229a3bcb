"""The loops, the alarm, the clocks and the upkeep, each by itself."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine

from opsbot.daemon.alarm import Alarm
from opsbot.daemon.pulse import Loop, Pulse
from opsbot.daemon.sender import Sender
from opsbot.daemon.upkeep import Upkeep
from opsbot.daemon.watch import Clocks
from opsbot.errors import OpsbotError
from tests.daemon.parts import START, Clock, timetable

PATIENCE = 10.0


class Going:
    """One loop, what it was told, and what its work does."""

    def __init__(self, work: object, period: float = 60.0, waits: bool = True) -> None:
        self.pulse, self.told = Pulse(), list[str]()
        self.loop = Loop("it", period, work, self.pulse, lambda _, error: self.told.append(str(error)), waits=waits)  # type: ignore[arg-type]

    def __enter__(self) -> Going:
        self.loop.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.stop()
        self.loop.join(PATIENCE)
        assert not self.loop.alive

    @property
    def error(self) -> str:
        return next(beat.error for beat in self.pulse.beats())


def until(what: object) -> None:
    """Waits for it, without a fixed time."""
    end = time.monotonic() + PATIENCE
    pause = threading.Event()
    while not what():  # type: ignore[operator]
        assert time.monotonic() < end, "it never came"
        pause.wait(0.005)


def test_a_loop_works_at_once_and_again_when_it_is_woken() -> None:
    rounds = threading.Semaphore(0)
    with Going(rounds.release) as going:
        assert rounds.acquire(timeout=PATIENCE)
        going.loop.wake()
        assert rounds.acquire(timeout=PATIENCE)


def test_what_its_work_raises_stands_in_the_heartbeat_until_a_round_goes_well_and_is_told_once() -> None:
    answers = iter([OpsbotError("no disk"), OpsbotError("no disk"), ZeroDivisionError("a surprise"), None])
    rounds = threading.Semaphore(0)

    def work() -> None:
        rounds.release()
        if (answer := next(answers, None)) is not None:
            raise answer

    with Going(work) as going:
        seen = []
        for _ in range(4):
            assert rounds.acquire(timeout=PATIENCE)
            until(lambda: len(seen) == 0 or going.error != seen[-1] or len(seen) == 1)
            seen.append(going.error)
            going.loop.wake()
        until(lambda: going.error == "")
    assert going.told == ["no disk", "a surprise"]


def test_a_loop_that_hangs_is_seen_to_hang_and_one_that_waits_is_not() -> None:
    clock = Clock()
    pulse = Pulse(clock.steady)
    pulse.tick("quick", 5.0)
    pulse.tick("slow", 60.0)
    clock.pass_(29)
    assert [beat.loop for beat in pulse.beats() if beat.stalled] == ["quick"]
    pulse.forgive(25)
    assert [beat.loop for beat in pulse.beats() if beat.stalled] == []
    pulse.forget("quick")
    assert [beat.loop for beat in pulse.beats()] == ["slow"]


@pytest.mark.parametrize(
    ("wall", "steady", "still", "jumped"),
    [
        pytest.param(1, 1, 0, 0, id="a second like any other"),
        pytest.param(-3599, 1, 0, -3600, id="set back an hour"),
        pytest.param(30 * 86400 + 1, 1, 0, 30 * 86400, id="set a month ahead"),
        pytest.param(8 * 3600 + 1, 1, 0, 8 * 3600, id="suspended for eight hours: the monotonic clock slept too"),
        pytest.param(60, 60, 58, 0, id="stopped for a minute: both went on"),
    ],
)
def test_f23_f26_what_the_two_clocks_say_together(wall: float, steady: float, still: float, jumped: float) -> None:
    clock = Clock()
    clocks = Clocks(clock.now, clock.steady)
    clock.moment += timedelta(seconds=wall)
    clock.steady_seconds += steady
    assert clocks.look() == (pytest.approx(still), pytest.approx(jumped))
    assert clocks.look() == (0, 0)


@pytest.fixture
def almost_seven() -> Iterator[None]:
    with time_machine.travel(START - timedelta(seconds=0.3), tick=True):
        yield


def test_the_alarm_rings_at_the_fire_and_ticks_from_the_start(almost_seven: None) -> None:
    rang, ticked = threading.Event(), threading.Event()
    alarm = Alarm(rang.set, ticked.set)
    alarm.start([timetable(cron="0 7 * * *")])
    try:
        assert ticked.wait(PATIENCE)
        assert rang.wait(PATIENCE)
        assert datetime.now(UTC) >= START
    finally:
        alarm.stop()


def test_f23_an_alarm_that_is_reset_rings_by_the_new_clock() -> None:
    rang = threading.Event()
    with time_machine.travel(START + timedelta(hours=5), tick=True) as clock:
        alarm = Alarm(rang.set, lambda: None)
        alarm.start([timetable(cron="0 7 * * *")])
        try:
            clock.move_to(START - timedelta(seconds=0.3), tick=True)
            alarm.reset()
            assert rang.wait(PATIENCE)
        finally:
            alarm.stop()


def test_upkeep_is_done_once_a_day_however_often_the_daemon_starts(tmp_path: Path) -> None:
    clock, done = Clock(), list[str]()
    chores = {name: (lambda name=name: done.append(name)) for name in ("rows", "logs")}
    for hours, times in ((0, 1), (1, 1), (25, 2), (26, 2)):
        clock.moment = START + timedelta(hours=hours)
        Upkeep(tmp_path, clock.now, chores).look()
        assert done == ["rows", "logs"] * times


def test_a_chore_that_fails_keeps_none_from_its_turn_and_is_tried_again_in_an_hour(tmp_path: Path) -> None:
    clock, done = Clock(), list[str]()

    def fail() -> None:
        raise OpsbotError("the disk is full")

    upkeep = Upkeep(tmp_path, clock.now, {"back-up": fail, "rows": lambda: done.append("rows")})
    for minutes, times in ((0, 1), (59, 1), (61, 2)):
        clock.moment = START + timedelta(minutes=minutes)
        if len(done) < times:
            with pytest.raises(OpsbotError):
                upkeep.look()
        else:
            upkeep.look()
        assert done == ["rows"] * times


class Outbox:
    """A sender whose child is a script of the test's."""

    def __init__(self, script: str) -> None:
        self.due, self.script = True, script
        self.sender = Sender(lambda: [sys.executable, "-S", "-c", self.script], lambda: os.environ, lambda: self.due)

    @property
    def child(self) -> object:
        return self.sender._child


def test_the_sender_is_started_only_when_something_is_due_and_only_once(tmp_path: Path) -> None:
    outbox = Outbox(f"import time; open({str(tmp_path / 'begun')!r}, 'a').write('x'); time.sleep(60)")
    outbox.due = False
    outbox.sender.look()
    assert outbox.child is None
    outbox.due = True
    outbox.sender.look()
    first = outbox.child
    outbox.sender.look()
    assert outbox.child is first
    until(lambda: (tmp_path / "begun").exists() and (tmp_path / "begun").read_text() != "")
    outbox.sender.stop(timedelta(seconds=5))
    assert (tmp_path / "begun").read_text() == "x"


def test_a_sender_that_dies_at_once_is_told_of_and_started_ever_more_slowly() -> None:
    outbox = Outbox("raise SystemExit(9)")
    outbox.sender.look()
    until(lambda: outbox.child is not None and outbox.child.poll() is not None)  # type: ignore[attr-defined]
    with pytest.raises(OpsbotError, match="exit code 9"):
        outbox.sender.look()
    outbox.sender.look()
    assert outbox.child is None


def test_a_sender_that_ignores_the_end_is_ended() -> None:
    outbox = Outbox("import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1); time.sleep(60)")
    outbox.sender.look()
    began = time.monotonic()
    outbox.sender.stop(timedelta(seconds=0.3))
    assert time.monotonic() - began < PATIENCE
