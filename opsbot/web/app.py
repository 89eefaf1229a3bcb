"""The page's routes: what may be asked, who answers it, and where a blocking question to the store is put."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, quote

from jinja2 import Environment
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route

from opsbot.render.format import moment
from opsbot.web import badges, health, looks, pages, ping, probe, status, uptime
from opsbot.web.guard import COOKIE, Door, Guard
from opsbot.web.inside import Inside
from opsbot.web.metrics import Metrics
from opsbot.web.session import LASTS
from opsbot.web.settings import WebSettings, checked

__all__ = ["Inside", "WebSettings", "build"]

# Two questions to the store at once: more would only wait for its one disk, and each thread costs memory.
_THREADS = 2
_LARGEST_FORM, _PATIENCE = 4096, 10.0
_LOCAL = re.compile(r"/(?:[A-Za-z0-9_.-][A-Za-z0-9_./-]{0,200})?")
_PREFIX = re.compile(r"(?:/[A-Za-z0-9_.-]+)*")
# A report is a document of its own, with its own styles and pictures inside: it may do nothing and reach nothing.
REPORT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; sandbox"
)
_KINDS = {"html": "text/html; charset=utf-8", "text": "text/plain; charset=utf-8", "json": "application/json"}
_WENT_WRONG = {
    400: "That form is not one of ours",
    404: "There is nothing here by that name",
    405: "This page can only be looked at",
    408: "That form never came whole",
    413: "That form is too long",
}

Endpoint = Callable[[Request], Awaitable[Response]]
Question = Callable[[Inside, Mapping[str, str], Mapping[str, str]], pages.Page]


@dataclass(frozen=True, slots=True)
class _House:
    """What the endpoints share."""

    inside: Inside
    door: Door
    templates: Environment
    threads: ThreadPoolExecutor
    root: str

    async def ask(self, question: Callable[[], Any]) -> Any:
        """Where it may wait without anybody else waiting."""
        return await asyncio.get_running_loop().run_in_executor(self.threads, question)

    def page(self, request: Request, page: pages.Page) -> Response:
        now = self.inside.now()
        visitor = request.scope.get("visitor")
        body = self.templates.get_template(page.template).render(
            **page.values, here=page.here, title=page.title, icon=page.icon, visitor=visitor, inside=self.inside,
            now=now, as_of=moment(now, self.inside.zone), **looks.speech(now, self.inside.zone),
        )  # fmt: skip
        return HTMLResponse(body, page.status)


def build(inside: Inside) -> Starlette:
    """The web application. Raises ConfigError if serving with these settings would let strangers in."""
    settings = checked(inside.settings)
    root = inside.prefix.rstrip("/")
    if not _PREFIX.fullmatch(root):
        raise ValueError(f'expected a path such as "/opsbot" or "", got {inside.prefix!r}')
    files = looks.files()
    templates = looks.environment(root, files)
    for name in templates.list_templates(extensions=["html.j2"]):
        templates.get_template(name)
    house = _House(inside, Door(settings, inside.now), templates, ThreadPoolExecutor(_THREADS, "web"), root)
    by_name = {file.name: file for file in files.values()}
    routes = [*_pages(house), *_machines(house, Metrics(inside)), *_doors(house), _static(by_name)]
    routes += _uptime(house)
    routes += ping.routes(inside, house.ask, house.door.address)
    return Starlette(
        routes=[Mount(root, routes=routes)] if root else routes,
        middleware=[Middleware(Guard, door=house.door, root=root, broken=_broken(house))],
        exception_handlers={HTTPException: _refused(house)},
    )


def _pages(house: _House) -> list[Route]:
    estates = status.Estates()
    shown: dict[str, Question] = {
        "/": lambda inside, path, query: pages.status(inside, estates, query),
        "/runs": pages.runs,
        "/runs/{id}": pages.run,
        "/reports": pages.reports,
        "/outbox": pages.outbox,
        "/jobs": pages.jobs,
    }
    return [Route(path, _shows(house, question), methods=["GET"]) for path, question in shown.items()]


def _shows(house: _House, question: Question) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        query, path = dict(request.query_params), request.path_params
        found = await house.ask(lambda: question(house.inside, path, query))
        response = house.page(request, found)
        if found.refresh and query.get("refresh") == "30":
            response.headers["refresh"] = "30"
        return response

    return endpoint


def _machines(house: _House, metrics: Metrics) -> list[Route]:
    async def healthz(request: Request) -> Response:
        code, told = health.alive(house.inside.vitals, in_full=request.scope["visitor"] is not None)
        return JSONResponse(told, code)

    async def readyz(request: Request) -> Response:
        code, told = health.ready(house.inside.vitals)
        return JSONResponse(told, code)

    async def exposed(request: Request) -> Response:
        body, kind = await house.ask(metrics.exposed)
        return Response(body, media_type=kind)

    async def report(request: Request) -> Response:
        id, _, ending = request.path_params["id"].partition(".")
        format = {"": "html", "html": "html", "txt": "text", "json": "json"}.get(ending, "")
        found = await house.ask(lambda: pages.report(house.inside, id, format))
        if found is None:
            raise HTTPException(404)
        policy = {"content-security-policy": REPORT_POLICY}
        return Response(found, headers={**policy, "content-type": _KINDS[format]})

    return [
        Route("/healthz", healthz, methods=["GET"]),
        Route("/readyz", readyz, methods=["GET"]),
        Route("/metrics", exposed, methods=["GET"]),
        Route("/reports/{id}", report, methods=["GET"]),
    ]


def _uptime(house: _House) -> list[Route]:
    boards = uptime.Boards(house.inside)

    def board(inside: Inside, path: Mapping[str, str], query: Mapping[str, str]) -> pages.Page:
        return pages.uptime(boards)

    def one(inside: Inside, path: Mapping[str, str], query: Mapping[str, str]) -> pages.Page:
        return probe.page(boards, inside, path, query)

    async def badge(request: Request) -> Response:
        found = await house.ask(lambda: boards.line(request.path_params["name"]))
        if found is None:
            raise HTTPException(404)
        # Shown in other people's pages; a minute old is new enough for them.
        headers = {"cache-control": "public, max-age=60", "cross-origin-resource-policy": "cross-origin"}
        return Response(badges.badge(found), media_type=badges.KIND, headers=headers)

    return [
        Route("/uptime", _shows(house, board), methods=["GET"]),
        Route("/uptime/{name:path}", _shows(house, one), methods=["GET"]),
        Route("/badge/{name:path}.svg", badge, methods=["GET"]),
    ]


def _doors(house: _House) -> list[Route]:
    door, root = house.door, house.root

    async def form(request: Request) -> Response:
        back = _back(request.query_params.get("next", ""))
        if request.scope["visitor"] is not None:
            return RedirectResponse(root + back, 303)
        return house.page(request, pages.sign_in(back))

    async def sign_in(request: Request) -> Response:
        given = _fields(await _body(request))
        back = _back(given.get("next", [""])[0])
        wait = door.try_token(request, given.get("token", [""])[0])
        if wait is not None:
            response = house.page(request, pages.sign_in(back, wait))
            if wait:
                response.headers["retry-after"] = str(int(wait) + 1)
            return response
        welcome = RedirectResponse(root + back, 303)
        _set_cookie(welcome, house, request, door.sessions.begin(house.inside.now()), int(LASTS.total_seconds()))
        return welcome

    async def sign_out(request: Request) -> Response:
        door.sessions.end(request.cookies.get(COOKIE, ""), house.inside.now())
        farewell = RedirectResponse(f"{root}/sign-in", 303)
        _set_cookie(farewell, house, request, "", 0)
        return farewell

    if not door.settings.token:
        return []
    return [
        Route("/sign-in", form, methods=["GET"]),
        Route("/sign-in", sign_in, methods=["POST"]),
        Route("/sign-out", sign_out, methods=["POST"]),
    ]


def _set_cookie(response: Response, house: _House, request: Request, value: str, seconds: int) -> None:
    response.set_cookie(
        COOKIE, value, max_age=seconds, path=house.root or "/", httponly=True, samesite="strict",
        secure=house.door.secure(request),
    )  # fmt: skip


def _static(by_name: Mapping[str, looks.File]) -> Route:
    async def endpoint(request: Request) -> Response:
        file = by_name.get(request.path_params["name"])
        if file is None:
            raise HTTPException(404)
        kept = {"cache-control": "public, max-age=31536000, immutable"}
        return Response(file.body, media_type=file.kind, headers=kept)

    return Route("/static/{name}", endpoint, methods=["GET"])


def _refused(house: _House) -> Callable[[Request, Exception], Response]:
    def answer(request: Request, error: Exception) -> Response:
        code = error.status_code if isinstance(error, HTTPException) else 500
        allowed = error.headers if isinstance(error, HTTPException) else None
        response = house.page(request, pages.apology(_WENT_WRONG.get(code, "This cannot be answered"), code))
        response.headers.update(allowed or {})
        return response

    return answer


def _broken(house: _House) -> Callable[[Request, str], Response]:
    def answer(request: Request, place: str) -> Response:
        # No template: it may be what is broken.
        told = (
            f"This page is broken. The others may not be: {house.root}/runs\nIn opsbot's log it is trouble {place}.\n"
        )
        return PlainTextResponse(told, 500)

    return answer


def _back(path: str) -> str:
    """Where to go after signing in: a page of ours, or the first one."""
    return quote(path, safe="/") if _LOCAL.fullmatch(path) and ".." not in path else "/"


def _fields(body: bytes) -> dict[str, list[str]]:
    try:
        return parse_qs(body.decode("utf-8", "replace"), max_num_fields=4)
    except ValueError:
        raise HTTPException(400) from None


async def _body(request: Request) -> bytes:
    read = b""
    try:
        async with asyncio.timeout(_PATIENCE):
            async for chunk in request.stream():
                read += chunk
                if len(read) > _LARGEST_FORM:
                    raise HTTPException(413)
    except TimeoutError:
        raise HTTPException(408) from None
    return read
