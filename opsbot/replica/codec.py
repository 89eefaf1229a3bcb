"""Reading AWS requests and writing AWS answers in the protocol of the service, by botocore's own models."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

import orjson
from botocore.utils import parse_timestamp

if TYPE_CHECKING:
    from opsbot.replica.faults import FaultRule
    from opsbot.replica.state import State
    from opsbot.replica.world import World

# A request that says it is longer than this is cut: nothing real is.
_LARGEST = 16 * 1024 * 1024
JSON_PROTOCOLS = frozenset({"json", "rest-json"})


class Fault(Exception):
    """An AWS error answer; any handler may raise it and the client sees `code` in the service's protocol."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Who asks, where and when: what a handler gets beside the parameters. `now` is aware, UTC."""

    account: str
    region: str
    access_key: str
    now: datetime
    world: World
    state: State
    trouble: tuple[FaultRule, ...] = ()
    """Rules that strike inside a good answer: a query that fails, a token that repeats."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One HTTP request as it came; header names in lower case, `path` still percent-encoded."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One HTTP answer, ready for the wire."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


Params = dict[str, Any]
Result = dict[str, Any]
Handler = Callable[[Request, Params], Result]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """The operation a request means. `uri` holds the path's parameters by the model's names."""

    service: str
    name: str
    uri: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.service}:{self.name}"


@cache
def service_model(service: str) -> Any:
    """moto's view of botocore's model; slow the first time (reads the packed model), then shared."""
    from moto.core.model import ServiceModel

    return ServiceModel(_loader().load_service_model(service, "service-2"), service)


@cache
def _loader() -> Any:
    from moto.core.loaders import create_loader

    return create_loader()


def protocol_of(service: str, content_type: str) -> str:
    """The protocol the client speaks: AWS accepts several for some services."""
    from moto.core.request import determine_request_protocol

    try:
        protocol: str = determine_request_protocol(service_model(service), content_type.split(";")[0].strip())
    except NotImplementedError as error:
        raise Fault("UnknownOperationException", f"embedded AWS: {service} over {content_type or 'no type'}") from error
    return protocol


def read(call: Call, operation: Operation, protocol: str) -> Params:
    """The call's parameters as the model names and types them; timestamps are aware UTC datetimes.

    Raises Fault SerializationException on a body that the model cannot read.
    """
    from moto.core.parse import PROTOCOL_PARSERS, RequestParserError

    model = service_model(operation.service).operation_model(operation.name)
    parser = PROTOCOL_PARSERS[protocol](model, timestamp_parser=_utc, map_type=dict)
    try:
        params: Params = parser.parse(_parts(call, operation, protocol)) or {}  # type: ignore[arg-type]
    except (RequestParserError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise Fault("SerializationException", f"{operation}: the request cannot be read: {error}") from error
    return params


def _parts(call: Call, operation: Operation, protocol: str) -> dict[str, Any]:
    from werkzeug.datastructures import Headers, MultiDict

    values, body = parse_qsl(call.query, keep_blank_values=True), _unpacked(call)
    if protocol in ("query", "ec2"):
        values += parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
    return {
        "method": call.method,
        "values": MultiDict(values),
        "headers": Headers(list(call.headers.items())),
        "body": body,
        "url_path": call.path,
        "url_params": dict(operation.uri),
    }


def _unpacked(call: Call) -> bytes:
    """The body as its author wrote it: clients send PutMetricData gzipped from 10 KiB on."""
    if call.headers.get("content-encoding", "") != "gzip":
        return call.body
    try:
        return zlib.decompressobj(wbits=31).decompress(call.body, _LARGEST)
    except zlib.error as error:
        raise ValueError("the body is no gzip") from error


def _utc(value: object) -> datetime:
    parsed: datetime = parse_timestamp(value)
    return parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def write(operation: Operation, protocol: str, result: Result) -> Answer:
    """`result`, a dict in botocore's output shape, as bytes of the protocol."""
    from moto.core.serialize import get_serializer_class

    model = service_model(operation.service).operation_model(operation.name)
    coded = get_serializer_class(operation.service, protocol)(operation_model=model).serialize(result)
    body = coded["body"]
    headers = {name: str(value) for name, value in coded["headers"].items()}
    if protocol == "json":
        headers["Content-Type"] = json_type(operation.service)
    return Answer(status=coded["status_code"], body=body.encode() if isinstance(body, str) else body, headers=headers)


def json_type(service: str) -> str:
    """The content type of a JSON-RPC answer of this service."""
    return f"application/x-amz-json-{service_model(service).metadata.get('jsonVersion', '1.1')}"


def write_fault(fault: Fault, service: str, protocol: str) -> Answer:
    """`fault` in the shape that the protocol's clients read the code and the message from."""
    if protocol in JSON_PROTOCOLS:
        headers = {"Content-Type": "application/x-amz-json-1.1", "x-amzn-errortype": fault.code}
        if protocol == "json":
            side = "Sender" if fault.status < 500 else "Receiver"
            headers["x-amzn-query-error"] = f"{fault.code};{side}"
        body = orjson.dumps({"__type": fault.code, "message": fault.message})
        return Answer(status=fault.status, body=body, headers=headers)
    return Answer(status=fault.status, body=_xml_fault(fault, service, protocol), headers={"Content-Type": "text/xml"})


def _xml_fault(fault: Fault, service: str, protocol: str) -> bytes:
    inner = f"<Code>{escape(fault.code)}</Code><Message>{escape(fault.message)}</Message>"
    if protocol == "ec2":
        text = f"<Response><Errors><Error>{inner}</Error></Errors><RequestID>replica</RequestID></Response>"
    elif service == "s3":
        text = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{inner}<RequestId>replica</RequestId></Error>'
    else:
        side = "Sender" if fault.status < 500 else "Receiver"
        text = f"<ErrorResponse><Error><Type>{side}</Type>{inner}</Error><RequestId>replica</RequestId></ErrorResponse>"
    return text.encode()
