"""One set of servers a module, one way to probe."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from opsbot.model.probe import ProbeResult, Reach, Reason, Spec, Target
from opsbot.probes import Engine, Judge, stamps
from tests.probes.servers import Net, a_net


@pytest.fixture(scope="session", autouse=True)
def stamping() -> Iterator[None]:
    """The kernel begins to stamp a moment after the first socket has asked for it; the tests need it from the start."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as keeper:
        stamps.ask_for_stamps(keeper)
        yield


@pytest.fixture(scope="module")
def net() -> Iterator[Net]:
    with a_net() as net:
        yield net


def clock() -> datetime:
    return datetime.now(UTC)


def target(
    spec: Spec,
    *,
    name: str = "shop",
    timeout: float = 3.0,
    reach: Reach = Reach.ANY,
    allow_private: bool = True,
    dns_servers: tuple[str, ...] = (),
    keep_evidence: bool = False,
) -> Target:
    return Target(
        name=name,
        spec=spec,
        timeout=timeout,
        reach=reach,
        allow_private=allow_private,
        dns_servers=dns_servers,
        keep_evidence=keep_evidence,
    )


@pytest.fixture
def hosts(tmp_path: Path) -> Path:
    path = tmp_path / "hosts"
    path.write_text("127.0.0.1 shop.test other.test localhost\n::1 dual.test\n127.0.0.1 dual.test\n")
    return path


@pytest.fixture
def engine(hosts: Path, tmp_path: Path) -> Iterator[Engine]:
    (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    with Engine(now=clock, resolv_conf=tmp_path / "resolv.conf", hosts=hosts, per_host=400) as engine:
        yield engine


@pytest.fixture
def probing(engine: Engine) -> Callable[..., ProbeResult]:
    """Probe one spec: `probing(Http(url=...), timeout=1)`."""

    def run(spec: Spec, judge: Judge | None = None, **rest: object) -> ProbeResult:
        asked = target(spec, **rest)  # type: ignore[arg-type]
        result = engine.probe_many([asked], judge)[0]
        # A machine that stood still says nothing of the target: as in a turn of the prober, it is asked again.
        for _ in range(5):
            if result.reason is Reason.SELF_STALLED:
                result = engine.probe_many([asked], judge)[0]
        return result

    return run
