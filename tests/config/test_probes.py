"""`[[probes]]`: every mistake is told at once with its line; what is right becomes the probes that were meant."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsbot import probing, secrets
from opsbot.errors import ConfigError
from opsbot.evaluate.slo import Objective
from opsbot.home import Home
from opsbot.model.probe import Dns, Flow, Http, Reach, Tcp, Tls, WebSocket
from opsbot.probes import online
from opsbot.probing import Heartbeat, Probe
from opsbot.validation import House, judge
from tests.probes import pki

HEAD = """[[environments]]
name = "shop-prod"
tenant = "shop"
tier = "production"
regions = ["eu-central-1"]
labels = { team = "web" }
[[environments]]
name = "shop-test"
regions = ["eu-central-1"]
"""
PROBE = '[[probes]]\nname = "api"\n'


def house(text: str) -> House:
    from opsbot import config

    here = Path(__file__).parent
    return judge(Home(path=here, state=here), config.parse((HEAD + text).encode()), {}, ())


def told(text: str) -> list[str]:
    return [str(problem).removeprefix("config.toml.") for problem in house(text).problems]


def probes(text: str) -> dict[str, Probe]:
    made = house(text)
    assert made.problems == ()
    return {probe.name: probe for probe in made.probes}


URLS = {
    "": "expected a URL such as",
    " ": "expected a URL such as",
    "example.org": "expected a URL such as https://example.org/health",
    "example.org/health": "expected a URL such as",
    "/health": "expected a URL such as",
    "//example.org/": "expected a URL such as",
    "localhost:8080": "expected a URL such as",
    "example.org:443/x": "expected a URL such as",
    "127.0.0.1": "expected a URL such as",
    "://example.org": "expected a URL such as",
    "1http://example.org": "expected a URL such as",
    "ftp://example.org/": "ftp: is not probed",
    "file:///etc/passwd": "file: is not probed",
    "gopher://example.org": "gopher: is not probed",
    "javascript:alert(1)": "javascript: is not probed",
    "data:text/plain,x": "data: is not probed",
    "htps://example.org/": 'did you mean "https:"?',
    "htttp://example.org/": 'did you mean "http:"?',
    "udp://example.org:53": "udp: is not probed",
    "icmp://example.org": "icmp: is not probed",
    "mailto:ops@example.org": "mailto: is not probed",
    "https:example.org": "expected a URL such as https://",
    "https:/example.org": "expected a URL such as https://",
    "https://": "expected a host name or an address, got ''",
    "https:///health": "expected a host name or an address, got ''",
    "https://?x=1": "expected a host name or an address, got ''",
    "https://:443/": "expected a host name or an address, got ''",
    "https://exa mple.org/": "a URL has no blanks",
    "https://example.org/a b": "a URL has no blanks",
    "https://example.org/\\t": "a URL has no blanks or control characters",
    "https://example.org/\\u0000": "a URL has no blanks or control characters",
    "https://example.org\\\\@evil.test/": "a backslash in a URL",
    "https://example.org:/x:y": None,
    "https://example.org:0/": "a port is between 1 and 65535, got 0",
    "https://example.org:65536/": "a port is between 1 and 65535, got 65536",
    "https://example.org:http/": "expected host or host:port",
    "https://example.org:-1/": "expected host or host:port",
    "https://a:b:c/": "expected host or host:port",
    "https://::1/": "an IPv6 address stands in brackets",
    "https://[::1/": "expected host or host:port",
    "https://[fe80::zz]/": "is not an IPv6 address",
    "https://[1.2.3.4]/": "is not an IPv6 address",
    "https://exam_ple.org/": None,
    "https://a..b/": "each part of a host name has 1 to 63 characters",
    "https://.example.org/": "each part of a host name has 1 to 63 characters",
    "https://" + "a" * 64 + ".org/": "each part of a host name has 1 to 63 characters",
    "https://" + "abcdefgh." * 32 + "org/": "each part of a host name has 1 to 63 characters",
    "https://b\u00fccher.example/": None,
    "https://\u05d0a\u05d0b.example/": "cannot be written as an internationalised host name",
    "https://" + "\u00fc" * 70 + ".example/": "cannot be written as an internationalised host name",
    "https://%ff%fe.example/": "host name",
    "https://ex%00ample.org/": "expected a host name or an address",
    "https://<script>/": "expected a host name or an address",
    "https://example.org/{token}": "{token} is not known here",
    "https://{environment}.example.org/": "{environment} is not known here",
    "https://example.org/" + "a" * 9000: "expected at most 8,192 characters",
    "https://10.0.0.1/": "is a private network: set allow_private = true",
    "https://127.1/": "is the prober's own machine: set allow_private = true",
    "https://2130706433/": "is the prober's own machine: set allow_private = true",
    "https://0x7f.0.0.1/": "is the prober's own machine",
    "https://localhost/": "is the prober's own machine: set allow_private = true",
    "https://api.localhost/": "is the prober's own machine",
    "https://[::1]/": "is the prober's own machine",
    "https://[::ffff:10.0.0.1]/": "private network",
    "http://169.254.169.254/latest/meta-data": "is a cloud's metadata service: never probed",
    "http://metadata.google.internal/": "metadata service: never probed",
    "tcp://db.example.org": "expected tcp://db.example.org:5432",
    "tcp:db.example.org:5432": "expected tcp://db.example.org:5432",
    "tcp://db.example.org:5432/path": "expected tcp://db.example.org:5432",
    "tcp://:5432": "expected tcp://db.example.org:5432",
    "tcp://db.example.org:99999": "a port is between 1 and 65535",
    "tcp://10.0.0.1:5432": "private network: set allow_private = true",
    "tls://user@example.org": "expected tls://example.org:443",
    "tls://[::gg]:443": "expected a host name or an address",
    "dns:": "expected dns:example.org?type=MX",
    "dns://example.org": "expected dns:example.org?type=MX",
    "dns:example.org?type=MXX": "type: expected one of A, NS, CNAME",
    "dns:example.org?class=IN": "expected dns:example.org?type=MX",
    "dns:a..b": "a..b",
    "dns://resolver.example/example.org": "expected a DNS server's address",
    "ws://": "expected a host name or an address",
    "wss://192.168.1.1/live": "private network",
    "heartbeat://nightly": 'expected "heartbeat:" alone',
}


@pytest.mark.parametrize("url", URLS)
def test_a_malformed_url_is_told_with_words(url: str) -> None:
    beat = 'every = "1d"\n' if url.startswith("heartbeat") else ""
    said = told(f'{PROBE}url = "{url}"\n{beat}')
    expected = URLS[url]
    if expected is None:
        assert said == []
    else:
        assert len(said) == 1, said
        assert said[0].startswith("probes[0].url: "), said
        assert expected in said[0]
        assert said[0].endswith("(line 12)")
        assert said[0].isprintable()


def test_the_table_of_urls_is_long_enough_to_mean_something() -> None:
    assert sum(expected is not None for expected in URLS.values()) >= 60


@pytest.mark.parametrize("url", ["https://127.0.0.1/", "tcp://10.1.2.3:5", "tls://localhost", "ws://[fd00::1]/"])
def test_with_permission_private_addresses_may_be_probed(url: str) -> None:
    assert told(f'{PROBE}url = "{url}"\nallow_private = true\n') == []


def test_no_permission_opens_a_metadata_service() -> None:
    assert "never probed" in told(f'{PROBE}url = "http://169.254.169.254/"\nallow_private = true\n')[0]


MISTAKES = {
    'url = "https://a.test/"\nexpct = ["status == 200"]': ('unknown key; did you mean "expect"?', "expct"),
    'url = "https://a.test/"\nexpect = ["status = 200"]': ("expected one of == != < <= > >= in after 'status', got '= 200' (at character 7", "expect[0]"),
    'url = "https://a.test/"\nexpect = ["statsu == 200"]': ("(at character 1 of", "expect[0]"),
    'url = "https://a.test/"\nexpect = "status == 200"': ("expected list, got str", "expect"),
    'url = "https://a.test/"\ndegraded = ["latency < fast"]': ("expected a duration such as 500ms, got 'fast' (at character 11", "degraded[0]"),
    'url = "https://a.test/"\nexpect = ["body matches \'(\'"]': ("that RE2 takes", "expect[0]"),
    'url = "https://a.test/"\nexpect = ["records exists"]': ("a http probe has no records; dns probes do", "expect[0]"),
    'url = "tcp://a.test:1"\nexpect = ["status == 200"]': ("a tcp probe has no status", "expect[0]"),
    'url = "tcp://a.test:1"\nmethod = "POST"': ("is a key of http probes; this is a tcp probe", "method"),
    'url = "dns:a.test"\nbody = "x"': ("this is a dns probe", "body"),
    'url = "https://a.test/"\ngrace = "1m"': ("is a key of heartbeat probes; this is a http probe", "grace"),
    'url = "heartbeat:"\nevery = "1d"\ntimeout = "5s"': ("this is a heartbeat probe", "timeout"),
    'url = "heartbeat:"': ("needs to know when it must come", "every"),
    'url = "heartbeat:"\nevery = "1d"\ncron = "0 3 * * *"': ("expected either every or cron, not both", "cron"),
    'url = "heartbeat:"\ncron = "0 3 * * 1"': ("write MON, not 1", "cron"),
    'url = "https://a.test/"\nevery = "5s"\ntimeout = "5s"': ("expected a timeout below every", "timeout"),
    'url = "https://a.test/"\ntimeout = "2m"': ("got 120s and 60s", "timeout"),
    'url = "https://a.test/"\nevery = 30': ('expected a duration such as "24h", got 30', "every"),
    'url = "https://a.test/"\nmethod = "get"': ("expected a method in capitals", "method"),
    'url = "https://a.test/"\nheaders = { "a b" = "x" }': ("expected a header's name such as Accept", 'headers."a b"'),
    'url = "https://a.test/"\nheaders = { X = "a\\nb" }': ("expected one line of text", "headers.X"),
    'url = "https://a.test/"\nheaders = { X = "\u4e2d" }': ("Latin-1", "headers.X"),
    'url = "https://a.test/"\nheaders = { A = "1", a = "2" }': ('"a" stands here twice', "headers"),
    'url = "https://a.test/"\nheaders = { Authorization = "Bearer abc" }': ("expected a reference", "headers"),
    'url = "https://a.test/"\nuser = "u"\npassword = "hunter2"': ("expected a reference", "password"),
    'url = "https://a.test/"\nuser = "u"': ("needs a password", "user"),
    'url = "https://a.test/"\npassword = "env:P"': ("set user too", "password"),
    'url = "https://a.test/"\nuser = "u"\npassword = "env:P"\nbearer = "env:B"': ("either user and password, or bearer", "bearer"),
    'url = "https://a.test/"\nbody = "x"\nbody_secret = "env:B"': ("not both", "body_secret"),
    'url = "https://u:hunter2@a.test/"': ("looks like a secret in clear", "url"),
    'url = "https://a.test/"\nproxy = "http://u:hunter2@proxy:3128"': ("looks like a secret in clear", "proxy"),
    'url = "https://a.test/"\nproxy = "http://10.0.0.1:3128"': ("private network", "url"),
    'url = "https://a.test/"\nca_file = "ca.pem"': ("expected an absolute path", "ca_file"),
    'url = "https://a.test/"\nclient_key = "/k.pem"': ("set client_certificate too", "client_key"),
    'url = "https://a.test/"\nreach = "v5"': ("expected", "reach"),
    'url = "dns:a.test"\nreach = "every"': ("a dns probe is made once", "reach"),
    'url = "https://a.test/"\ndns_servers = ["dns.test"]': ("expected a DNS server's address", "dns_servers"),
    'url = "https://a.test/"\nfailures = 0': ("expected at least 1, got int 0", "failures"),
    'url = "https://a.test/"\nslo = { target = 101 }': ("expected at most 100", "slo.target"),
    'url = "https://a.test/"\nslo = { target = 99.9, latency = "fast" }': ('expected a latency such as "500ms"', "slo.latency"),
    'url = "https://a.test/"\nslo = 99.9': ("expected table, got float 99.9", "slo"),
    'url = "https://a.test/"\nafter = "vpm"': ('there is no probe "vpm"', "after"),
    'url = "https://a.test/"\nafter = "api"': ("goes round in a circle: api -> api", "after"),
    'url = "https://a.test/"\nenvironments = ["shop-*"]': ("2 environments would be probed at one address; put {env}", "url"),
    'url = "https://{env}.test/"\nenvironments = ["shp-prod"]': ('did you mean "shop-prod"?', "environments[0]"),
    'url = "https://a.test/"\nrunbook = "nowhere"': ('there is no runbook "nowhere"', "runbook"),
    'url = "tcp://a.test:1"\nreply = "a"\npattern = "b"': ("expected either reply or pattern", "url"),
    'url = "tcp://a.test:1"\npattern = "("': ("pattern '('", "url"),
    'expect = ["status == 200"]': ("missing; for example url =", "url"),
    'url = "https://a.test/#top"': ('"#top" is never sent to a server; leave it out', "url"),
    'url = "https://ann@a.test/"': ('a user stands before the "@"', "url"),
    'url = "https://a.test/"\nexpect = ["latency.proxy < 1s"]': ("no phase proxy; it has dns, connect, tls, first_byte", "expect[0]"),
    'url = "https://a.test/"\nverify = false\nca_file = "/ca.pem"': ("never looked at with verify = false", "ca_file"),
    'url = "http://a.test/"\nredirects = "none"\nexpect = ["certificate > 14d"]': ("there is no TLS at http://; expected a url with https://", "expect[0]"),
    'url = "http://a.test/"\nredirects = "none"\ntls_minimum = "1.3"': ("is about TLS, which http:// has not", "tls_minimum"),
    'url = "ws://a.test/"\nexpect = ["tls >= 1.3"]': ("there is no TLS at ws://; expected a url with wss://", "expect[0]"),
    'url = "ws://a.test/"\nca_file = "/ca.pem"': ("is about TLS, which ws:// has not", "ca_file"),
    'url = "ws://a.test/"\ndegraded = ["latency.tls < 50ms"]': ("no phase tls", "degraded[0]"),
    'url = "tcp://8.8.8.8:53"\nexpect = ["latency.dns < 50ms"]': ("no phase dns; it has connect, first_byte, transfer", "expect[0]"),
    'url = "wss://[2620:fe::fe]:443/"\nexpect = ["latency.dns < 50ms"]': ("no phase dns", "expect[0]"),
    'url = "tls://a.test"\nexpect = ["latency.first_byte < 50ms"]': ("no phase first_byte; it has dns, connect, tls", "expect[0]"),
    'url = "dns:a.test"\nexpect = ["latency.connect < 50ms"]': ("no phase connect; it has dns", "expect[0]"),
    'url = "heartbeat:"\nevery = "1d"\nexpect = ["status == 200"]': ("this is a heartbeat probe", "expect"),
}  # fmt: skip


@pytest.mark.parametrize("lines", MISTAKES)
def test_a_mistake_is_told_at_its_key(lines: str) -> None:
    words, key = MISTAKES[lines]
    said = told(PROBE + lines + "\n")
    assert len(said) == 1, said
    assert said[0].startswith(f"probes[0].{key}: "), said
    assert words in said[0]
    assert "hunter2" not in said[0]


def test_everything_wrong_is_told_at_once_in_the_order_of_the_file() -> None:
    said = told(
        PROBE
        + 'url = "htps://a.test/"\nevery = 5\nexpect = ["x"]\n[[probes]]\nname = "b c"\nurl = "tcp://10.0.0.1:5"\n'
        + '[[probes]]\nname = "c"\nurl = "https://a.test/"\nafter = "d"\n[[probes]]\nname = "d"\nurl = "tls://a.test"\n'
        + 'after = "c"\n[[probes]]\nname = "d"\nurl = "dns:x.test"\n'
    )
    assert [line.partition(": ")[0] for line in said] == [
        *("probes[0].url", "probes[0].every", "probes[0].expect[0]", "probes[1].name", "probes[1].url"),
        *("probes[2].after", "probes[4].name"),
    ]
    assert "c -> d -> c" in said[5]
    assert '"d" is already the name of a probe of probes[3]' in said[6]


FITTING = (
    'url = "http://a.test/"\nexpect = ["certificate > 14d", "latency.tls < 1s"]',
    'url = "http://8.8.8.8/"\nexpect = ["latency.dns < 1s"]',
    'url = "http://a.test/"\nca_file = "/ca.pem"',
    'url = "https://8.8.8.8/"\nredirects = "none"\nproxy = "http://p.test:1"\nexpect = ["latency.proxy < 1s"]',
    'url = "wss://a.test/"\nexpect = ["latency.dns < 1s", "latency.tls < 1s", "tls >= 1.2"]',
    'url = "https://a.test/"\nverify = false\nexpect = ["certificate > 14d"]',
)


@pytest.mark.parametrize("lines", FITTING)
def test_what_a_redirect_or_a_proxy_may_lead_to_is_no_contradiction(lines: str) -> None:
    assert told(f"{PROBE}{lines}\n") == []


def test_a_table_that_makes_no_probe_is_known_by_its_name_to_the_others() -> None:
    """So that mending one mistake never uncovers the next."""
    said = told(
        PROBE + 'url = "htps://a.test/"\nafter = "nobody"\n[[probes]]\nname = "api"\nurl = "https://b.test/"\n'
        '[[probes]]\nname = "ring"\nurl = "ftp://c.test/"\nafter = "web"\n'
        '[[probes]]\nname = "web"\nurl = "https://d.test/"\nafter = "ring"\n'
        '[[probes]]\nname = "shop"\nurl = 5\n[[probes]]\nname = "till"\nurl = "https://e.test/"\nafter = "shop-prod"\n'
        '[[probes]]\nname = "a b"\nurl = "https://f.test/"\n[[probes]]\nname = "a c"\nurl = "https://g.test/"\n'
        '[[probes]]\nname = "probe"\nurl = "https://h.test/"\nafter = "shp"\n'
        '[[probes]]\nname = "many"\nurl = "https://i.test/"\nenvironments = ["shop-*"]\nafter = "api"\n'
    )
    assert [line.partition(": ")[0] for line in said] == [
        *("probes[0].url", "probes[0].after", "probes[1].name", "probes[2].url", "probes[2].after"),
        *("probes[4].url", "probes[6].name", "probes[7].name", "probes[8].after", "probes[9].url"),
    ]
    assert 'there is no probe "nobody"; known: ' in said[1]
    assert '"api" is already the name of a probe of probes[0]' in said[2]
    assert "ring -> web -> ring" in said[4]
    assert 'did you mean "shop"?' in said[8]


def test_names_clash_also_once_the_environment_is_in_them() -> None:
    said = told(PROBE + 'url = "https://{env}.test/"\n[[probes]]\nname = "api-shop-prod"\nurl = "https://x.test/"\n')
    assert said == ['probes[1].name: "api-shop-prod" is already the name of a probe of probes[0] (line 14)']


FLOW = PROBE + 'every = "5m"\n'
FLOWS = {
    '[[probes.steps]]\nname = "a"\nurl = "https://a.test/{token}"': ("{token} was not extracted by an earlier step; known: none", "steps[0].url"),
    '[[probes.steps]]\nname = "a"\nurl = "https://a.test/"\nbearer = "{token}"\nextract = { token = "json.t" }': ("was not extracted", "steps[0].bearer"),
    '[[probes.steps]]\nname = "a"\nurl = "https://a.test/"\nextract = { t = "jsn.t" }': ("expected json.PATH, header.NAME or cookie.NAME", "steps[0].extract.t"),
    '[[probes.steps]]\nname = "a"\nurl = "https://a.test/"\nextract = { t = "json" }': ("expected a path", "steps[0].extract.t"),
    '[[probes.steps]]\nname = "a"\nurl = "https://a.test/"\nextract = { "t-x" = "json.a" }': ("expected a name of letters", 'steps[0].extract.t-x'),
    '[[probes.steps]]\nname = "a"\nurl = "https://a.test/"\nextract = { h = "json.h" }\n[[probes.steps]]\nname = "b"\nurl = "https://{h}.test/"': ("only {env} may stand in the host", "steps[1].url"),
    '[[probes.steps]]\nname = "a"\nurl = "https://a.test/"\n[[probes.steps]]\nname = "a"\nurl = "https://a.test/"': ("already the name of a step", "steps[1].name"),
    '[[probes.steps]]\nname = "a"\nurl = "tcp://a.test:1"': ("tcp: is not probed", "steps[0].url"),
    '[[probes.steps]]\nname = "a"\nurl = "https://a.test/"\nexpect = ["records exists"]': ("a flow probe has no records", "steps[0].expect[0]"),
    '[[probes.steps]]\nname = "a"\nurl = "http://10.0.0.1/"': ("private network", "steps[0].url"),
    'method = "POST"\n[[probes.steps]]\nname = "a"\nurl = "https://a.test/"': ("is a key of http probes; this is a flow probe", "method"),
    'url = "https://a.test/"\n[[probes.steps]]\nname = "a"\nurl = "https://a.test/"': ("expected either url or steps, not both", "url"),
}  # fmt: skip


@pytest.mark.parametrize("lines", FLOWS)
def test_a_mistake_in_a_flow_is_told_at_its_step(lines: str) -> None:
    words, key = FLOWS[lines]
    said = told(FLOW + lines + "\n")
    assert len(said) == 1, said
    assert said[0].startswith(f"probes[0].{key}: "), said
    assert words in said[0]


def test_the_contract_example_becomes_one_probe_of_each_environment() -> None:
    made = probes(
        PROBE + 'url = "https://{env}.example.org/health"\nevery = "30s"\ntimeout = "5s"\n'
        """expect = ["status == 200", "json.status == 'ok'", "latency < 500ms", "certificate > 14d"]\n"""
        'degraded = ["latency < 300ms"]\nafter = "vpn"\nslo = { target = 99.9, latency = "250ms" }\nlabels = { a = "b" }\n'
        '[[probes]]\nname = "vpn"\nurl = "tcp://vpn.example.org:443"\n'
    )
    assert list(made) == ["api-shop-prod", "api-shop-test", "vpn"]
    api = made["api-shop-prod"]
    assert isinstance(api.target, object)
    assert (api.check, api.environment, api.tenant, api.tier) == ("api", "shop-prod", "shop", "production")
    assert (api.every, api.timeout, api.after, api.kind) == (30.0, 5.0, "vpn", "http")
    assert api.target is not None
    assert api.target.spec == Http(url="https://shop-prod.example.org/health")
    assert (len(api.expect), api.degraded) == (4, ("latency < 300ms",))
    assert api.slo == Objective(target=0.999, window=timedelta(days=30), latency=0.25)
    assert api.labels == (("a", "b"), ("team", "web"))
    assert (api.failures, api.recoveries, api.retries, api.publish) == (2, 2, 1, False)
    assert (made["vpn"].environment, made["vpn"].every, made["vpn"].timeout) == ("", 60.0, 10.0)


def test_after_means_the_probe_of_the_same_environment() -> None:
    made = probes(
        PROBE
        + 'url = "https://{env}.test/"\nafter = "gate"\n[[probes]]\nname = "{env}-gate"\nurl = "tls://{env}.test"\n'
    )
    assert made["api-shop-prod"].after == "shop-prod-gate"
    assert made["api-shop-test"].after == "shop-test-gate"
    assert made["shop-test-gate"].check == "gate"


def test_every_kind_has_its_spec() -> None:
    made = probes(
        """[[probes]]
