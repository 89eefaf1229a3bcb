"""The prober as a process: who is asked when, what a slow target or a stopped process does to the others, and its end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from opsbot.model.probe import ProbeState, Reason, Tcp
from opsbot.prober import wire
from opsbot.prober.child import Prober
from opsbot.prober.wire import Found, Said
from opsbot.probing import Probe
from tests.prober.parts import PATIENCE, ROOT, Running, probe, prober, site, until

UP, DOWN, UNSURE = ProbeState.UP, ProbeState.DOWN, ProbeState.UNSURE


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    """One process for those who need no other: new orders replace the old ones."""
    with prober() as process:
        yield process


def test_it_asks_says_what_it_found_and_ends_with_its_daemon() -> None:
    with site() as web, prober() as running:
        web.answers = lambda path: 500 if path == "/bad" else 200
        running.obey(
            probe("good", f"{web.url}/good"),
            probe("bad", f"{web.url}/bad", expect=("status == 200",)),
            probe("gone", Tcp(host="127.0.0.1", port=1)),
        )
        running.until(lambda: len(running.found("good")) >= 3 and len(running.found("gone")) >= 2)
        good, bad, gone = (running.found(name)[0] for name in ("good", "bad", "gone"))
        assert (good.sample.state, good.why, good.evidence) == (UP, "", ())
        assert [name for name, _ in good.sample.phases] == ["connect", "first_byte", "transfer"]
        assert (bad.sample.state, bad.sample.reason) == (DOWN, "assert.status")
        assert "500" in bad.why
        assert dict(bad.evidence)["status"] == "500"
        assert (gone.sample.state, gone.sample.reason) == (DOWN, "tcp.refused")
        assert each_slot_once(running.found("good")[1:])
        assert running.process.stdin is not None
        running.process.stdin.close()
        assert running.process.wait(PATIENCE) == 0


def each_slot_once(found: list[Found]) -> bool:
    """Whether no turn was told twice or out of order; a machine with much else to do may have left some out."""
    slots = [one.slot or 0 for one in found]
    return all(before < after for before, after in pairwise(slots))


def test_what_is_probed_can_change(running: Running) -> None:
    with site() as web:
        stays, goes, comes = (probe(name, f"{web.url}/{name}") for name in ("stays", "goes", "comes"))
        running.obey(stays, goes)
        running.until(lambda: len(running.found("stays")) >= 2)
        running.obey(stays, comes, soon=False)
        running.until(lambda: running.found("comes"))
        before = len(running.found("goes"))
        running.until(lambda: len(running.found("stays")) >= 5)
        assert len(running.found("goes")) <= before + 1
        assert each_slot_once(running.found("stays")[1:])


def test_black_holes_delay_nobody() -> None:
    """A server that never answers, fifteen times, beside thirty that do: these are asked on, while it is waited for."""
    hole = socket.socket()
    with site() as web, prober() as running, hole:
        hole.bind(("127.0.0.1", 0))
        hole.listen(64)
        at = f"http://127.0.0.1:{hole.getsockname()[1]}/"
        dead = [probe(f"hole{n}", at, every=1.0) for n in range(15)]
        well = [probe(f"p{n}", f"{web.url}/{n}") for n in range(30)]
        running.obey(*dead, *well)
        running.until(lambda: running.said and running.said[-1].busy >= 15)
        before = len(running.found())
        running.until(
            lambda: all(len(running.found(f"p{n}")) >= 4 for n in range(30)) and len(running.found()) > before
        )
        assert {one.sample.probe for one in running.found() if one.sample.state is not UP} == set()
        assert running.said[-1].busy >= 15, "the holes are still waited for"


def test_a_stopped_process_accuses_nobody() -> None:
    with site() as web, prober() as running:
        # Time-outs shorter than the pause, so that without care each probe under way would be one.
        probes = [probe(f"p{n}", f"{web.url}/{n}", every=0.5, timeout=1.2) for n in range(40)]
        running.obey(*probes)
        running.until(lambda: len(running.found()) >= 60)
        running.process.send_signal(signal.SIGSTOP)
        threading.Event().wait(1.6)
        running.process.send_signal(signal.SIGCONT)
        before = len(running.found())
        running.until(lambda: len(running.found()) >= before + 60)
        assert [one for one in running.found() if one.sample.state is DOWN] == []
        slots = [one.slot or 0 for one in running.found("p7")[1:]]
        assert max(b - a for a, b in pairwise(slots)) >= 3, "what was slept through is not made up for"


def test_a_target_that_fails_once_is_asked_again_in_the_same_turn(running: Running) -> None:
    with site() as web:
        failing = iter([500, 200])
        web.answers = lambda path: next(failing, 200) if path == "/once" else 500
        # So seldom that no turn of its own can come in between, nor the end of one.
        again = {"every": 1e9, "retries": 1, "retry_after": 0.1, "expect": ("status == 200",)}
        running.obey(probe("once", f"{web.url}/once", **again), probe("always", f"{web.url}/always", **again))
        running.until(lambda: running.found("once") and running.found("always"))
        assert [one.sample.state for one in running.found("once")][:1] == [UP]
        assert [one.sample.state for one in running.found("always")][:1] == [DOWN]
        assert (len(web.asked["/once"]), len(web.asked["/always"])) == (2, 2)


def test_what_a_failing_probe_comes_after_is_asked_at_once(running: Running) -> None:
    """Whose turn would come in years: otherwise nobody would know in time whose trouble it is."""
    with site() as web:
        web.answers = lambda path: 200 if path == "/well" else 500
        vpn = probe("vpn", f"{web.url}/vpn", every=1e9, expect=("status == 200",))
        well, api = (
            probe(name, f"{web.url}/{name}", after="vpn", expect=("status == 200",)) for name in ("well", "api")
        )
        running.obey(vpn, well, soon=False)
        running.until(lambda: len(web.asked.get("/well", ())) >= 2)
        assert "/vpn" not in web.asked
        running.obey(vpn, well, api, soon=False)
        running.until(lambda: running.found("vpn"))
        assert running.found("vpn")[0].sample.state is DOWN
        running.until(lambda: len(web.asked["/api"]) >= 3)
        assert len(web.asked["/vpn"]) < len(web.asked["/api"]), "not for each of them"


def test_a_slow_daemon_delays_nobody_and_gets_everything_later() -> None:
    """Nothing is read from the pipe for a while: probing goes on, and the results wait."""
    with site() as web:
        read, write = os.pipe()
        told_read, told_write = os.pipe()
        child = Prober(read, told_write, now=lambda: datetime.now(UTC))
        thread = threading.Thread(target=child.run)
        thread.start()
        probes = [probe(f"p{n}-{'x' * 900}", f"{web.url}/{n}", every=0.25) for n in range(40)]
        os.write(write, wire.orders(probes, []))
        until(lambda: sum(map(len, web.asked.values())) >= 300)
        got: list[Found] = []
        with os.fdopen(told_read, "rb") as pipe:
            while len(got) < 280:
                got += wire.read(pipe.readline()).found
            child.stop()
            thread.join(10)
    assert {one.sample.state for one in got} == {UP}
    assert each_slot_once([one for one in got if one.sample.probe == probes[7].name])
    for each in (read, write, told_write):
        os.close(each)


class TestOwnNetwork:
    """DNS servers that do not answer and no gateway, then a gateway: the same failures, and not the same verdict."""

    @pytest.fixture
    def routes(self, tmp_path: Path) -> Path:
        (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.201\noptions timeout:1 attempts:1\n")
        (tmp_path / "routes").write_text("Iface Destination Gateway\n")
        return tmp_path / "routes"

    def test_it_blames_itself_once(self, routes: Path) -> None:
        with site() as web:
            lost = [probe(f"lost{n}", f"http://host{n}.example/") for n in range(5)]
            said = asked(routes, *lost, probe("near", f"{web.url}/"))
        found = [one for line in said for one in line.found]
        lost_ones = [one for one in found if one.sample.probe != "near"]
        assert {one.sample.state for one in found if one.sample.probe == "near"} == {UP}
        assert {(one.sample.state, one.sample.reason) for one in lost_ones} == {(UNSURE, Reason.SELF_NETWORK)}
        assert "its DNS servers (127.0.0.201)" in lost_ones[0].why
        assert "of 5 other targets" in lost_ones[0].why
        assert said[-1].network.startswith("the prober's own network is down")

    def test_with_a_gateway_that_answers_the_targets_are_down(self, routes: Path) -> None:
        line = "eth0\t00000000\t0100007F\t0003\t0\t0\t0\t00000000\t0\t0\t0"
        routes.write_text(f"Iface Destination Gateway\n{line}\n")
        said = asked(routes, *(probe(f"lost{n}", f"http://host{n}.example/") for n in range(5)))
        found = [one for one in said for one in one.found]
        assert {one.sample.state for one in found} == {DOWN}
        assert said[-1].network == ""

    def test_if_others_can_be_reached_one_target_is_down(self, routes: Path) -> None:
        with site() as web:
            well = [probe(f"well{n}", web.url.replace("127.0.0.1", f"127.0.0.{n + 2}")) for n in range(3)]
            said = asked(routes, probe("lost", "http://host.example/"), *well)
        found = [one for line in said for one in line.found if one.sample.probe == "lost"]
        assert {one.sample.state for one in found} == {DOWN}


def asked(routes: Path, *probes: Probe) -> list[Said]:
    """What a prober in this process says of these, once each was asked."""
    read, write = os.pipe()
    told_read, told_write = os.pipe()
    config = routes.with_name("resolv.conf")
    child = Prober(read, told_write, now=lambda: datetime.now(UTC), resolv_conf=config, routes=routes)
    thread = threading.Thread(target=child.run)
    thread.start()
    os.write(write, wire.orders(probes, [each.name for each in probes]))
    said: list[Said] = []
    with os.fdopen(told_read, "rb") as pipe:
        while {one.sample.probe for line in said for one in line.found} != {each.name for each in probes}:
            said.append(wire.read(pipe.readline()))
        os.close(write)
        thread.join(10)
    os.close(read)
    os.close(told_write)
    return said


def test_it_is_small_and_imports_nothing_heavy() -> None:
    heavy = ("numpy", "pandas", "pydantic", "sqlalchemy", "boto3", "jinja2", "structlog", "uvicorn", "asyncio")
    code = (
        "import sys\nsys.argv = ['opsbot', '_probe']\nfrom opsbot.__main__ import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        f"print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)"
    )
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, input="", capture_output=True, text=True)
    assert told.stderr.strip().endswith("[]"), told.stderr
