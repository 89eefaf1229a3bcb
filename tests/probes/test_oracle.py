"""libcurl as the second opinion: the same verdicts on the same endpoints, and the same phases on a slow one."""

from __future__ import annotations

import asyncio
import io
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import hpack
import pycurl
import pytest

from opsbot.model.probe import Http, ProbeResult, Redirects, Trust
from tests.probes import pki, second
from tests.probes.pki import DAY, NOW, make
from tests.probes.second import DATA, HEADERS, HELLO, PUSH, block, data, frame, goodbye, head, rst, stays, writes
from tests.probes.servers import Net, Slowly, head_of, page, reset, says

Probing = Callable[..., ProbeResult]


def curl(url: str, ca: str, *, timeout: float = 5.0, http2: bool = False) -> tuple[int, dict[str, float]]:
    """libcurl's error code (0 is fine) and its phases in seconds, over a fresh connection."""
    handle = pycurl.Curl()
    options = {
        pycurl.URL: url,
        pycurl.CAINFO: ca,
        pycurl.PROXY: "",
        pycurl.NOSIGNAL: 1,
        pycurl.FRESH_CONNECT: 1,
        pycurl.FORBID_REUSE: 1,
        pycurl.FOLLOWLOCATION: 1,
        pycurl.MAXREDIRS: 10,
        pycurl.FAILONERROR: 1,
        pycurl.TIMEOUT_MS: int(timeout * 1000),
        pycurl.HTTP_VERSION: pycurl.CURL_HTTP_VERSION_2TLS if http2 else pycurl.CURL_HTTP_VERSION_1_1,
        pycurl.WRITEDATA: io.BytesIO(),
    }
    for option, value in options.items():
        handle.setopt(option, value)
    code = 0
    try:
        handle.perform()
    except pycurl.error as error:
        code = error.args[0]
    names = (
        pycurl.CONNECT_TIME,
        pycurl.APPCONNECT_TIME,
        pycurl.PRETRANSFER_TIME,
        pycurl.STARTTRANSFER_TIME,
        pycurl.TOTAL_TIME,
    )
    connect, tls, ready, first, total = (handle.getinfo(name) for name in names)
    handle.close()
    return code, {"connect": connect, "tls": tls - connect, "first_byte": first - ready, "transfer": total - first}


async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await head_of(reader)
    writer.write(page()[:-4])


