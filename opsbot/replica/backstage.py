"""The door to moto: requests that the overlay does not answer, passed on in process for the right account."""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from functools import cache
from typing import Any
from urllib.parse import unquote

from opsbot.replica.codec import Answer, Call

_STARTING = threading.Lock()


@cache
def _application() -> Callable[..., Any]:
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

    application: Callable[..., Any] = DomainDispatcherApplication(create_backend_app)
    return application


def pass_on(call: Call, account: str) -> Answer:
    """moto's answer to `call`, asked as `account`."""
    with _STARTING:
        application = _application()
    started: list[tuple[int, dict[str, str]]] = []

    def start(status: str, headers: list[tuple[str, str]], _: object = None) -> None:
        started.append((int(status.split(" ", 1)[0]), dict(headers)))

    with closing(application(_environ(call, account), start)) as chunks:
        body = b"".join(chunks)
    status, headers = started[-1]
    return Answer(status=status, body=body, headers=headers)


def _environ(call: Call, account: str) -> dict[str, Any]:
    headers = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in call.headers.items()}
    # Only the overlay says who asks: moto would otherwise trust this header from the client.
    headers["HTTP_X_MOTO_ACCOUNT_ID"] = account
    # The body was read whole already.
    headers.pop("HTTP_TRANSFER_ENCODING", None)
    host, _, port = call.headers.get("host", "127.0.0.1:80").partition(":")
    return headers | {
        "REQUEST_METHOD": call.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote(call.path, "latin-1"),
        "RAW_URI": f"{call.path}?{call.query}" if call.query else call.path,
        "QUERY_STRING": call.query,
        "CONTENT_TYPE": call.headers.get("content-type", ""),
        "CONTENT_LENGTH": str(len(call.body)),
        "SERVER_NAME": host,
        "SERVER_PORT": port or "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(call.body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
