"""Two daemons on one PostgreSQL: one of them probes; when it is gone the other goes on from where it was."""

from __future__ import annotations

import signal
from itertools import pairwise
from pathlib import Path

from opsbot.model.probe import ProbeState
from opsbot.store import open_store
from opsbot.store.uptime import LEASE, SqlUptime
from tests.daemon.served import Served, begin, make_home, wait_for
from tests.postgres import server
from tests.prober.parts import site
from tests.prober.test_kept import table


def probers(daemons: list[Served]) -> list[Served]:
    """Those that ever started one."""
    return [daemon for daemon in daemons if daemon.lines("prober started")]


def test_one_of_two_daemons_probes_and_the_other_takes_over(tmp_path: Path) -> None:
    url = server().database()
    with site() as web:
        web.answers = lambda path: 500 if path == "/bad" else 200
        tables = table("good", f"{web.url}/good") + table("bad", f"{web.url}/bad")
        homes = [make_home(tmp_path / name, f'{tables}\n[store]\nurl = "{url}"\n') for name in "ab"]
        daemons = [begin(home) for home in homes]
        store = open_store(url)
        try:
            _hand_over(daemons, web.asked, store.uptime())
        finally:
            store.close()
            for daemon in daemons:
                daemon.tell(signal.SIGKILL)
                daemon.wait()


def _hand_over(daemons: list[Served], asked: dict[str, list[float]], uptime: SqlUptime) -> None:
    for daemon in daemons:
        daemon.wait_until_ready()
    wait_for(lambda: uptime.untold() and asked.get("/good"), daemons[0].said)
    (first,) = probers(daemons)
    second = next(daemon for daemon in daemons if daemon is not first)
    first.tell(signal.SIGKILL)
    first.wait()
    wait_for(lambda: probers([second]), second.said)
    before = len(asked["/good"])
    wait_for(lambda: len(asked["/good"]) > before, second.said)
    assert max(later - earlier for earlier, later in pairwise(asked["/good"])) < LEASE.total_seconds()
    # It knows what people were told already, and goes on with the same account.
    assert [(flip.probe, flip.after) for flip in uptime.untold()] == [("bad", ProbeState.DOWN)]
    standing = wait_for(lambda: uptime.standings()["bad"])
    assert standing.told is ProbeState.DOWN
    assert len(second.lines("prober's watch begun")) == 1


def test_who_lets_go_is_followed_at_once_and_who_waits_holds_nothing() -> None:
    url = server().database()
    stores = [open_store(url) for _ in range(3)]
    watches = [store.uptime() for store in stores]
    assert [watch.watching() for watch in watches] == [True, False, False]
    assert [watch.watching() for watch in watches] == [True, False, False]
    watches[0].let_go()
    # The server hears of it a moment later.
    wait_for(watches[1].watching)
    assert not watches[2].watching()
    assert not watches[0].watching()
    for watch, store in zip(watches, stores, strict=True):
        watch.let_go()
        store.close()
