"""What people expect of an answer, as they write it, and as it is shown back to them."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsbot.evaluate import expect
from opsbot.model.probe import Answer, Certificate, Phases, ProbeResult, ProbeState, Reason, Record, Secured

NOW = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
BODY = (
    b'{"status": "degraded", "items": [{"id": 7}, {"id": 8}], "load": 0.5, "ok": true, "none": null, "a-b": {"c.d": 1}}'
)


def certificate(days: float) -> Certificate:
    told = {"subject": "CN=a", "issuer": "CN=b", "key": "EC", "signature": "ECDSA", "serial": "1", "fingerprint": "f"}
    ends = NOW + timedelta(days=days)
    return Certificate(names=("a",), not_before=NOW, not_after=ends, self_signed=False, **told)  # type: ignore[arg-type]


def result(**changes: object) -> ProbeResult:
    told: dict[str, object] = {"target": "api", "kind": "http", "state": ProbeState.UP, "at": NOW, "seconds": 0.812}
    told |= {"status": 503, "address": "10.1.2.3", "protocol": "http/1.1", "body_size": len(BODY), "rcode": "NOERROR"}
    told |= {"phases": Phases(dns=0.002, connect=0.01, first_byte=0.5)}
    told |= {"secured": Secured(version="TLSv1.3", path=(certificate(40), certificate(9.6)))}
    told |= {
        "records": (
            Record(name="a", type="A", ttl=60, value="10.1.2.4"),
            Record(name="a", type="A", ttl=60, value="10.1.2.3"),
        )
    }
    return ProbeResult(**told | changes)  # type: ignore[arg-type]


ANSWER = Answer(head=b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-A: 1\r\nx-a: 2", body=BODY)


@pytest.mark.parametrize(
    ("text", "met", "found"),
    [
        ("status == 200", False, "503"),
        ("status == 503", True, "503"),
        ("status == 5xx", True, "503"),
        ("status < 5xx", False, "503"),
        ("status in [200, 204, 5xx]", True, "503"),
        ("status != 200", True, "503"),
        ("header.content-type contains 'json'", True, "'application/json'"),
        ("header.Content-Type == 'application/json'", True, "'application/json'"),
        ("header.x-a == '1, 2'", True, "'1, 2'"),
        ("header.etag exists", False, "absent"),
        ("header.etag not exists", True, "absent"),
        ("header.etag != 'x'", True, "absent"),
        ("header.etag == 'x'", False, "absent"),
        ("header.x-a exists", True, "'1, 2'"),
        ('body contains "degraded"', True, "113 characters"),
        ('body not contains "degraded"', False, "113 characters"),
        ("body matches 'id.: [0-9]+'", True, "113 characters"),
        ("body matches '(?i)DEGRADED'", True, "113 characters"),
        ("size < 1KB", True, "113 bytes"),
        ("json.status == 'ok'", False, "'degraded'"),
        ("json.status in ['ok', 'degraded']", True, "'degraded'"),
        ("json.items[1].id == 8", True, "8"),
        ("json.items[-1].id > 7", True, "8"),
        ("json.items.length >= 2", True, "2"),
        ("json.items[5].id == 8", False, "absent"),
        ("json['a-b'][\"c.d\"] == 1", True, "1"),
        ("json.load <= 0.5", True, "0.5"),
        ("json.ok == true", True, "true"),
        ("json.ok == 1", False, "true"),
        ("json.none == null", True, "null"),
        ("json.none exists", True, "null"),
        ("json.status > 3", False, "'degraded'"),
        ("latency < 500ms", False, "812 ms"),
        ("latency < 1s", True, "812 ms"),
        ("latency.connect < 20ms", True, "10 ms"),
        ("latency.tls < 20ms", False, "this phase was not reached"),
        ("certificate > 14d", False, "10 days left"),
        ("certificate > 9d", True, "10 days left"),
        ("address in 10.0.0.0/8", True, "10.1.2.3"),
        ("address == 10.1.2.4", False, "10.1.2.3"),
        ("address in ['10.9.0.0/16', '10.1.2.3']", True, "10.1.2.3"),
        ("protocol == 'HTTP/1.1'", True, "http/1.1"),
        ("tls >= 1.2", True, "1.3"),
        ("tls == 1.2", False, "1.3"),
        ("records contains '10.1.2.3'", True, '["10.1.2.3", "10.1.2.4"]'),
        ("records == ['10.1.2.4', '10.1.2.3']", True, '["10.1.2.3", "10.1.2.4"]'),
        ("records == ['10.1.2.4']", False, '["10.1.2.3", "10.1.2.4"]'),
        ("records matches '^10[.]1'", True, '["10.1.2.3", "10.1.2.4"]'),
        ("rcode == 'nxdomain'", False, "NOERROR"),
    ],
)
def test_a_line_and_what_was_found(text: str, met: bool, found: str) -> None:
    told = expect.check(expect.parse(text), result(), ANSWER, NOW)
    assert (told.met, told.shown) == (met, f"{text} ({found})")


@pytest.mark.parametrize(
    ("changes", "answer", "text", "shown"),
    [
        ({"status": None}, ANSWER, "status == 200", "absent"),
        ({"secured": None}, ANSWER, "certificate > 1d", "no certificate was shown"),
        ({"secured": None}, ANSWER, "tls >= 1.2", "no TLS"),
        ({"secured": Secured(path=(certificate(-3),))}, ANSWER, "certificate > 1d", "expired 3d ago"),
        ({"secured": Secured(path=(certificate(1),))}, ANSWER, "certificate > 14d", "24 h left"),
        ({"records": ()}, ANSWER, "records contains '1.1.1.1'", "no records"),
        ({}, Answer(body=b"<html>"), "json.a == 1", "the body is no JSON"),
        ({}, Answer(body=b"[" * 100_000), "json.a == 1", "the body is no JSON"),
        ({}, Answer(body=b"\xff\xfe"), "body contains 'x'", "2 characters"),
        ({}, Answer(body=b'{"a": "' + b"x" * 500 + b'"}'), "json.a == 'y'", "'" + "x" * 59 + "…"),
    ],
)
def test_what_is_not_there_is_not_met(changes: dict[str, object], answer: Answer, text: str, shown: str) -> None:
    told = expect.check(expect.parse(text), result(**changes), answer, NOW)
    assert (told.met, told.shown) == (False, f"{text} ({shown})")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "expected one of status"),
        ("stauts == 200", "expected one of status"),
        ("status", "expected one of == != < <= > >= in after 'status'"),
        ("status = 200", "after 'status', got '= 200'"),
        ("status == ok", "status: expected a status such as 200 or 2xx, got 'ok'"),
        ("status == ", "got 'nothing'"),
        ("status contains 'x'", "status: expected one of ==, !=, <, <=, >, >=, in, got 'contains'"),
        ("status in 200", "expected a list such as [200, 204]"),
        ("latency < 500", "latency: expected a duration such as 500ms, got '500'"),
        ("latency.wait < 1s", "expected one of dns, connect, proxy, tls, first_byte, transfer"),
        ("latency == 1s", "latency: expected one of <"),
        ("certificate > 14", "a duration such as 14d"),
        ("header == 'x'", "expected header.NAME"),
        ("header.x == x", "expected text in quotes, got 'x'"),
        ("body matches '('", "RE2"),
        ("body matches '(?=x)'", "RE2"),
        ("json.a.[x == 1", "such as json.items[0].id"),
        ("json.a == nope", "a number, text in quotes"),
        ("address in 10.0.0.0/40", "an address or a network"),
        ("header.x exists 'y'", "nothing stands after exists"),
        ("status not == 200", '"not" stands before in'),
        ("x" * 501, "at most 500 characters"),
    ],
)
def test_a_line_that_does_not_parse_says_why(text: str, says: str) -> None:
    with pytest.raises(ValueError) as error:
        expect.parse(text)
    assert says in str(error.value)


def test_the_reason_is_typed() -> None:
    reasons = [
        expect.parse(text).reason for text in ("status == 200", "json.a == 1", "latency < 1s", "certificate > 1d")
    ]
    assert reasons == [Reason.ASSERT_STATUS, Reason.ASSERT_JSON, Reason.ASSERT_LATENCY, Reason.ASSERT_CERTIFICATE]


def test_a_value_is_extracted_for_the_next_step() -> None:
    assert expect.extract(expect.parse_path("json.items[0].id"), ANSWER) == "7"
    assert expect.extract(expect.parse_path("json.status"), ANSWER) == "degraded"
    assert isinstance(expect.extract(expect.parse_path("json.nope"), ANSWER), expect.Absent)


def test_a_regular_expression_that_would_take_for_ever_elsewhere() -> None:
    evil = Answer(body=b"a" * 100_000 + b"!")
    assert not expect.check(expect.parse("body matches '^(a+)+$'"), result(), evil, NOW).met


@given(st.text(max_size=60))
def test_any_text_parses_or_says_why(text: str) -> None:
    with suppress(ValueError):
        expect.check(expect.parse(text), result(), ANSWER, NOW)


@given(st.sampled_from(["status", "json.a", "json[0]", "size", "latency", "tls", "records", "body", "header.a", "rcode"]),
       st.sampled_from(["==", "!=", "<", ">=", "in", "contains", "not contains", "exists"]),
       st.sampled_from(["200", "2xx", "'x'", "1.5", "true", "null", "[1, 'a']", "['a', 'b']", "10KB", "5m", "1.3", ""]),
       st.binary(max_size=20) | st.sampled_from([b"[]", b'{"a": [1]}', b'{"a": {}}', b"1", b'"a"', b"null"]))  # fmt: skip
def test_no_answer_breaks_a_line(subject: str, operator: str, value: str, body: bytes) -> None:
    try:
        expectation = expect.parse(f"{subject} {operator} {value}")
    except ValueError:
        return
    assert isinstance(expect.check(expectation, result(), Answer(body=body), NOW).met, bool)