async def dropped(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await head_of(reader)
    reset(writer)


async def stuck(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await head_of(reader)
    writer.write(page()[:-4])
    await asyncio.sleep(30)


PLAIN = {
    "fine": says(page()),
    "chunked": says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
    "until close": says(page(length=False)),
    "interim": says(b"HTTP/1.1 103 Early Hints\r\n\r\n" + page()),
    "no content": says(page(b"", status="204 No Content", length=False)),
    "bad chunk": says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nok\r\n"),
    "404": says(page(status="404 Not Found")),
    "500": says(page(status="500 Oops")),
    "cut": cut,
    "reset": dropped,
    "nothing": says(b""),
    "not HTTP": says(b"+OK POP3 ready\r\n"),
    "stuck": stuck,
    "redirect to nowhere": says(page(b"", status="302 Found", headers=("Location: http://127.0.0.1:1/",))),
    "redirect without a place": says(page(status="302 Found")),
    "circle": says(page(b"", status="302 Found", headers=("Location: /",))),
    "two lengths": says(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok"),
}


@pytest.mark.parametrize("case", PLAIN)
def test_verdicts_over_http(net: Net, probing: Probing, tmp_path: Path, case: str) -> None:
    url = f"http://127.0.0.1:{net.tcp(PLAIN[case])}/"
    patience = 0.3 if case == "stuck" else 5.0
    code, _ = curl(url, pki.root().file(tmp_path), timeout=patience)
    result = probing(Http(url=url, redirects=Redirects.FOLLOW), timeout=patience)
    assert (result.reason is None) == (code == 0), f"curl says {code}, we say {result.reason}: {result.why}"


SEALED = {
    "fine": pki.leaf,
    "expired": lambda: make("localhost", pki.intermediate(), ends=NOW - DAY),
    "not yet": lambda: make("localhost", pki.intermediate(), begins=NOW + DAY),
    "other name": lambda: make("x", pki.intermediate(), names=("shop.example",)),
    "self-signed": lambda: make("localhost"),
    "other root": lambda: make("localhost", make("other root", authority=True)),
    "wildcard": lambda: make("x", pki.intermediate(), names=("*.test", "localhost")),
    "old intermediate": lambda: make("localhost", make("old", pki.root(), authority=True, ends=NOW - DAY)),
}


@pytest.mark.parametrize("case", SEALED)
def test_verdicts_over_https(net: Net, probing: Probing, tmp_path: Path, case: str) -> None:
    ca = pki.root().file(tmp_path)
    port = net.tcp(says(page()), context=pki.serving(SEALED[case]().chain_file(tmp_path)))
    code, _ = curl(f"https://localhost:{port}/", ca)
    result = probing(Http(url=f"https://localhost:{port}/", trust=Trust(ca_file=ca)))
    assert (result.reason is None) == (code == 0), f"curl says {code}, we say {result.reason}: {result.why}"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_phases(net: Net, probing: Probing, tmp_path: Path, scheme: str) -> None:
    ca = pki.root().file(tmp_path)
    context = pki.serving(pki.leaf().chain_file(tmp_path)) if scheme == "https" else None
    server, began = Slowly(0.1, 0.1), time.monotonic()
    url = f"{scheme}://localhost:{net.tcp(server, context=context)}/"
    code, theirs = curl(url, ca)
    seen_by = time.monotonic()
    assert code == 0
    assert server.was_first_byte(theirs["first_byte"], began, seen_by)
    assert server.was_transfer(theirs["transfer"], seen_by)
    began = time.monotonic()
    ours = probing(Http(url=url, trust=Trust(ca_file=ca))).phases
    assert server.was_first_byte(ours.first_byte, began)
    assert server.was_transfer(ours.transfer)
    assert (ours.tls is not None) is (scheme == "https")


SECOND = {
    "fine": second.Site(),
    "404": second.Site(status=404),
    "no content": second.Site(b"", status=204),
    "large": second.Site(b"x" * 900_000),
    "interim": writes(HELLO, head(status="103"), head(), data(b"x")),
    "blanks around a value": writes(HELLO, head(("x-a", " 1 ")), data(b"x")),
    "goodbye, and the answer": writes(HELLO, goodbye(1, 0), head(), data(b"x")),
    "goodbye without an answer": writes(HELLO, goodbye(0, 0)),
    "reset": writes(HELLO, rst(2), then=stays),
    "reset in the body": writes(HELLO, head(), data(b"x", end=False), rst(2), then=stays),
    "reset after the answer": writes(HELLO, head(), data(b"x") + rst(0), then=stays),
    "cut": writes(HELLO, head(), data(b"x", end=False)),
    "too short": writes(HELLO, head(("content-length", "9")), data(b"x")),
    "no status": writes(HELLO, frame(HEADERS, 5, 1, hpack.Encoder().encode([("x", "y")])), then=stays),
    "about the connection": writes(HELLO, head(("connection", "close")), data(b"x"), then=stays),
    "headers nobody can unpack": writes(HELLO, frame(HEADERS, 5, 1, b"\xff" * 9), then=stays),
    "body without headers": writes(HELLO, data(b"x"), then=stays),
    "pushed": writes(HELLO, frame(PUSH, 4, 1, b"\0\0\0\2" + block()), then=stays),
    "frame too large": writes(HELLO, head(), frame(DATA, 1, 1, bytes(20_000)), then=stays),
    "nonsense": writes(b"+OK POP3 ready\r\n", then=stays),
    "HTTP/1.1": writes(page()),
    "padded": writes(HELLO, head() + frame(DATA, 9, 1, b"\x02x\0\0")),
    "unknown frames": writes(HELLO, frame(77, 0, 0, b"x") + head(), data(b"x")),
}


@pytest.mark.parametrize("case", SECOND)
def test_verdicts_over_http2(net: Net, probing: Probing, tmp_path: Path, case: str) -> None:
    ca = pki.root().file(tmp_path)
    url = f"https://localhost:{net.tcp(SECOND[case], context=second.serving(tmp_path))}/"
    code, _ = curl(url, ca, http2=True)
    result = probing(Http(url=url, trust=Trust(ca_file=ca), http2=True))
    assert (result.reason is None) == (code == 0), f"curl says {code}, we say {result.reason}: {result.why}"
    assert case == "HTTP/1.1" or result.protocol in ("h2", None)


NGINX = """{user}daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/log;
events {{ worker_connections 64; }}
http {{
  access_log off; client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e; gzip on; gzip_types *; gzip_min_length 1;
  server {{
    listen 127.0.0.1:{port} ssl http2; ssl_certificate {chain}; ssl_certificate_key {chain};
    location / {{ return 200 "fine"; }}
    location /gone {{ return 404; }}
    location /large {{ root {folder}; }}
    location /moved {{ return 302 /; }}
    location /nothing {{ return 204; }}
    location /cut {{ return 444; }}
  }}
}}
"""


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an nginx that speaks HTTP/2."""
    binary = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    if not binary or b"http_v2_module" not in subprocess.run([binary, "-V"], capture_output=True).stderr:
        pytest.skip("there is no nginx with HTTP/2 here")
    folder = tmp_path_factory.mktemp("nginx")
    (folder / "large").write_bytes(b"x" * 900_000)
    chain = pki.leaf().chain_file(folder)
    user = "user root; " if os.geteuid() == 0 else ""
    # It takes over our listening socket, as from a predecessor: nobody else can have the port.
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
        (folder / "conf").write_text(NGINX.format(user=user, folder=folder, port=port, chain=chain))
        running = subprocess.Popen(
            [binary, "-e", folder / "log", "-c", folder / "conf"],
            env={"NGINX": f"{sock.fileno()};"},
            pass_fds=[sock.fileno()],
            stderr=subprocess.DEVNULL,
        )
    try:
        yield f"https://localhost:{port}"
        assert running.poll() is None, (folder / "log").read_text()[-500:]
    finally:
        running.terminate()
        running.wait(20)


@pytest.mark.parametrize("path", ["/", "/gone", "/large", "/moved", "/nothing", "/cut"])
def test_verdicts_over_http2_of_nginx(nginx: str, probing: Probing, tmp_path: Path, path: str) -> None:
    ca = pki.root().file(tmp_path)
    code, _ = curl(nginx + path, ca, http2=True)
    spec = Http(url=nginx + path, trust=Trust(ca_file=ca), http2=True, headers=(("Accept-Encoding", "gzip"),))
    result = probing(spec)
    assert (result.reason is None) == (code == 0), f"curl says {code}, we say {result.reason}: {result.why}"
    if path != "/cut":
        assert result.protocol == "h2"
        old = probing(replace(spec, http2=False))
        assert (old.state, old.status, old.body_size) == (result.state, result.status, result.body_size)
