"""blackbox_exporter as another opinion: the same endpoints, the same verdicts, the same phases; or a reason why not.

Skipped where it is not installed (Debian: `prometheus-blackbox-exporter`), and with OPSBOT_BLACKBOX=0.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import pytest

from opsbot.model.probe import Dns, Http, ProbeResult, Reason, Spec, Tcp, Tls, Trust
from tests.prober.parts import until
from tests.probes import names, pki
from tests.probes.servers import Net, Slowly, for_ever, page, says
from tests.probes.test_oracle import PLAIN, SEALED

Probing = Callable[..., ProbeResult]

EXPORTER = shutil.which("prometheus-blackbox-exporter") or shutil.which("blackbox_exporter")
pytestmark = [
    pytest.mark.skipif(not EXPORTER, reason="blackbox_exporter is not installed"),
    pytest.mark.skipif(os.environ.get("OPSBOT_BLACKBOX") == "0", reason="OPSBOT_BLACKBOX=0"),
]

SHORT = 0.3
PATIENT = 5.0
OURS_IS_RIGHTER = {
    "redirect without a place": "a 302 that leads nowhere is a whole answer below 400 (RFC 9110 says that a redirect should"
    " name a place, not that it must); libcurl agrees, Go's client calls it an error",
}


@dataclass
class Theirs:
    """What the exporter says of a target."""

    up: bool
    phases: dict[str, float]


@dataclass
class Exporter:
    url: str

    def ask(self, module: str, target: str, **more: str) -> Theirs:
        query = urlencode({"module": module, "target": target, **more})
        with urllib.request.urlopen(f"{self.url}/probe?{query}", timeout=20) as answer:
            text = answer.read().decode()
        phases = {name: float(value) for name, value in re.findall(r'phase="(\w+)"} ([\d.e+-]+)', text)}
        return Theirs("\nprobe_success 1" in text, phases)


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    folder = tmp_path_factory.mktemp("exporter")
    trust = {"tls_config": {"ca_file": pki.root().file(folder)}}
    http = {"preferred_ip_protocol": "ip4", **trust}
    modules = {
        "http": {"prober": "http", "timeout": f"{PATIENT}s", "http": http},
        "short": {"prober": "http", "timeout": f"{SHORT}s", "http": http},
        "tcp": {"prober": "tcp", "timeout": f"{SHORT}s", "tcp": {"preferred_ip_protocol": "ip4"}},
        "banner": {
            "prober": "tcp",
            "timeout": f"{SHORT}s",
            "tcp": {"preferred_ip_protocol": "ip4", "query_response": [{"expect": "^220 "}]},
        },
        "tls": {
            "prober": "tcp",
            "timeout": f"{PATIENT}s",
            "tcp": {"preferred_ip_protocol": "ip4", "tls": True, **trust},
        },
        **{
            f"dns-{name}": {
                "prober": "dns",
                "timeout": "1s",
                "dns": {
                    "preferred_ip_protocol": "ip4",
                    "transport_protocol": "udp",
                    "query_name": name,
                    "query_type": "A",
                },
            }
            for name in ASKED
        },
    }
    (folder / "blackbox.yml").write_text(json.dumps({"modules": modules}))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [str(EXPORTER), f"--config.file={folder}/blackbox.yml", f"--web.listen-address=127.0.0.1:{port}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        until(lambda: answers(f"http://127.0.0.1:{port}/-/healthy"))
        yield Exporter(f"http://127.0.0.1:{port}")
    finally:
        process.kill()
        process.wait()


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except urllib.error.URLError:
        return False


def compare(case: str, theirs: Theirs, ours: ProbeResult) -> None:
    if case in OURS_IS_RIGHTER:
        assert theirs.up is not (ours.reason is None), f"{case}: both agree now, take it out of the list"
    else:
        assert theirs.up is (ours.reason is None), f"the exporter says {theirs.up}, we say {ours.reason}: {ours.why}"


MORE: dict[str, Callable[[Net], int]] = {
    "refused": lambda net: net.closed_port(),
    "silent": lambda net: net.tcp(for_ever),
    "redirect": lambda net: net.tcp(says(page(b"", status="302 Found", headers=(f"Location: http://127.0.0.1:{net.tcp(says(page()))}/x",)))),
    "redirect to a 500": lambda net: net.tcp(says(page(b"", status="301 Moved", headers=(f"Location: http://127.0.0.1:{net.tcp(says(page(status='500 Oops')))}/x",)))),
    **{case: lambda net, talk=talk: net.tcp(talk) for case, talk in PLAIN.items()},
}  # fmt: skip


@pytest.mark.parametrize("case", MORE)
def test_over_http(net: Net, probing: Probing, exporter: Exporter, case: str) -> None:
    url = f"http://127.0.0.1:{MORE[case](net)}/"
    slow = case in ("stuck", "silent")
    theirs = exporter.ask("short" if slow else "http", url)
    compare(case, theirs, probing(Http(url=url), timeout=SHORT if slow else PATIENT))


@pytest.mark.parametrize("kind", ["https", "tls"])
@pytest.mark.parametrize("case", SEALED)
def test_over_tls(net: Net, probing: Probing, exporter: Exporter, tmp_path: Path, case: str, kind: str) -> None:
    port = net.tcp(says(page()), context=pki.serving(SEALED[case]().chain_file(tmp_path)))
    trust = Trust(ca_file=pki.root().file(tmp_path))
    url = f"https://localhost:{port}/"
    spec: Spec = Http(url=url, trust=trust) if kind == "https" else Tls(host="localhost", port=port, trust=trust)
    theirs = exporter.ask("http", url) if kind == "https" else exporter.ask("tls", f"localhost:{port}")
    compare(case, theirs, probing(spec))


async def greets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 mail.example ESMTP\r\n")
    await writer.drain()
    await for_ever(reader, writer)


async def refuses(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"554 no\r\n")
    await writer.drain()
    await for_ever(reader, writer)


PORTS: dict[str, tuple[str, Callable[[Net], int]]] = {
    "open": ("tcp", lambda net: net.tcp(for_ever)),
    "refused": ("tcp", lambda net: net.closed_port()),
    "black hole": ("tcp", lambda net: net.black_hole()),
    "greets": ("banner", lambda net: net.tcp(greets)),
    "greets otherwise": ("banner", lambda net: net.tcp(refuses)),
    "says nothing": ("banner", lambda net: net.tcp(for_ever)),
}


@pytest.mark.parametrize("case", PORTS)
def test_over_tcp(net: Net, probing: Probing, exporter: Exporter, case: str) -> None:
    module, port_of = PORTS[case]
    port = port_of(net)
    theirs = exporter.ask(module, f"127.0.0.1:{port}")
    spec = Tcp(host="127.0.0.1", port=port, pattern="^220 " if module == "banner" else "")
    compare(case, theirs, probing(spec, timeout=SHORT))


ZONE: names.Zone = {("shop.test", "A"): ["10.9.8.7"]}
ASKED = {"shop.test": None, "gone.test": Reason.DNS_NXDOMAIN}


@pytest.mark.parametrize("name", ASKED)
def test_over_dns(net: Net, probing: Probing, exporter: Exporter, name: str) -> None:
    server = names.dns_server(net, lambda message: names.answer(message, ZONE))
    theirs = exporter.ask(f"dns-{name}", server)
    ours = probing(Dns(name=name), dns_servers=(server,))
    assert ours.reason is ASKED[name]
    compare(name, theirs, ours)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_phases(net: Net, probing: Probing, exporter: Exporter, tmp_path: Path, scheme: str) -> None:
    ca = pki.root().file(tmp_path)
    context = pki.serving(pki.leaf().chain_file(tmp_path)) if scheme == "https" else None
    server, began = Slowly(0.1, 0.1), time.monotonic()
    url = f"{scheme}://localhost:{net.tcp(server, context=context)}/"
    theirs = exporter.ask("http", url)
    seen_by = time.monotonic()
    assert theirs.up
    assert server.was_first_byte(theirs.phases["processing"], began, seen_by)
    assert server.was_transfer(theirs.phases["transfer"], seen_by)
    began = time.monotonic()
    ours = probing(Http(url=url, trust=Trust(ca_file=ca))).phases
    assert server.was_first_byte(ours.first_byte, began)
    assert server.was_transfer(ours.transfer)
    assert (ours.tls is not None) is (scheme == "https")
