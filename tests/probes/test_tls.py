"""Certificates good and bad: the verdict, and the facts that stay known when the verdict is bad."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from opsbot.model.probe import Http, ProbeResult, ProbeState, Reason, Tls, Trust, WebSocket
from opsbot.probes.der import certificate
from opsbot.probes.secure import oversized
from tests.probes import pki
from tests.probes.pki import DAY, NOW, Made, make
from tests.probes.servers import Net, Slowly, for_ever, page, reset, says

Probing = Callable[..., ProbeResult]

OLD_INTERMEDIATE = make("old intermediate", pki.root(), authority=True, ends=NOW - DAY)
SOON_INTERMEDIATE = make("short intermediate", pki.root(), authority=True, ends=NOW + 3 * DAY)
CASES = {
    "good": (pki.leaf(), None, ""),
    "expired": (
        make("localhost", pki.intermediate(), ends=NOW - DAY),
        Reason.TLS_EXPIRED,
        f"expired on {NOW - DAY:%Y-%m-%d}",
    ),
    "not yet": (
        make("localhost", pki.intermediate(), begins=NOW + DAY),
        Reason.TLS_NOT_YET_VALID,
        f"not valid before {NOW + DAY:%Y-%m-%d}",
    ),
    "other name": (
        make("shop", pki.intermediate(), names=("shop.example", "10.9.8.7")),
        Reason.TLS_NAME,
        "for shop.example, 10.9.8.7, not for 127.0.0.1",
    ),
    "common name only": (make("localhost", pki.intermediate(), names=()), Reason.TLS_NAME, "for no name"),
    "self-signed": (make("localhost"), Reason.TLS_SELF_SIGNED, "signed by itself"),
    "own root": (make("localhost", make("other root", authority=True)), Reason.TLS_UNTRUSTED, "trusted root"),
    "old intermediate": (
        make("localhost", OLD_INTERMEDIATE),
        Reason.TLS_EXPIRED,
        "the intermediate certificate CN=old intermediate expired",
    ),
    "short intermediate": (make("localhost", SOON_INTERMEDIATE), None, ""),
    "weak key": (make("localhost", pki.intermediate(), rsa_bits=1024), Reason.TLS_WEAK, "too weak"),
    "no intermediate sent": (
        Made(pki.leaf().certificate, pki.leaf().key),
        Reason.TLS_UNTRUSTED,
        "unable to get local issuer",
    ),
}


def trust(tmp_path: Path, **rest: object) -> Trust:
    return Trust(ca_file=pki.root().file(tmp_path), **rest)  # type: ignore[arg-type]


def served(net: Net, made: Made, tmp_path: Path, *extras: Made) -> int:
    chain = made.chain_file(tmp_path, *extras)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.load_cert_chain(chain)
    return net.tcp(says(page()), context=context)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("kind", ["tls", "https", "wss"])
def test_verdicts(net: Net, probing: Probing, tmp_path: Path, case: str, kind: str) -> None:
    made, reason, words = CASES[case]
    port = served(net, made, tmp_path)
    spec = {
        "tls": Tls(host="127.0.0.1", port=port, trust=trust(tmp_path)),
        "https": Http(url=f"https://127.0.0.1:{port}/", trust=trust(tmp_path)),
        "wss": WebSocket(url=f"wss://127.0.0.1:{port}/", trust=trust(tmp_path)),
    }[kind]
    result = probing(spec)
    expected = Reason.WS_HANDSHAKE if kind == "wss" and reason is None else reason
    assert result.reason is expected, result.why
    assert words in result.why
    assert result.secured is not None
    assert result.secured.verified is (reason is None)
    assert result.secured.path[0].fingerprint == certificate(made.der).fingerprint
    assert result.secured.path[0].not_after == made.certificate.not_valid_after_utc
    assert (result.phases.tls is None) is (reason is not None)
    if reason is None:
        assert [each.subject for each in result.secured.path][-1] == "CN=test root"
        assert result.secured.version == "TLSv1.3"


def test_the_date_that_counts_is_the_first_of_the_verified_path(net: Net, probing: Probing, tmp_path: Path) -> None:
    useless = make("expired cross-sign", make("gone root", authority=True), authority=True, ends=NOW - DAY)
    port = served(net, make("localhost", SOON_INTERMEDIATE), tmp_path, useless)
    result = probing(Tls(host="127.0.0.1", port=port, trust=trust(tmp_path)))
    assert result.state is ProbeState.UP
    assert result.secured is not None
    assert result.secured.not_after == NOW + 3 * DAY
    assert [each.subject for each in result.secured.path] == ["CN=localhost", "CN=short intermediate", "CN=test root"]
    assert [each.subject for each in result.secured.extras] == ["CN=expired cross-sign"]


def test_a_swapped_certificate_is_seen_at_once(net: Net, probing: Probing, tmp_path: Path) -> None:
    context = pki.serving(pki.leaf().chain_file(tmp_path))
    port = net.tcp(says(page()), context=context)
    spec = Http(url=f"https://localhost:{port}/", trust=trust(tmp_path))
    before = probing(spec).secured
    renewed = make("localhost", pki.intermediate(), ends=NOW + 200 * DAY)
    context.load_cert_chain(renewed.chain_file(tmp_path))
    after = probing(spec).secured
    assert before is not None
    assert after is not None
    assert before.path[0].not_after == NOW + 90 * DAY
    assert after.path[0].not_after == NOW + 200 * DAY


def test_every_probe_is_a_full_handshake(net: Net, probing: Probing, tmp_path: Path) -> None:
    resumed: list[bool | None] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        resumed.append(writer.get_extra_info("ssl_object").session_reused)
        await says(page())(reader, writer)

    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        port = net.tcp(talk, context=pki.serving(pki.leaf().chain_file(tmp_path), versions=(version, version)))
        for _ in range(3):
            result = probing(Http(url=f"https://localhost:{port}/", trust=trust(tmp_path)))
            assert result.state is ProbeState.UP, result.why
        assert net.connections[port] == 3
    assert resumed == [False] * 6


@pytest.mark.parametrize(
    ("most", "minimum", "reason"),
    [
        (ssl.TLSVersion.TLSv1_1, "1.2", Reason.TLS_PROTOCOL),
        (ssl.TLSVersion.TLSv1_2, "1.3", Reason.TLS_PROTOCOL),
        (ssl.TLSVersion.TLSv1_2, "1.2", None),
    ],
)
def test_old_versions(
    net: Net, probing: Probing, tmp_path: Path, most: ssl.TLSVersion, minimum: str, reason: Reason | None
) -> None:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context = pki.serving(pki.leaf().chain_file(tmp_path), versions=(ssl.TLSVersion.TLSv1, most))
    result = probing(
        Tls(host="127.0.0.1", port=net.blocking_tls(context, page()), trust=trust(tmp_path, minimum=minimum))
    )
    assert result.reason is reason, result.why


@pytest.mark.parametrize("at", ["at once", "in the middle"])
def test_a_reset_in_the_handshake(net: Net, probing: Probing, tmp_path: Path, at: str) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1 if at == "at once" else 4096)
        reset(writer)

    result = probing(Tls(host="127.0.0.1", port=net.tcp(talk), trust=trust(tmp_path)))
    assert (result.state, result.reason) == (ProbeState.DOWN, Reason.TLS_RESET)


@pytest.mark.parametrize("ends", [for_ever, reset], ids=["dropped", "refused"])
def test_a_large_hello_that_nobody_answers_is_named(
    net: Net, probing: Probing, tmp_path: Path, ends: Callable[..., object]
) -> None:
    """How large it is depends on OpenSSL: from 3.5 on its key share for quantum computers takes a packet by itself."""
    hello: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hello.append(await reader.read(65536))
        if ends is for_ever:
            await for_ever(reader, writer)
        else:
            reset(writer)

    result = probing(Tls(host="127.0.0.1", port=net.tcp(talk), trust=trust(tmp_path)), timeout=0.3)
    assert result.reason is (Reason.TLS_TIMEOUT if ends is for_ever else Reason.TLS_RESET)
    assert (f"ClientHello of {len(hello[0]):,} bytes" in result.why) is (len(hello[0]) > 1360)


def test_what_a_large_hello_may_come_to() -> None:
    assert oversized(517) == ""
    assert (
        oversized(1554)
        == "; no answer to a ClientHello of 1,554 bytes: more than one packet, which some firewalls drop"
    )


@pytest.mark.parametrize(
    ("talk", "reason"),
    [
        (for_ever, Reason.TLS_TIMEOUT),
        (says(b""), Reason.TLS_TIMEOUT),
        (None, Reason.TLS_PROTOCOL),
    ],
    ids=["silence", "waits for a request", "speaks HTTP"],
)
def test_a_port_that_does_not_speak_tls(
    net: Net, probing: Probing, tmp_path: Path, talk: object, reason: Reason
) -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(page(status="400 Bad Request"))
        await writer.drain()
        await asyncio.sleep(0.05)

    result = probing(Tls(host="127.0.0.1", port=net.tcp(talk or plain), trust=trust(tmp_path)), timeout=0.3)  # type: ignore[arg-type]
    assert result.reason is reason, result.why


def test_a_client_certificate(net: Net, probing: Probing, tmp_path: Path) -> None:
    context = pki.serving(pki.leaf().chain_file(tmp_path))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(pki.root().file(tmp_path))
    port = net.blocking_tls(context, page())
    mine = make("prober", pki.intermediate())
    held = str(mine.chain_file(tmp_path))
    without = probing(Http(url=f"https://localhost:{port}/", trust=trust(tmp_path)))
    assert without.reason is Reason.TLS_CLIENT, without.why
    with_it = probing(Http(url=f"https://localhost:{port}/", trust=trust(tmp_path, client_certificate=held)))
    assert with_it.state is ProbeState.UP, with_it.why


def test_names(net: Net, probing: Probing, tmp_path: Path) -> None:
    asked: list[str | None] = []
    context = pki.serving(make("shop", pki.intermediate(), names=("shop.example",)).chain_file(tmp_path))
    context.sni_callback = lambda sock, name, context: asked.append(name)
    port = net.tcp(says(page()), context=context)
    wrong = probing(Http(url=f"https://shop.test:{port}/", trust=trust(tmp_path)))
    assert wrong.reason is Reason.TLS_NAME
    right = probing(Http(url=f"https://shop.test:{port}/", trust=trust(tmp_path, server_name="shop.example")))
    assert right.state is ProbeState.UP, right.why
    unchecked = probing(Http(url=f"https://shop.test:{port}/", trust=Trust(verify=False)))
    assert unchecked.state is ProbeState.UP
    assert unchecked.secured is not None
    assert not unchecked.secured.verified
    assert unchecked.secured.path[0].names == ("shop.example",)
    assert asked == ["shop.test", "shop.example", "shop.test"]


def test_https_through_a_proxy(net: Net, probing: Probing, tmp_path: Path) -> None:
    inner = net.tcp(says(page()), context=pki.serving(pki.leaf().chain_file(tmp_path)))
    heads: list[bytes] = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        there, back = await asyncio.open_connection("127.0.0.1", inner)
        await asyncio.sleep(0.1)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            try:
                while chunk := await source.read(65536):
                    sink.write(chunk)
            finally:
                sink.close()

        await asyncio.gather(pump(reader, back), pump(there, writer), return_exceptions=True)

    port = net.tcp(proxy)
    result = probing(Http(url="https://localhost:443/x", trust=trust(tmp_path), proxy=f"http://127.0.0.1:{port}"))
    assert result.state is ProbeState.UP, result.why
    assert heads[0].startswith(b"CONNECT localhost:443 HTTP/1.1\r\n")
    assert result.phases.proxy is not None
    assert result.phases.proxy >= 0.1
    assert result.phases.tls is not None
    assert result.phases.tls < result.seconds - 0.09


def test_a_rotated_authority_is_taken_up(net: Net, probing: Probing, tmp_path: Path) -> None:
    """The context's files are looked at every ten seconds; a new engine looks at once."""
    from opsbot.probes.trust import Contexts

    file = tmp_path / "ca.pem"
    file.write_bytes(pki.root().pem)
    contexts = Contexts()
    first = contexts.get(Trust(ca_file=str(file)), "")
    assert contexts.get(Trust(ca_file=str(file)), "") is first
    next(iter(contexts._held.values())).looked -= 11
    assert contexts.get(Trust(ca_file=str(file)), "") is first
    file.write_bytes(make("next root", authority=True).pem)
    next(iter(contexts._held.values())).looked -= 11
    assert contexts.get(Trust(ca_file=str(file)), "") is not first


