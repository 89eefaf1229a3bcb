"""The server as a whole: naming every request, saying what it does not know, and plain HTTP."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import botocore.serialize
import botocore.session
import pytest
from botocore.exceptions import ClientError

from opsbot.replica.codec import Call, Fault, Params, Request
from opsbot.replica.operations import operation_of
from tests.replica.engine.engine_world import NOW, Aws, Clock, start, tiny_world

UNKNOWN = [
    ("ec2", "describe_vpcs", {}, "ec2:DescribeVpcs"),
    ("rds", "describe_db_instances", {}, "rds:DescribeDBInstances"),
    ("lambda", "list_functions", {}, "lambda:ListFunctions"),
    ("lambda", "get_function", {"FunctionName": "a/b c"}, "lambda:GetFunction"),
    ("s3", "list_buckets", {}, "s3:ListBuckets"),
    ("s3", "get_bucket_location", {"Bucket": "bucket"}, "s3:GetBucketLocation"),
    ("cloudfront", "list_distributions", {}, "cloudfront:ListDistributions"),
    ("elbv2", "describe_load_balancers", {}, "elbv2:DescribeLoadBalancers"),
    ("elb", "describe_load_balancers", {}, "elb:DescribeLoadBalancers"),
    ("apigatewayv2", "get_apis", {}, "apigatewayv2:GetApis"),
    ("resourcegroupstaggingapi", "get_resources", {}, "resourcegroupstaggingapi:GetResources"),
    ("health", "describe_events", {}, "health:DescribeEvents"),
    ("cloudwatch", "put_dashboard", {"DashboardName": "a", "DashboardBody": "{}"}, "cloudwatch:PutDashboard"),
]


@pytest.mark.parametrize(("service", "call", "asked", "name"), UNKNOWN)
def test_the_unknown_is_named_once_in_every_protocol(
    aws: Aws, service: str, call: str, asked: dict[str, Any], name: str
) -> None:
    before = len(aws.running.unknown)
    with pytest.raises(ClientError, match=f"embedded AWS: {name} is not known") as refused:
        getattr(aws.client(service, attempts=8), call)(**asked)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501
    # Once: botocore must not try it eight times.
    assert aws.running.unknown[before:] == [name]


def serialised(model: Any, operation: str) -> Call:
    named = model.operation_model(operation)
    serializer = botocore.serialize.create_serializer(model.resolved_protocol, include_validation=False)
    sent = serializer.serialize_to_request(sample(named.input_shape), named)
    url, query, body = urlsplit(sent["url_path"]), sent["query_string"], sent["body"]
    query = urlencode(query, doseq=True) if isinstance(query, dict) else query
    body = urlencode(body, doseq=True).encode() if isinstance(body, dict) else body
    headers = {name.lower(): str(value) for name, value in sent["headers"].items()}
    return Call(
        method=sent["method"],
        path=url.path,
        query="&".join(filter(None, (url.query, query))),
        headers=headers,
        body=body if isinstance(body, bytes) else str(body).encode(),
    )


def sample(shape: Any) -> Any:
    """The least that a shape takes."""
    match shape.type_name if shape is not None else "structure":
        case "structure":
            required = shape.required_members if shape is not None else ()
            return {name: sample(shape.members[name]) for name in required}
        case "list":
            return [sample(shape.member)]
        case "map":
            return {"key": sample(shape.value)}
        case "integer" | "long" | "float" | "double":
            return 1
        case "boolean":
            return True
        case "timestamp":
            return "2026-01-01T00:00:00Z"
        case "blob":
            return b"x"
        case _:
            return shape.enum[0] if getattr(shape, "enum", None) else "abc"


# S3's old names of the same requests, and one that signs as another service.
TWINS = {
    "GetBucketLifecycle",
    "GetBucketNotification",
    "PutBucketLifecycle",
    "PutBucketNotification",
    "ListDirectoryBuckets",
}
SERVICES = ["s3", "lambda", "apigateway", "apigatewayv2", "cloudfront", "eks", "batch", "ec2", "elb", "elbv2", "rds"]
SERVICES += [
    "cloudwatch",
    "dms",
    "glue",
    "sesv2",
    "ses",
    "sts",
    "acm",
    "sqs",
    "elasticache",
    "resourcegroupstaggingapi",
]


@pytest.mark.parametrize("service", SERVICES)
def test_every_operation_of_a_service_is_named_right(service: str) -> None:
    model = botocore.session.get_session().get_service_model(service)
    found = {name: operation_of(serialised(model, name), model.signing_name) for name in model.operation_names}
    assert [(name, str(op)) for name, op in found.items() if name not in TWINS and str(op) != f"{service}:{name}"] == []


def test_an_own_handler_answers_and_may_refuse() -> None:
    def clusters(request: Request, params: Params) -> dict[str, Any]:
        if params.get("nextToken") == "odd":
            raise Fault("InvalidParameterException", "odd <token> & more")
        return {"clusterArns": [f"{request.account}/{request.region}/{params['maxResults']}/{request.now:%H}"]}

    def broken(_: Request, __: Params) -> dict[str, Any]:
        raise KeyError("gone")

    handlers = {("ecs", "ListClusters"): clusters, ("rds", "DescribeDBInstances"): broken}
    with (aws := start(tiny_world(), handlers)).running:
        ecs = aws.client("ecs")
        assert ecs.list_clusters(maxResults=7)["clusterArns"] == ["111111111111/eu-central-1/7/07"]
        with pytest.raises(ClientError, match="odd <token> & more"):
            ecs.list_clusters(nextToken="odd")
        with pytest.raises(ClientError, match="rds:DescribeDBInstances failed: KeyError: 'gone'") as defect:
            aws.client("rds").describe_db_instances()
        assert defect.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500


def test_moto_answers_what_it_is_allowed_to(own_aws: Aws) -> None:
    own_aws.client("sqs").create_queue(QueueName="jobs")
    assert own_aws.client("sqs").list_queues()["QueueUrls"][0].endswith("/111111111111/jobs")
    s3 = own_aws.client("s3")
    s3.create_bucket(Bucket="reports", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    assert s3.put_object(Bucket="reports", Key="a b/ü.txt", Body=b"x" * 100_000)["ETag"]
    assert own_aws.running.unknown == []


@pytest.mark.parametrize(("service", "call"), [("sqs", "list_queues"), ("cloudwatch", "list_metrics")])
def test_every_answer_has_one_request_id(aws: Aws, service: str, call: str) -> None:
    ids = [getattr(aws.client(service), call)()["ResponseMetadata"]["RequestId"] for _ in range(2)]
    assert ids[0] != ids[1]
    assert not any("," in id_ for id_ in ids)


def address(aws: Aws) -> tuple[str, int]:
    url = urlsplit(aws.running.url)
    assert url.hostname
    assert url.port
    return url.hostname, url.port


def test_it_listens_on_loopback_only(aws: Aws) -> None:
    assert address(aws)[0] == "127.0.0.1"


def test_a_connection_is_kept(aws: Aws) -> None:
    connection = http.client.HTTPConnection(*address(aws))
    connection.request("GET", "/_control/stats")
    connection.getresponse().read()
    kept = connection.sock
    connection.request("GET", "/_control/stats")
    assert connection.getresponse().status == 200
    assert connection.sock is kept
    connection.close()


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 403),
    ],
)
def test_what_is_not_http_or_not_signed_is_refused(aws: Aws, sent: bytes, status: int) -> None:
    with socket.create_connection(address(aws), timeout=5) as connection:
        connection.sendall(sent)
        assert connection.makefile("rb").readline().split()[1] == b"%d" % status


def test_a_chunked_body_is_read(aws: Aws) -> None:
    connection = http.client.HTTPConnection(*address(aws))
    connection.request("POST", "/_control/limits", body=iter([b'{"ena', b'bled": false}']), encode_chunked=True)
    assert connection.getresponse().status == 200
    connection.close()


def test_the_clock_is_the_one_given(aws: Aws) -> None:
    assert Clock()() == NOW
    issued = aws.client("sts").assume_role(RoleArn="arn:aws:iam::222222222222:role/open", RoleSessionName="me")
    assert issued["Credentials"]["Expiration"] > NOW


def test_closing_frees_the_port() -> None:
    aws = start(tiny_world())
    place = address(aws)
    aws.client("cloudwatch").list_metrics()
    aws.running.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(place, timeout=5)


def test_main_says_where_it_listens_and_stops_when_told() -> None:
    from opsbot.replica.scenario import SHIPPED

    code = "import sys, pathlib; from opsbot.replica.server import main; main(0, pathlib.Path(sys.argv[1]))"
    root = Path(__file__).parents[3]
    command = [sys.executable, "-c", code, str(SHIPPED)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root, env=os.environ.copy()) as running:
        assert running.stdout is not None
        line = running.stdout.readline()
        assert line.startswith("listening on http://127.0.0.1:")
        running.send_signal(signal.SIGTERM)
        assert running.wait(timeout=10) == 0
