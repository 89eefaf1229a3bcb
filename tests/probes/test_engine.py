"""The engine: nobody waits for a slow target, nothing is called down that is the prober's own fault."""

from __future__ import annotations

import asyncio
import os
import pickle
import resource
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine

from opsbot.model.probe import Answer, Hop, Http, Phases, ProbeResult, ProbeState, Reason, Tcp
from opsbot.probes import Engine, probe, stamps
from opsbot.probes.loop import LONGEST_WAIT, Loop, Task
from opsbot.probes.trace import Pulse, Trace
from tests.prober.parts import until
from tests.probes.conftest import clock, target
from tests.probes.servers import Net, Slowly, for_ever, head_of, page, reset, says

Probing = Callable[..., ProbeResult]


def slow(seconds: float) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Generator[None, None, None]]:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head_of(reader)
        await asyncio.sleep(seconds)
        writer.write(page())

    return talk  # type: ignore[return-value]


def test_one_probe_by_itself() -> None:
    moment = datetime(2026, 3, 1, 12, tzinfo=UTC)
    result = probe(target(Tcp(host="127.0.0.1", port=1)), now=lambda: moment)
    assert (result.target, result.kind, result.state, result.reason) == (
        "shop",
        "tcp",
        ProbeState.DOWN,
        Reason.TCP_REFUSED,
    )
    assert result.at == moment


def test_slow_targets_delay_nobody(net: Net, engine: Engine) -> None:
    hole, mute, good = net.black_hole(), net.tcp(for_ever), net.tcp(says(page()))
    done: list[ProbeResult] = []
    for _ in range(20):
        engine.submit(target(Tcp(host="127.0.0.1", port=hole), timeout=5.0), done.append)
        engine.submit(target(Http(url=f"http://127.0.0.1:{mute}/"), timeout=5.0), done.append)
    for _ in range(100):
        engine.submit(target(Http(url=f"http://127.0.0.1:{good}/"), timeout=5.0), done.append)
    while len(done) < 100:
        engine.turn()
    assert {result.state for result in done} == {ProbeState.UP}
    assert engine.busy == 40


def test_results_keep_the_order_of_the_targets(net: Net, engine: Engine) -> None:
    ports = [net.tcp(slow(0.1)), net.tcp(says(page())), net.closed_port()]
    results = engine.probe_many(target(Http(url=f"http://127.0.0.1:{port}/"), name=str(port)) for port in ports)
    assert [result.target for result in results] == [str(port) for port in ports]
    assert [result.state for result in results] == [ProbeState.UP, ProbeState.UP, ProbeState.DOWN]