@pytest.mark.parametrize(("content", "words"), [(None, "no such file"), ("nothing\n", "expected PEM certificates")])
def test_files_that_are_missing_or_empty(
    net: Net, probing: Probing, tmp_path: Path, content: str | None, words: str
) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    port = served(net, pki.leaf(), tmp_path)
    result = probing(Tls(host="127.0.0.1", port=port, trust=Trust(ca_file=str(file))))
    assert (result.state, result.reason) == (ProbeState.UNSURE, Reason.SELF_TARGET)
    assert words in result.why
    assert "ca.pem" in result.why


def test_the_first_byte_under_tls_is_stamped_by_the_kernel(net: Net, probing: Probing, tmp_path: Path) -> None:
    server, began = Slowly(0.1, 0.1), time.monotonic()
    port = net.tcp(server, context=pki.serving(pki.leaf().chain_file(tmp_path)))
    result = probing(Http(url=f"https://localhost:{port}/", trust=trust(tmp_path)))
    assert result.kernel_stamps
    assert server.was_first_byte(result.phases.first_byte, began)
    assert server.was_transfer(result.phases.transfer)


# What is read out of certificates


@pytest.mark.parametrize("bits", [0, 2048])
def test_facts_of_a_certificate(bits: int) -> None:
    names = ("shop.example", "*.shop.example", "10.9.8.7", "2001:db8::7")
    made = make("shop", pki.intermediate(), names=names, rsa_bits=bits)
    facts = certificate(made.der)
    assert (facts.subject, facts.issuer, facts.names) == ("CN=shop", "CN=test intermediate", names)
    assert (facts.not_before, facts.not_after) == (NOW - 10 * DAY, NOW + 90 * DAY)
    assert facts.key == ("RSA 2048" if bits else "ECDSA P-256")
    assert facts.signature == "ECDSA with SHA-256"
    assert int(facts.serial, 16) == made.certificate.serial_number
    assert not facts.self_signed
    assert certificate(pki.root().der).self_signed


def test_dates_beyond_2050() -> None:
    facts = certificate(make("far", ends=NOW + timedelta(days=40_000)).der)
    assert facts.not_after == NOW + timedelta(days=40_000)


def test_no_bytes_of_a_strangers_certificate_can_hurt() -> None:
    import random

    chance = random.Random(4)
    der = pki.leaf().der
    for _ in range(1500):
        broken = bytearray(der[: chance.randrange(len(der) + 1)])
        for _ in range(chance.randrange(4)):
            if broken:
                broken[chance.randrange(len(broken))] = chance.randrange(256)
        facts = certificate(bytes(broken))
        assert facts.subject.isprintable()
        assert all(name.isprintable() for name in facts.names)
    assert certificate(b"").subject == "unreadable"
