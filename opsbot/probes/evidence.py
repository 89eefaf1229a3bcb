"""What may be shown of an answer: headers and the first bytes of the body, secrets out, nothing that a terminal obeys."""

from __future__ import annotations

import re

from opsbot.model.probe import Answer, Http, Pairs, Target, WebSocket
from opsbot.probes import urls

MOST_HEADERS = 40
MOST_VALUE = 200
MOST_BODY = 600
HIDDEN = "[hidden]"

_SECRET_HEADERS = re.compile(
    r"cookie|auth|token|secret|api-?key|session|signature|credential|csrf|password", re.IGNORECASE
)
# Every repetition is bounded: these run over what a stranger sent, and must take time in proportion to its length.
_SECRETS = re.compile(
    r"""(?P<keep>
        \b(?:bearer|basic|digest|negotiate)\s{1,4}                                        # Authorization, quoted back
      | (?:passw(?:or)?d|pwd|secret|token|api[_-]?key|session[_-]?id|private[_-]?key|access[_-]?key
          |credential|auth(?:orization)?|signature|cookie|jwt)[\w.\-]{0,30}["']?\s{0,4}[:=]\s{0,4}["']?(?:(?:bearer|basic|digest|negotiate)\s{1,4})?
      | ://[^\s/:@]{0,60}:(?=[^\s/@]{1,200}@)                                            # user:password@host
    )(?P<secret>[^\s"',;&<>}@]+)""",
    re.IGNORECASE | re.VERBOSE,
)
_SHAPES = re.compile(
    r"""\beyJ[\w\-]{1,400}\.[\w\-]{1,400}(?:\.[\w\-]*)?                               # JSON web token
      | \b(?:AKIA|ASIA)[A-Z0-9]{12,}                                                    # AWS access key
      | \b(?:xox[abprs]|gh[pousr]|sk|pk)[-_][\w\-]{10,}                                 # Slack, GitHub, Stripe and alike
      | -----BEGIN\ [A-Z ]{0,20}PRIVATE\ KEY-----[\s\S]*""",
    re.VERBOSE,
)


def shown(target: Target, answer: Answer) -> tuple[Pairs, str]:
    """Headers and excerpt, safe to store and to print."""
    own = own_secrets(target)
    headers = tuple(
        (
            safe(name, own)[:MOST_VALUE],
            HIDDEN if _SECRET_HEADERS.search(name) else safe(value[: MOST_VALUE * 2], own)[:MOST_VALUE],
        )
        for name, value in answer.headers[:MOST_HEADERS]
    )
    return headers, excerpt(answer.body, own)


def excerpt(body: bytes, own: tuple[str, ...] = ()) -> str:
    """The beginning of a body as text. More is read than is shown, so that a secret at the cut is still seen whole."""
    if not body:
        return ""
    head = body[: MOST_BODY * 4]
    if b"\0" in head:
        return f"[{len(body)} bytes of binary]"
    text = safe(head.decode("utf-8", "replace"), own)
    return text if len(text) <= MOST_BODY else text[:MOST_BODY] + "..."


def safe(text: str, own: tuple[str, ...] = ()) -> str:
    """Text of a stranger's without secrets and without control or direction characters."""
    for secret in own:
        text = text.replace(secret, HIDDEN)
    text = _SHAPES.sub(HIDDEN, text)
    text = _SECRETS.sub(lambda match: match["keep"] + HIDDEN, text)
    return "".join(mark if mark.isprintable() else " " if mark in "\n\r\t" else "?" for mark in text)


def own_secrets(target: Target) -> tuple[str, ...]:
    """What we sent that nobody may read: a server that echoes its request must not put it into a report."""
    spec = target.spec
    found: list[str] = []
    if isinstance(spec, Http):
        found += [spec.password, spec.bearer, *_of_url(spec.proxy, ("http",)), *_of_url(spec.url, ("http", "https"))]
    if isinstance(spec, Http | WebSocket):
        found += [value for name, value in spec.headers if _SECRET_HEADERS.search(name)]
        found += [word for value in found for word in value.split() if len(word) >= 8]
    return tuple(sorted({secret for secret in found if len(secret) >= 4}, key=len, reverse=True))


def _of_url(url: str, schemes: tuple[str, ...]) -> list[str]:
    try:
        return [urls.parse(url, schemes).password] if url else []
    except ValueError:
        return []