@pytest.mark.parametrize(("limit", "per_host", "most"), [(3, 50, 3), (50, 2, 2), (50, 50, 8)])
def test_concurrency_is_bounded_and_waiting_is_not_the_targets_time(
    net: Net, limit: int, per_host: int, most: int
) -> None:
    here, peak = 0, 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal here, peak
        here += 1
        peak = max(peak, here)
        await head_of(reader)
        await asyncio.sleep(0.05)
        here -= 1
        writer.write(page())

    port = net.tcp(talk)
    with Engine(now=clock, limit=limit, per_host=per_host) as engine:
        results = engine.probe_many([target(Http(url=f"http://127.0.0.1:{port}/"), timeout=5.0) for _ in range(8)])
    assert {result.state for result in results} == {ProbeState.UP}
    assert peak == most
    assert max(result.queued for result in results) >= 0.05 * (7 // most) - 0.01
    assert min(result.seconds for result in results) >= 0.05


def test_one_busy_host_does_not_hold_up_another(net: Net) -> None:
    mute, good = net.tcp(for_ever), net.tcp(says(page()))
    done: list[ProbeResult] = []
    with Engine(now=clock, per_host=1) as engine:
        for _ in range(3):
            engine.submit(target(Http(url=f"http://localhost:{mute}/"), timeout=0.2), done.append)
        engine.submit(target(Http(url=f"http://127.0.0.1:{good}/")), done.append)
        while not done:
            engine.turn()
        assert done[0].state is ProbeState.UP
        while engine.busy:
            engine.turn()
    assert len(done) == 4
    assert max(result.queued for result in done) >= 0.39


def test_stopping_ends_everything_as_unsure(net: Net) -> None:
    done: list[ProbeResult] = []
    engine = Engine(now=clock, per_host=2)
    for _ in range(4):
        engine.submit(target(Http(url=f"http://127.0.0.1:{net.tcp(for_ever)}/")), done.append)
    engine.turn(0.05)
    assert engine.busy == 4
    engine.close()
    assert [(result.state, result.reason) for result in done] == [(ProbeState.UNSURE, Reason.SELF_STOPPED)] * 4


def test_a_judge_that_raises_harms_only_its_own_probe(net: Net, engine: Engine) -> None:
    port = net.tcp(says(page()))
    done: list[ProbeResult] = []

    def bad(result: ProbeResult, answer: Answer) -> ProbeResult:
        raise KeyError("oops")

    engine.submit(target(Http(url=f"http://127.0.0.1:{port}/")), done.append, bad)
    engine.submit(target(Http(url=f"http://127.0.0.1:{port}/")), done.append)
    while engine.busy:
        engine.turn()
    assert {result.reason for result in done} == {Reason.SELF_ERROR, None}
    assert "KeyError" in next(result.why for result in done if result.reason)


def test_a_judge_may_turn_failure_into_success(net: Net, probing: Probing) -> None:
    def judge(result: ProbeResult, answer: Answer) -> ProbeResult:
        assert answer.body == b"gone"
        return replace(result, state=ProbeState.UP, reason=None, why="") if result.status == 410 else result

    port = net.tcp(says(page(b"gone", status="410 Gone")))
    assert probing(Http(url=f"http://127.0.0.1:{port}/"), judge).state is ProbeState.UP


def test_a_process_that_stood_still_blames_itself(net: Net, engine: Engine) -> None:
    """What came in time counts, however late it is read; what did not come may be the stop's fault."""
    server, began = Slowly(0.05), time.monotonic()
    quick, mute = net.tcp(server), net.tcp(for_ever)
    done: list[ProbeResult] = []
    engine.submit(target(Http(url=f"http://127.0.0.1:{quick}/"), timeout=0.3), done.append)
    engine.submit(target(Http(url=f"http://127.0.0.1:{mute}/"), timeout=0.3), done.append)
    engine.turn(0.01)
    stand_still(0.6)
    while engine.busy:
        engine.turn()
    by_reason = {result.reason: result for result in done}
    assert set(by_reason) == {None, Reason.SELF_STALLED}
    up, unsure = by_reason[None], by_reason[Reason.SELF_STALLED]
    assert server.was_first_byte(up.phases.first_byte, began)
    assert up.lag > 0.3
    assert unsure.state is ProbeState.UNSURE
    assert "stood still" in unsure.why
    assert engine.stalled > 0.3


def test_a_result_made_quickly_is_like_any_other() -> None:
    trace = Trace(target(Tcp(host="x", port=1)), Pulse(), clock())
    trace.connect, trace.ended = 0.5, trace.started + 1.0
    trace.end_hop("http://x/")
    quick = trace.result(ProbeState.UP)
    hop = Hop(url="http://x/", address=None, status=None, phases=Phases(connect=0.5))
    slow = ProbeResult(
        target="shop",
        kind="tcp",
        state=ProbeState.UP,
        at=trace.at,
        seconds=quick.seconds,
        phases=Phases(connect=0.5),
        hops=(hop,),
    )
    assert quick == slow
    assert hash(quick) == hash(slow)
    assert repr(quick) == repr(slow)
    assert pickle.loads(pickle.dumps(quick)) == replace(slow)
    with pytest.raises(FrozenInstanceError):
        quick.why = "x"  # type: ignore[misc]


def stand_still(seconds: float) -> None:
    """This thread does nothing, as if the process had been stopped."""
    threading.Event().wait(seconds)


def test_stamps_that_cannot_be_are_not_believed() -> None:
    sock_says = [
        (1, stamps.SO_TIMESTAMPNS, (1_800_000_000).to_bytes(8, "little") + (500_000_000).to_bytes(8, "little"))
    ]
    offset = 1_800_000_000.0 - 1000.0
    assert stamps.arrival(sock_says, offset, now=1000.6) == pytest.approx(1000.5)
    assert stamps.arrival(sock_says, offset, now=1000.4995) == 1000.4995
    assert stamps.arrival(sock_says, offset - 3600, now=1000.6) is None
    assert stamps.arrival([], offset, now=1000.6) is None


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_set_during_a_probe_moves_no_duration(net: Net, engine: Engine, hours: int) -> None:
    done: list[ProbeResult] = []
    engine.submit(target(Http(url=f"http://127.0.0.1:{net.tcp(slow(0.1))}/"), timeout=20.0), done.append)
    engine.turn(0.02)
    with time_machine.travel(clock() + timedelta(hours=hours), tick=True):
        while engine.busy:
            engine.turn()
    assert not done[0].kernel_stamps
    # Of the hour nothing is seen.
    assert done[0].phases.first_byte is not None
    assert 0.1 <= done[0].phases.first_byte <= done[0].seconds < 20.0


def test_a_lack_of_files_is_the_probers_own_trouble(net: Net, tmp_path: Path) -> None:
    port = net.tcp(says(page()))
    with Engine(now=clock) as engine:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        held = [os.open(os.devnull, os.O_RDONLY)]
        resource.setrlimit(resource.RLIMIT_NOFILE, (held[0] + 1, hard))
        try:
            result = engine.probe_many([target(Http(url=f"http://127.0.0.1:{port}/"))])[0]
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            os.close(held[0])
    assert (result.state, result.reason) == (ProbeState.UNSURE, Reason.SELF_RESOURCES)
    assert "could not open a socket" in result.why


def test_even_an_engine_that_cannot_start_is_a_result() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    held = os.open(os.devnull, os.O_RDONLY)
    resource.setrlimit(resource.RLIMIT_NOFILE, (held + 1, hard))
    try:
        result = probe(target(Tcp(host="127.0.0.1", port=1)), now=clock)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        os.close(held)
    assert (result.state, result.reason) == (ProbeState.UNSURE, Reason.SELF_RESOURCES)


def test_waking_and_watching(engine: Engine) -> None:
    read, write = os.pipe()
    heard: list[bytes] = []
    engine.watch(read, lambda: heard.append(os.read(read, 10)))
    os.write(write, b"x")
    engine.turn(5)
    engine.unwatch(read)
    assert heard == [b"x"]
    os.close(read)
    os.close(write)
    assert min(woken_after(engine) for _ in range(3)) < LONGEST_WAIT


def woken_after(engine: Engine) -> float:
    """Seconds until a waiting turn returns that another thread wakes after 0.05 s."""
    timer = threading.Timer(0.05, engine.wake)
    timer.start()
    began = time.monotonic()
    engine.turn(5)
    took = time.monotonic() - began
    timer.join()
    return took


def test_no_socket_and_no_memory_is_left_behind(net: Net, engine: Engine) -> None:
    ports = [net.tcp(says(page())), net.tcp(slow(0.01)), net.closed_port()]

    async def drops(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head_of(reader)
        reset(writer)

    ports.append(net.tcp(drops))
    targets = [target(Http(url=f"http://127.0.0.1:{port}/")) for port in ports] * 25
    engine.probe_many(targets)
    before = open_files()
    for _ in range(4):
        engine.probe_many(targets)
    # The servers are in this process too, and close theirs a little later.
    until(lambda: open_files() <= before + 2)
    assert not engine._loop.live
    assert not engine._loop._tasks
    assert len(engine._loop._heap) <= 600


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_defect_of_ours_is_called_so() -> None:
    loop = Loop(lambda task, fork: None)
    ends: list[BaseException | None] = []

    def broken() -> Generator[object, object, Answer]:
        yield (None, 0, time.monotonic() + 0.01)
        raise ZeroDivisionError

    trace = Trace(target(Tcp(host="x", port=1)), loop.pulse, clock())
    loop.run(Task(trace, broken(), lambda trace, error: ends.append(error)))  # type: ignore[arg-type]
    while loop.live:
        loop.turn(1)
    loop.close()
    assert isinstance(ends[0], ZeroDivisionError)