name = "redis"
url = "tcp://redis.test:6379"
send = "PING\\r\\n"
reply = "+PONG"
[[probes]]
name = "smtp"
url = "tcp://mail.test:25"
pattern = "^220 "
[[probes]]
name = "tls"
url = "tls://shop.test"
ca_file = "/ca.pem"
tls_minimum = "1.3"
[[probes]]
name = "mx"
url = "dns://10.0.0.2:5353/example.org?type=mx"
[[probes]]
name = "live"
url = "wss://shop.test/live"
send = "hi"
reply = "ho"
reach = "both"
[[probes]]
name = "backup"
url = "heartbeat:"
cron = "0 3 * * *"
grace = "30m"
[[probes]]
name = "buy"
[[probes.steps]]
name = "login"
url = "https://shop.test/login"
method = "POST"
user = "probe"
password = "env:PW"
extract = { token = "json.token" }
[[probes.steps]]
name = "cart"
url = "https://shop.test/cart?t={token}"
bearer = "{token}"
"""
    )
    specs: dict[str, Any] = {name: probe.target and probe.target.spec for name, probe in made.items()}
    assert specs["redis"] == Tcp(host="redis.test", port=6379, send=b"PING\r\n", expect=b"+PONG")
    assert specs["smtp"] == Tcp(host="mail.test", port=25, pattern="^220 ")
    assert isinstance(specs["tls"], Tls)
    assert (specs["tls"].port, specs["tls"].trust.ca_file, specs["tls"].trust.minimum) == (443, "/ca.pem", "1.3")
    assert specs["mx"] == Dns(name="example.org", record="MX")
    assert made["mx"].target is not None
    assert made["mx"].target.dns_servers == ("10.0.0.2:5353",)
    assert specs["live"] == WebSocket(url="wss://shop.test/live", send="hi", expect="ho")
    assert made["live"].target is not None
    assert made["live"].target.reach is Reach.BOTH
    assert specs["backup"] is None
    assert made["backup"].heartbeat == Heartbeat(grace=1800.0, cron="0 3 * * *")
    assert (made["backup"].kind, made["backup"].failures, made["backup"].retries) == ("heartbeat", 1, 0)
    assert isinstance(specs["buy"], Flow)
    assert [step.name for step in specs["buy"].steps] == ["login", "cart"]
    assert specs["buy"].steps[1].http.bearer == "{token}"
    assert made["buy"].secrets == (("steps.0.password", "env:PW"),)


def test_secrets_are_put_into_their_places_and_nowhere_else() -> None:
    made = probes(
        PROBE + 'url = "https://a.test/"\nbearer = "env:B"\nheaders = { X-Key = "file:/k", Accept = "*/*" }\n'
        'body_secret = "ssm:/body"\nmethod = "POST"\nproxy = "env:PROXY"\n'
    )
    api = made["api"]
    assert "env:B" not in repr(api)
    ready = probing.resolved(api, lambda reference: f"<{reference}>")
    assert ready.target is not None
    spec: Any = ready.target.spec
    assert (spec.bearer, spec.body, spec.proxy) == ("<env:B>", b"<ssm:/body>", "<env:PROXY>")
    assert spec.headers == (("Accept", "*/*"), ("X-Key", "<file:/k>"))
    assert ready.secrets == ()
    assert "<env:B>" not in repr(ready)


def test_files_and_secrets_that_cannot_be_read_here_are_told_at_once(tmp_path: Path) -> None:
    """Only where it is asked for: a configuration is also checked where its certificates are not."""
    ca = pki.root().file(tmp_path)
    (text := tmp_path / "text.pem").write_text("no certificate")
    made = house(
        f'{PROBE}url = "https://a.test/"\nca_file = "/nowhere/ca.pem"\nbearer = "env:NOPE_1"\n'
        f'[[probes]]\nname = "b"\nurl = "https://b.test/"\nca_file = "{ca}"\nclient_certificate = "{text}"\n'
        f'client_key = "/nowhere/b.key"\nheaders = {{ X-A = "env:NOPE_2" }}\nbody_secret = "file:{ca}"\n'
        f'[[probes]]\nname = "c"\nurl = "wss://c.test/"\nca_file = "{ca}"\n'
        f'[[probes]]\nname = "d"\nurl = "tls://d.test"\nclient_certificate = "{text}"\n'
        '[[probes]]\nname = "e"\n[[probes.steps]]\nname = "s"\nurl = "https://e.test/"\nbody_secret = "env:NOPE_3"\n'
    )
    assert made.problems == ()
    said = [str(one).removeprefix("config.toml.") for one in online.unreadable(made.config.probes, secrets.resolve)]
    assert said == [
        "probes[0].ca_file: /nowhere/ca.pem: no such file or directory",
        "probes[0].bearer: env:NOPE_1: the environment variable NOPE_1 is not set",
        "probes[1].client_key: /nowhere/b.key: no such file or directory",
        "probes[1].headers.X-A: env:NOPE_2: the environment variable NOPE_2 is not set",
        said[4],
        "probes[4].steps[0].body_secret: env:NOPE_3: the environment variable NOPE_3 is not set",
    ]
    assert said[4].startswith(f"probes[3].client_certificate: {text}: expected PEM certificates and keys")


def test_a_home_without_probes_has_none() -> None:
    assert probes("") == {}


def test_with_a_mistake_elsewhere_nothing_may_run() -> None:
    with pytest.raises(ConfigError):
        _ = house(PROBE + 'url = "x"\n').config


ALL = probes(
    FLOW
    + '[[probes.steps]]\nname = "a"\nurl = "https://{env}.test/"\nbearer = "env:B"\nextract = { t = "cookie.sid" }\n'
    + '[[probes]]\nname = "h"\nurl = "heartbeat:"\nevery = "1d"\n'
    + '[[probes]]\nname = "x"\nurl = "tcp://a.test:1"\nslo = { target = 99 }\nlabels = { a = "b" }\n'
)


def test_probes_survive_json() -> None:
    made = tuple(ALL.values())
    assert probing.read(json.loads(json.dumps([probing.plain(probe) for probe in made]))) == made


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=50), st.lists(st.tuples(st.text(max_size=9), st.text(max_size=9)), max_size=3))
def test_any_request_survives_json(body: bytes, headers: list[tuple[str, str]]) -> None:
    from dataclasses import replace

    probe = ALL["x"]
    assert probe.target is not None
    spec = Http(url="https://a.test/", body=body, headers=tuple(headers))
    probe = replace(probe, target=replace(probe.target, spec=spec))
    assert probing.read([json.loads(json.dumps(probing.plain(probe)))]) == (probe,)


@pytest.mark.parametrize("text", ["[1]", '[{"name": 1}]', '[{"nme": "x"}]', "[[]]", '["x"]'])
def test_what_is_no_probe_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no probe"):
        probing.read(json.loads(text))


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=60))
def test_no_url_whatever_breaks_validation(url: str) -> None:
    from opsbot.probes.plan import plan

    _, found = plan([(0, {"name": "x", "url": url})], (), "UTC")
    assert all(path[:2] == ("probes", 0) and what for path, what in found)


WORK = '[[maintenance]]\nname = "move"\nreason = "move"\nschedule = "0 2 * * SUN"\nlength = "4h"\n'


@pytest.mark.parametrize(
    ("line", "told_"),
    [
        ('environments = ["shop-*"]', []),
        ('environments = ["*"]\nprobes = ["api", "*"]\nchecks = ["ecs-*"]', []),
        (
            'environments = ["shop-prd"]',
            [
                "maintenance[0].environments[0]: no environment is called 'shop-prd'; did you mean \"shop-prod\"? (line 18)"
            ],
        ),
        ('probes = ["api", "web-*"]', ["maintenance[0].probes[1]: no probe is called 'web-*'; known: api (line 18)"]),
        (
            'checks = ["rds-cpus"]',
            ["maintenance[0].checks[0]: no check is called 'rds-cpus'; did you mean \"rds-cpu\"? (line 18)"],
        ),
    ],
)
def test_planned_work_covers_something(line: str, told_: list[str]) -> None:
    assert told(f'{PROBE}url = "tcp://shop.example.org:5432"\n{WORK}{line}\n') == told_


def test_while_a_probe_is_wrong_nobody_knows_which_are_covered() -> None:
    assert told(f'{PROBE}url = "tcp://shop.example.org"\n{WORK}probes = ["web-*"]\n') == told(
        f'{PROBE}url = "tcp://shop.example.org"\n'
    )


def _examples() -> list[str]:
    text = (Path(__file__).parents[2] / "docs" / "probes.md").read_text()
    return [block for block in re.findall(r"```toml\n(.*?)```", text, re.DOTALL) if "[[probes]]" in block]


@pytest.mark.parametrize("block", _examples())
def test_every_example_of_the_documentation_can_be_copied(block: str) -> None:
    assert told(block) == []


def test_what_is_said_to_be_an_expectation_is_one() -> None:
    """Every example in the table of expectations, held against a kind of probe that it is said to be of."""
    text = (Path(__file__).parents[2] / "docs" / "probes.md").read_text()
    table = text.partition("| subject | example | of |\n|---|---|---|\n")[2].partition("\n\n")[0]
    urls = {"dns": "dns:a.test", "http": "https://a.test/", "https": "https://a.test/", "all": "https://a.test/"}
    found = [
        (example, re.split(r"[, ]", row[3].strip())[0])
        for row in (re.split(r"(?<!\\)\|", line) for line in table.splitlines())
        for example in re.findall(r"`([^`]+)`", row[2])
        # Keys of the table and single values stand in the same column.
        if re.match(r"[a-z]+[.\w\[\]]*(?: not)? (?!= )", example)
    ]
    assert len(found) >= 15
    for example, kind in found:
        assert told(f"{PROBE}url = {urls.get(kind, urls['all'])!r}\nexpect = [{json.dumps(example)}]\n") == [], example
