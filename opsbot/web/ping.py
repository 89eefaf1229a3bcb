"""`/ping/ADDRESS`: where other people's jobs report. The one place where a GET changes something, because that is what
`curl` in a crontab sends; who does not know an address can do nothing here, and who knows one can only say "I ran"."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from opsbot.errors import StoreError
from opsbot.probes import heartbeat
from opsbot.render.format import clean, clip
from opsbot.store.heartbeats import SqlHeartbeats
from opsbot.web.inside import Inside
from opsbot.web.session import Brake

log = logging.getLogger("opsbot.web")

Ask = Callable[[Callable[[], Any]], Awaitable[Any]]

_PATIENCE = 5.0
_GUESSES, _CALLS, _WINDOW = 20, 60, 60.0
_MOST_NAMES = 4096


class _Pace:
    """At most `_CALLS` calls of one address within a minute: a job that loops must not wear the store out."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, list[float]] = OrderedDict()

    def wait(self, name: str, at: float) -> float:
        """Seconds until this one may call again; 0 counts the call."""
        recent = [moment for moment in self._seen.get(name, ()) if at - moment < _WINDOW]
        wait = recent[0] + _WINDOW - at if len(recent) >= _CALLS else 0.0
        self._seen[name] = recent if wait else [*recent, at]
        self._seen.move_to_end(name)
        while len(self._seen) > _MOST_NAMES:
            self._seen.popitem(last=False)
        return wait


def routes(inside: Inside, ask: Ask, address: Callable[[Request], str]) -> list[Route]:
    """`ask` puts a blocking question where nobody waits for it; `address` tells whose a request is."""
    kept = SqlHeartbeats(inside.store.engine)
    guesses, pace = Brake(allowed=_GUESSES, window=_WINDOW), _Pace()
    keys: list[bytes] = []

    async def ping(request: Request) -> Response:
        caller = address(request)
        if wait := guesses.wait(caller, monotonic()):
            return _later(wait)
        try:
            if not keys:
                keys.append(await ask(kept.key))
            return await called(request, caller, keys[0])
        except StoreError as error:
            log.warning("heartbeat not kept", extra={"why": clip(clean(error.message), 300)})
            return PlainTextResponse(
                "this cannot be kept at the moment; call again\n", 503, headers={"retry-after": "5"}
            )

    async def called(request: Request, caller: str, key: bytes) -> Response:
        name = heartbeat.whose(key, request.path_params["address"])
        if name is None:
            guesses.wrong(caller, monotonic())
            return PlainTextResponse("there is no such heartbeat\n", 404)
        word = heartbeat.read(request.path_params.get("word", ""))
        if word is None:
            return PlainTextResponse("expected nothing, start, fail or an exit code from 0 to 255 at the end\n", 400)
        if wait := pace.wait(name, monotonic()):
            return _later(wait)
        beat, code = word
        text, now = heartbeat.said(await _body(request)), inside.now()
        await ask(lambda: kept.note(name, now, lambda pulse: heartbeat.after(pulse, beat, now, code, text)))
        return PlainTextResponse("ok\n")

    paths = ("/ping/{address}", "/ping/{address}/{word}")
    return [Route(path, ping, methods=["GET", "POST"]) for path in paths]


def _later(wait: float) -> Response:
    return PlainTextResponse("too many calls; slow down\n", 429, headers={"retry-after": str(int(wait) + 1)})


async def _body(request: Request) -> bytes:
    """The beginning of what was sent; the rest is not read, and a slow sender is not waited for."""
    read = b""
    try:
        async with asyncio.timeout(_PATIENCE):
            async for chunk in request.stream():
                read += chunk
                if len(read) >= heartbeat.LARGEST_BODY:
                    break
    except TimeoutError:
        pass
    return read[: heartbeat.LARGEST_BODY]
