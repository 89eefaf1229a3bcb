"""No spelling of a forbidden address gets a socket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from opsbot.model.probe import Http, ProbeResult, ProbeState, Reach, Reason, Tcp
from opsbot.probes import guard, urls
from opsbot.probes.failure import Failure
from tests.probes.servers import Net, head_of, page, says

NEVER = [
    "169.254.169.254",
    "169.254.170.2",
    "169.254.170.23",
    "169.254.0.1",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "fd00:ec2::254",
    "fd00:ec2::23",
    "fd00:0ec2:0:0:0:0:0:0254",
    "fd20:ce::254",
    "::ffff:169.254.169.254",
    "::ffff:a9fe:a9fe",
    "0:0:0:0:0:ffff:a9fe:a9fe",
    "::169.254.169.254",
    "::ffff:0:169.254.169.254",
    "64:ff9b::169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a9fe:a9fe",
    "64:ff9b:1:a9fe:a9:fe00::",
    "2002:a9fe:a9fe::",
    "2002:a9fe:a9fe:1::1",
    "2001:0:a9fe:a9fe::1",
    "2001:0:1:1:0:0:5601:5601",
    "fe80::5efe:169.254.169.254",
    "2001:db8::200:5efe:a9fe:a9fe",
    "::ffff:100.100.100.200",
    "64:ff9b::168.63.129.16",
    "2852039166",
    "0xa9fea9fe",
    "0xA9FEA9FE",
    "0xa9.0xfe.0xa9.0xfe",
    "025177524776",
    "0251.0376.0251.0376",
    "0251.254.169.254",
    "169.16689662",
    "169.254.43518",
    "169.0xfe.0251.254",
    "0x00000000a9fea9fe",
    "169.254.169.254.",
    "224.0.0.1",
    "255.255.255.255",
    "240.0.0.1",
    "ff02::1",
    "::ffff:255.255.255.255",
]
PRIVATE = [
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "127.255.255.254",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0177.0.0.1",
    "017700000001",
    "0",
    "0.0.0.0",
    "::",
    "::1",
    "0:0:0:0:0:0:0:1",
    "::ffff:127.0.0.1",
    "::ffff:7f00:1",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
    "10.0.0.1",
    "10.255.255.255",
    "::ffff:10.0.0.1",
    "2002:a00:1::1",
    "64:ff9b::10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "3232235777",
    "100.64.0.1",
    "198.18.0.1",
    "192.0.0.8",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "fe80::1%lo",
    "fec0::1",
    "2001:db8::1",
    "192.0.2.1",
]
PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "172.15.255.255",
    "172.32.0.1",
    "100.128.0.1",
    "169.253.255.255",
    "192.0.1.1",
    "11.0.0.1",
    "2606:4700:4700::1111",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
    "2002:808:808::1",
    "134744072",
]


def spelled(host: str) -> str:
    address = guard.literal(host)
    assert address is not None, "not recognised as an address"
    return address


def test_the_table_is_long_enough() -> None:
    assert len(NEVER) + len(PRIVATE) >= 60


@pytest.mark.parametrize("host", NEVER)
def test_never_probed_not_even_with_permission(host: str) -> None:
    with pytest.raises(Failure) as told:
        guard.check(spelled(host), allow_private=True)
    assert told.value.reason is Reason.GUARD_ADDRESS
    assert "never probed" in told.value.why


@pytest.mark.parametrize("host", PRIVATE)
def test_private_needs_permission(host: str) -> None:
    guard.check(spelled(host), allow_private=True)
    with pytest.raises(Failure, match="allow_private = true"):
        guard.check(spelled(host), allow_private=False)


@pytest.mark.parametrize("host", PUBLIC)
def test_public_is_free(host: str) -> None:
    guard.check(spelled(host), allow_private=False)


@pytest.mark.parametrize(
    "host", ["example.org", "1password.com", "0xcafe.example", "1.2.3.4.5", "256.1.1.1", "08", "1.2.3.4 x", ":"]
)
def test_names_are_not_addresses(host: str) -> None:
    assert guard.literal(host) is None


@pytest.mark.parametrize("host", NEVER + PRIVATE)
def test_no_spelling_in_a_url_opens_a_socket(probing: Callable[..., ProbeResult], host: str) -> None:
    bracketed = f"[{host}]" if ":" in host else host
    result = probing(Http(url=f"http://{bracketed}:9/"), allow_private=False)
    assert (result.state, result.reason, result.address) == (ProbeState.DOWN, Reason.GUARD_ADDRESS, None)


@pytest.mark.parametrize(
    "host", ["169.254.169.254", "[::ffff:a9fe:a9fe]", "2852039166", "[fd00:ec2::254]", "[64:ff9b::a9fe:a9fe]"]
)
def test_a_redirect_leads_nowhere_forbidden(net: Net, probing: Callable[..., ProbeResult], host: str) -> None:
    port = net.tcp(says(page(b"", status="302 Found", headers=(f"Location: http://{host}/latest/meta-data",))))
    result = probing(Http(url=f"http://127.0.0.1:{port}/"))
    assert result.reason is Reason.GUARD_ADDRESS
    assert [hop.status for hop in result.hops] == [302, None]


@pytest.mark.parametrize(
    "where", ["ftp://127.0.0.1/", "file:///etc/passwd", "gopher://127.0.0.1:70/x", "javascript:alert(1)"]
)
def test_a_redirect_leads_to_no_other_scheme(net: Net, probing: Callable[..., ProbeResult], where: str) -> None:
    port = net.tcp(says(page(b"", status="302 Found", headers=(f"Location: {where}",))))
    assert probing(Http(url=f"http://127.0.0.1:{port}/")).reason is Reason.GUARD_SCHEME


def test_a_name_that_resolves_to_a_forbidden_address(net: Net, probing: Callable[..., ProbeResult], hosts) -> None:
    hosts.write_text("169.254.169.254 rebound.test\n10.0.0.7 inner.test\n")
    assert probing(Tcp(host="rebound.test", port=80)).reason is Reason.GUARD_ADDRESS
    assert probing(Tcp(host="inner.test", port=80), allow_private=False).reason is Reason.GUARD_ADDRESS
    assert probing(Tcp(host="rebound.test", port=80), reach=Reach.EVERY).reason is Reason.GUARD_ADDRESS


@pytest.mark.parametrize("host", ["169.254.169.254", "metadata.google.internal", "2852039166", "[::ffff:a9fe:a9fe]"])
def test_a_proxy_is_not_asked_for_forbidden_places(net: Net, probing: Callable[..., ProbeResult], host: str) -> None:
    asked: list[bytes] = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await head_of(reader))
        writer.write(page())

    port = net.tcp(proxy)
    result = probing(Http(url=f"http://{host}/", proxy=f"http://127.0.0.1:{port}"))
    assert result.reason is Reason.GUARD_ADDRESS
    assert asked == []


def test_the_proxy_itself_is_guarded(net: Net, probing: Callable[..., ProbeResult]) -> None:
    port = net.tcp(says(page()))
    spec = Http(url="http://example.org/", proxy=f"http://127.0.0.1:{port}")
    assert probing(spec).state is ProbeState.UP
    assert probing(spec, allow_private=False).reason is Reason.GUARD_ADDRESS
    assert net.connections[port] == 1


BAD_URLS = [
    "",
    "example.org",
    "http:",
    "http://",
    "http:///path",
    "http://:80/",
    "http://ex ample.org/",
    "http://example.org:99999/",
    "http://example.org:0/",
    "http://example.org:abc/",
    "http://[::1/",
    "http://[::1]x/",
    "http://[not-an-address]/",
    "http://::1/",
    "http://a..b/",
    f"http://{'a' * 64}.org/",
    f"http://{'a.' * 140}org/",
    "http://example.org\\@evil.example/",
    "http://exa\nmple.org/",
    "http://\u202eexample.org/\x00",
    "http://ex%00ample.org/",
    "http://x" + "y" * 9000,
]


@pytest.mark.parametrize("url", BAD_URLS, ids=lambda url: repr(url[:30]))
def test_what_is_no_url_is_refused_with_words(url: str) -> None:
    with pytest.raises(ValueError, match=r"\w") as told:
        urls.parse(url)
    assert not isinstance(told.value, UnicodeError)
    assert len(str(told.value)) < 300


@pytest.mark.parametrize(
    "url", ["ftp://example.org/", "file:///etc/passwd", "gopher://x/", "mailto:ops@example.org", "HTTPX://x/"]
)
def test_other_schemes_are_named(probing: Callable[..., ProbeResult], url: str) -> None:
    with pytest.raises(urls.UnknownScheme, match="is not probed; expected http:// or https://"):
        urls.parse(url)
    assert probing(Http(url=url)).reason is Reason.GUARD_SCHEME


@pytest.mark.parametrize(
    ("url", "host", "port", "path", "authority"),
    [
        ("http://example.org", "example.org", 80, "/", "example.org"),
        ("HTTPS://Example.org/a?b=c#d", "Example.org", 443, "/a?b=c", "Example.org"),
        ("http://example.org:8080?x=1", "example.org", 8080, "/?x=1", "example.org:8080"),
        ("http://user:p%40ss@example.org/", "example.org", 80, "/", "example.org"),
        ("http://[2001:db8::1]:81/", "2001:db8::1", 81, "/", "[2001:db8::1]:81"),
        ("http://0x7f.1/", "127.0.0.1", 80, "/", "127.0.0.1"),
        ("http://bücher.example/ä b".replace(" ", "%20"), "bücher.example", 80, "/%C3%A4%20b", "xn--bcher-kva.example"),
        ("http://user@evil@example.org/", "example.org", 80, "/", "example.org"),
        ("http://example.org?@evil.example/", "example.org", 80, "/?@evil.example/", "example.org"),
        ("http://example.org#@evil.example/", "example.org", 80, "/", "example.org"),
    ],
)
def test_urls_in_parts(url: str, host: str, port: int, path: str, authority: str) -> None:
    place = urls.parse(url)
    assert (place.host, place.port, place.path, place.authority) == (host, port, path, authority)
    assert "p%40ss" not in str(place)
    assert "p@ss" not in str(place)
