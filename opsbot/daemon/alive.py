"""The dead-man's switch: someone outside is told every minute that all is well, and speaks up when nothing comes.

A daemon cannot report its own death, so it reports its life.
"""

from __future__ import annotations

import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from opsbot import __version__
from opsbot.daemon.orders import Orders
from opsbot.errors import OpsbotError

EVERY = 60.0
TIMEOUT = 10.0
_METRIC_TIMEOUT = 45.0


def tell(orders: Orders, metric: Callable[[str], list[str]], environ: Mapping[str, str]) -> None:
    """Ask the URL and put the metric, whichever are configured. Raises OpsbotError if either did not get through.

    `metric` gives the command of the child that puts it: the AWS library is not for a process that lives for years.
    """
    failed = [why for why in (_ask(orders.heartbeat_url), _put(orders.heartbeat_metric, metric, environ)) if why]
    if failed:
        raise OpsbotError("; ".join(failed), hint="look for a proxy or a firewall on the way; or correct [daemon]")


def _ask(url: str) -> str:
    """Why it did not get through, or ""."""
    if not url:
        return ""
    # The path of such an address is its secret.
    shown = f"the dead-man's switch at {urlsplit(url).hostname}"
    if not url.startswith(("http://", "https://")):
        return "the dead-man's switch: expected an address that begins with https:// behind daemon.heartbeat_url"
    request = urllib.request.Request(url, headers={"User-Agent": f"opsbot/{__version__}"})  # noqa: S310  checked above
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310  checked above
            answer.read(1024)
    except urllib.error.HTTPError as error:
        return f"{shown} answered {error.code}"
    except (OSError, ValueError) as error:
        return f"{shown} was not reached: {getattr(error, 'reason', None) or error or type(error).__name__}"
    return ""


def _put(name: str, command: Callable[[str], list[str]], environ: Mapping[str, str]) -> str:
    if not name:
        return ""
    try:
        ended = subprocess.run(
            command(name), env=dict(environ), stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=_METRIC_TIMEOUT, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"the metric {name} was not put within {_METRIC_TIMEOUT:.0f} s"
    except OSError as error:
        return f"the metric {name} was not put: {error.strerror or error}"
    said = " ".join(ended.stderr.split())[-300:]
    return "" if ended.returncode == 0 else f"the metric {name} was not put: {said or f'exit code {ended.returncode}'}"
