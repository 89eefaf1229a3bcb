"""DNS probes and the resolver under every other probe."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from opsbot.model.probe import Dns, Http, ProbeResult, ProbeState, Reach, Reason, Tcp
from opsbot.probes import Engine, dnswire, resolvconf
from tests.probes.conftest import clock, target
from tests.probes.names import Zone, answer, dns_server, question
from tests.probes.servers import Net, page, says

Probing = Callable[..., ProbeResult]

ZONE: Zone = {
    ("shop.example", "A"): ["192.0.2.1", "192.0.2.2"],
    ("shop.example", "AAAA"): ["2001:db8::1"],
    ("shop.example", "MX"): [(10, "mx1.shop.example"), (20, "mx2.shop.example")],
    ("shop.example", "TXT"): ['v=spf1 include:"x" \\ -all', "second"],
    ("shop.example", "NS"): ["ns1.shop.example"],
    ("shop.example", "SOA"): [("ns1.shop.example", "ops.shop.example", (7, 3600, 600, 86400, 60))],
    ("shop.example", "CAA"): [(0, "issue", "letsencrypt.org")],
    ("_sip._tcp.shop.example", "SRV"): [(1, 2, 5060, "sip.shop.example")],
    ("www.shop.example", "CNAME"): ["cdn.example"],
    ("cdn.example", "CNAME"): ["edge.example"],
    ("edge.example", "A"): ["127.0.0.1"],
    ("local.example", "A"): ["127.0.0.1"],
    ("split.example", "CNAME"): ["local.example"],
    ("empty.example", "TXT"): ["no address"],
    ("ring1.example", "CNAME"): ["ring2.example"],
    ("ring2.example", "CNAME"): ["ring1.example"],
}


@pytest.mark.parametrize(
    ("name", "record", "values"),
    [
        ("shop.example", "A", ["192.0.2.1", "192.0.2.2"]),
        ("SHOP.example.", "aaaa", ["2001:db8::1"]),
        ("shop.example", "MX", ["10 mx1.shop.example.", "20 mx2.shop.example."]),
        ("shop.example", "TXT", ['"v=spf1 include:\\"x\\" \\\\ -all"', '"second"']),
        ("shop.example", "NS", ["ns1.shop.example."]),
        ("shop.example", "SOA", ["ns1.shop.example. ops.shop.example. 7 3600 600 86400 60"]),
        ("shop.example", "CAA", ['0 issue "letsencrypt.org"']),
        ("_sip._tcp.shop.example", "SRV", ["1 2 5060 sip.shop.example."]),
        ("www.shop.example", "CNAME", ["cdn.example."]),
        ("www.shop.example", "A", ["cdn.example.", "edge.example.", "127.0.0.1"]),
    ],
)
def test_records(net: Net, probing: Probing, name: str, record: str, values: list[str]) -> None:
    server = dns_server(net, lambda message: answer(message, ZONE))
    result = probing(Dns(name=name, record=record), dns_servers=(server,))
    assert (result.state, result.rcode) == (ProbeState.UP, "NOERROR"), result.why
    assert [each.value for each in result.records] == values
    assert result.records[0].ttl == 60
    assert result.phases.dns is not None


@pytest.mark.parametrize(
    ("name", "rcode", "reason", "words"),
    [
        ("none.example", 0, Reason.DNS_NXDOMAIN, "no such name"),
        ("empty.example", 0, Reason.DNS_NODATA, "has no A record"),
        ("shop.example", 2, Reason.DNS_SERVFAIL, "answered SERVFAIL"),
        ("shop.example", 5, Reason.DNS_REFUSED, "answered REFUSED"),
        ("shop.example", 4, Reason.DNS_MALFORMED, "answered NOTIMP"),
    ],
)
@pytest.mark.parametrize("kind", ["dns", "http"])
def test_what_servers_say_no_with(
    net: Net, probing: Probing, kind: str, name: str, rcode: int, reason: Reason, words: str
) -> None:
    server = dns_server(net, lambda message: answer(message, ZONE, rcode=rcode))
    spec = Dns(name=name) if kind == "dns" else Http(url=f"http://{name}/")
    result = probing(spec, dns_servers=(server,), timeout=1.0)
    assert (result.state, result.reason) == (ProbeState.DOWN, reason), result.why
    assert words.replace("no A record", "no A" if kind == "http" else "no A record") in result.why
    assert result.phases.dns is not None
    assert result.phases.connect is None


def test_a_dead_resolver_is_named_as_such(net: Net, probing: Probing) -> None:
    silent = f"127.0.0.1:{net.udp(lambda message: None)}"
    for spec in (Dns(name="shop.example"), Http(url="http://shop.example/"), Tcp(host="shop.example", port=80)):
        result = probing(spec, dns_servers=(silent,), timeout=0.3)
        assert (result.reason, result.phases.connect) == (Reason.DNS_TIMEOUT, None)
        assert result.phases.dns is not None
        assert result.phases.dns >= 0.29
    closed = probing(Dns(name="shop.example"), dns_servers=(f"127.0.0.1:{net.closed_port()}",), timeout=1.0)
    assert closed.reason is Reason.DNS_UNREACHABLE


def test_the_second_server_helps(net: Net, probing: Probing) -> None:
    good = dns_server(net, lambda message: answer(message, ZONE))
    bad = [
        f"127.0.0.1:{net.closed_port()}",
        dns_server(net, lambda message: answer(message, ZONE, rcode=2)),
        f"127.0.0.1:{net.udp(lambda message: b'junk')}",
    ]
    for server in bad:
        result = probing(Dns(name="shop.example"), dns_servers=(server, good))
        assert result.state is ProbeState.UP, result.why


def test_lost_and_forged_datagrams(net: Net, probing: Probing) -> None:
    """The first question is lost; the second is answered by a forger first, who knows neither id nor name."""
    asked: list[bytes] = []
    evil: Zone = {("shop.example", "A"): ["6.6.6.6"], ("shop.examplf", "A"): ["6.6.6.6"]}

    def reply(message: bytes) -> tuple[bytes, ...] | None:
        asked.append(message)
        if len(asked) == 1:
            return None
        other_id = struct.pack("!H", question(message)[0] ^ 1) + answer(message, evil)[2:]
        return other_id, answer(message.replace(b"example", b"examplf"), evil), b"junk", answer(message, ZONE)

    result = probing(Dns(name="shop.example"), dns_servers=(dns_server(net, reply),), timeout=8)
    assert [each.value for each in result.records] == ["192.0.2.1", "192.0.2.2"]
    assert len(asked) == 2
    assert len({question(message)[0] for message in asked}) > 1


def test_a_cut_answer_is_asked_for_over_tcp(net: Net, probing: Probing) -> None:
    many: Zone = {("many.example", "A"): [f"192.0.2.{n}" for n in range(200)]}
    server = dns_server(
        net, lambda message: answer(message, many, truncate=True), lambda message: answer(message, many)
    )
    result = probing(Dns(name="many.example"), dns_servers=(server,))
    assert len(result.records) == 200


def test_names_lead_to_a_connection(net: Net, probing: Probing) -> None:
    server = dns_server(net, lambda message: answer(message, ZONE))
    chopped = dns_server(net, lambda message: answer(message, ZONE, follow=question(message)[1] != "split.example"))
    port = net.tcp(says(page()))
    for name, servers in (("local.example", (server,)), ("www.shop.example", (server,)), ("split.example", (chopped,))):
        result = probing(Http(url=f"http://{name}:{port}/"), dns_servers=servers)
        assert (result.state, result.address) == (ProbeState.UP, "127.0.0.1"), result.why
        assert result.addresses == ("127.0.0.1",)
        assert result.phases.dns is not None


def test_every_resolved_address_is_told(net: Net, probing: Probing) -> None:
    server = dns_server(net, lambda message: answer(message, ZONE))
    result = probing(Tcp(host="shop.example", port=1), dns_servers=(server,), timeout=0.3)
    assert result.addresses == ("192.0.2.1", "192.0.2.2", "2001:db8::1")
    only = probing(Tcp(host="shop.example", port=1), dns_servers=(server,), timeout=0.3, reach=Reach.V6)
    assert only.addresses == ("2001:db8::1",)


def test_one_family_that_fails_does_not_hide_the_other(net: Net, probing: Probing) -> None:
    """Some load balancers answer SERVFAIL, or nothing, for AAAA."""
    port = net.tcp(says(page()))
    failing = dns_server(net, lambda message: answer(message, ZONE, rcode=2 if question(message)[2] == 28 else 0))
    silent = dns_server(net, lambda message: None if question(message)[2] == 28 else answer(message, ZONE))
    for server in (failing, silent):
        result = probing(Http(url=f"http://local.example:{port}/"), dns_servers=(server,))
        assert result.state is ProbeState.UP, result.why
        assert result.phases.dns is not None
        assert result.phases.dns < 0.9


def test_a_changed_record_is_seen_at_once(net: Net, probing: Probing) -> None:
    zone: Zone = {("moving.example", "A"): ["127.0.0.1"]}
    server = dns_server(net, lambda message: answer(message, zone))
    spec = Tcp(host="moving.example", port=net.tcp(says(page())))
    assert probing(spec, dns_servers=(server,)).address == "127.0.0.1"
    zone["moving.example", "A"] = ["127.0.0.2"]
    assert probing(spec, dns_servers=(server,)).address == "127.0.0.2"


def test_circles_of_aliases_end(net: Net, probing: Probing) -> None:
    server = dns_server(net, lambda message: answer(message, ZONE, follow=False))
    result = probing(Http(url="http://ring1.example/"), dns_servers=(server,))
    assert result.reason is Reason.DNS_LOOP


@pytest.mark.parametrize("spec", [Dns(name="a..b"), Dns(name="x" * 64 + ".org"), Dns(name="ok.example", record="LOC")])
def test_questions_that_cannot_be_asked(probing: Probing, spec: Dns) -> None:
    result = probing(spec)
    assert (result.state, result.reason) == (ProbeState.UNSURE, Reason.SELF_TARGET)


def test_fifty_dead_names_do_not_delay_healthy_targets(net: Net, engine: Engine) -> None:
    silent = f"127.0.0.1:{net.udp(lambda message: None)}"
    server = dns_server(net, lambda message: answer(message, ZONE))
    port = net.tcp(says(page()))
    done: list[ProbeResult] = []
    for n in range(50):
        engine.submit(target(Http(url=f"http://dead{n}.example/"), dns_servers=(silent,), timeout=5.0), done.append)
    for _ in range(20):
        engine.submit(target(Http(url=f"http://local.example:{port}/"), dns_servers=(server,)), done.append)
    while len(done) < 20:
        engine.turn()
    assert [result.state for result in done] == [ProbeState.UP] * 20
    assert engine.busy == 50


# The machine's files


def test_resolv_conf() -> None:
    text = "# c\nnameserver 10.0.0.2 ; c\nnameserver fd00::2\nnameserver junk\nsearch a.example b.example.\noptions ndots:2 timeout:3 attempts:2 edns0\n"
    assert resolvconf.parse_resolv_conf(text) == resolvconf.Resolving(
        servers=(("10.0.0.2", 53), ("fd00::2", 53)), search=("a.example", "b.example"), ndots=2, timeout=3.0, attempts=2
    )
    assert resolvconf.parse_resolv_conf("").servers == (("127.0.0.1", 53),)


def test_the_search_list(net: Net, tmp_path: Path) -> None:
    asked: list[str] = []

    def reply(message: bytes) -> bytes:
        asked.append(question(message)[1])
        return answer(message, {("db.prod.example", "A"): ["127.0.0.1"], ("a.b", "A"): ["127.0.0.1"]})

    server = dns_server(net, reply)
    (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.1\nsearch stage.example prod.example\n")
    with Engine(now=clock, resolv_conf=tmp_path / "resolv.conf", hosts=tmp_path / "none") as engine:
        port = net.tcp(says(page()))
        for host, tried in (
            ("db", ["db.stage.example", "db.prod.example"]),
            ("a.b", ["a.b"]),
            ("db.", ["db"]),
            ("gone.example", ["gone.example", "gone.example.stage.example", "gone.example.prod.example"]),
        ):
            asked.clear()
            result = engine.probe_many([target(Tcp(host=host, port=port), dns_servers=(server,), reach=Reach.V4)])[0]
            assert asked == tried
            assert (result.state is ProbeState.UP) == (host in ("db", "a.b"))
    assert result.why == "gone.example: no such name"


def test_the_hosts_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    file = tmp_path / "hosts"
    machine = resolvconf.Machine(hosts=file, resolv_conf=tmp_path / "none")
    assert machine.host("a") == ()
    assert machine.host("app.localhost") == ("127.0.0.1", "::1")
    file.write_text("192.0.2.1 A.example a # c\n2001:db8::1 a\nbad line\n192.0.2.1 a\n")
    machine = resolvconf.Machine(hosts=file, resolv_conf=tmp_path / "none")
    assert machine.host("a.EXAMPLE.") == ("192.0.2.1",)
    assert machine.host("a") == ("192.0.2.1", "2001:db8::1")


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("10.0.0.2", ("10.0.0.2", 53)),
        ("10.0.0.2:5353", ("10.0.0.2", 5353)),
        ("[fd00::2]:54", ("fd00::2", 54)),
        ("fd00::2", ("fd00::2", 53)),
    ],
)
def test_dns_servers_of_a_target(text: str, server: tuple[str, int]) -> None:
    assert resolvconf.server(text) == server


@pytest.mark.parametrize(
    "text", ["", "dns.example", "10.0.0.2:", "10.0.0.2:0", "[fd00::2", "[fd00::2]x", "10.0.0.2:99999"]
)
def test_dns_servers_that_are_none(probing: Probing, text: str) -> None:
    with pytest.raises(ValueError, match="expected a DNS server's address"):
        resolvconf.server(text)
    assert probing(Dns(name="shop.example"), dns_servers=(text,)).reason is Reason.SELF_TARGET


@pytest.mark.parametrize("server", ["169.254.169.253", "10.0.0.2", "127.0.0.1:53"])
def test_dns_servers_of_a_target_are_guarded(probing: Probing, server: str) -> None:
    assert probing(Dns(name="shop.example"), dns_servers=(server,), allow_private=False).reason is Reason.GUARD_ADDRESS


def test_no_message_of_a_strangers_can_hurt() -> None:
    chance = random.Random(7)
    asked = dnswire.ask(7, "www.shop.example", 1)
    whole = answer(asked, ZONE)
    readable = 0
    for _ in range(4000):
        message = bytearray(whole[: chance.randrange(len(whole) + 1)] if chance.random() < 0.3 else whole)
        for _ in range(chance.randrange(1, 5)):
            if message:
                message[chance.randrange(len(message))] = chance.randrange(256)
        try:
            reply = dnswire.read(bytes(message))
        except dnswire.Malformed:
            continue
        readable += 1
        assert all(record.value.isprintable() and record.name.isprintable() for record in reply.records)
    assert 0 < readable < 4000


@pytest.mark.parametrize(
    "name",
    [
        b"\xc0\x0c",
        b"\xc0\x0e\xc0\x0c",
        b"\x01a\xc0\x0c",
        b"\x40" + b"a" * 64 + b"\0",
        b"\xff\xff",
        (b"\x3f" + b"a" * 63) * 5 + b"\0",
    ],
    ids=["itself", "ping-pong", "growing", "long label", "out of the message", "long name"],
)
def test_name_pointers_cannot_trap(name: bytes) -> None:
    message = struct.pack("!6H", 7, 0x8180, 1, 0, 0, 0) + name + struct.pack("!HH", 1, 1)
    with pytest.raises(dnswire.Malformed):
        dnswire.read(message)
