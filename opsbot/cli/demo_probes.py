"""The demo's probes: what is probed, and a few seconds of the daemon's own prober before its report is made."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from opsbot.errors import OpsbotError

if TYPE_CHECKING:
    from opsbot.daemon.prober import Prober
    from opsbot.home import Home
    from opsbot.model.uptime import Standing
    from opsbot.replica.targets import Running

# On loopback a verdict needs two turns of each probe; a busy machine is given more.
LONGEST = 30.0
JOB = "uptime_probes"
_TURN = 0.1

_PROBES = """
[jobs.uptime_probes]
channels = ["ops-slack", "managers"]

[[probes]]
name = "shop"
url = "{secure}/health"
environments = ["{environment}"]
every = "2s"
timeout = "1s"
allow_private = true
ca_file = "{ca_file}"
expect = ["status == 200", "json.status == 'ok'"]
slo = {{ target = 99.9 }}
owner = "team-web"

[[probes]]
name = "search"
url = "{plain}/search"
environments = ["{environment}"]
every = "2s"
timeout = "1s"
allow_private = true
expect = ["status == 200"]
degraded = ["latency < 200ms"]
retries = 0

[[probes]]
name = "orders"
url = "{plain}/orders"
environments = ["{environment}"]
every = "2s"
timeout = "1s"
allow_private = true
expect = ["status == 200"]
slo = {{ target = 99.9 }}
retries = 0
owner = "team-orders"

[[probes]]
name = "invoices"
url = "{plain}/orders"
environments = ["{environment}"]
every = "2s"
timeout = "1s"
allow_private = true
expect = ["status == 200"]
after = "orders"
retries = 0
"""


def tables(targets: Running, environment: str) -> str:
    """What config.toml says of them."""
    return _PROBES.format(plain=targets.plain, secure=targets.secure, ca_file=targets.ca_file, environment=environment)


def probe(home: Home, seconds: float = LONGEST) -> int:
    """Probe until every probe stands where it will, for at most so many seconds; how many of them said anything. What
    changed stays untold: a daemon that is started afterwards tells it. Raises OpsbotError."""
    from opsbot.daemon import learn
    from opsbot.daemon.duty import Duty
    from opsbot.daemon.herald import Herald
    from opsbot.daemon.prober import Prober
    from opsbot.daemon.serve import now
    from opsbot.model.timetable import Worker
    from opsbot.store import open_store

    lesson = learn.learn(home)
    if lesson.orders.problems:
        raise OpsbotError(f"the demo's own configuration has a problem: {lesson.orders.problems[0]}")
    me = Worker(id="demo", host="localhost", pid=0, version="", started_at=now(), beat=now())
    duty = Duty(worker=me, orders=lesson.orders, copy=lesson.copy, now=now)
    store = open_store(lesson.orders.store_url)
    prober = Prober(
        duty, store, Herald(duty, store, _nobody), lambda: learn.command(lesson.copy, "_probe"),
        lambda: learn.surroundings(home), _nobody, _nobody,
    )  # fmt: skip
    try:
        end = time.monotonic() + seconds
        while time.monotonic() < end and not _settled(prober, len(lesson.orders.probes)):
            prober.look()
            prober.digest()
            time.sleep(_TURN)
        return len(_known(prober))
    finally:
        prober.stop()
        store.close()


def _settled(prober: Prober, wanted: int) -> bool:
    """Whether each has been seen twice since it stands as it does, and none is about to change."""
    found = _known(prober)
    sure = all(one.blamed or one.told is not None for one in found)
    return sure and len(found) == wanted and all(not one.streak and one.seen > one.since for one in found)


def _known(prober: Prober) -> list[Standing]:
    from opsbot.evaluate.standing import PROBER

    return [one for name, one in prober.book.standings.items() if name != PROBER]


def _nobody() -> None:
    """Woken by nobody: the loop above comes round by itself."""
