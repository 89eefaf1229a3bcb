"""What may be shown of an answer: headers and the first bytes of the body, secrets out, nothing that a terminal obeys."""

from __future__ import annotations

import re
from dataclasses import replace

from opsbot.evaluate.expect import Met
from opsbot.model.probe import Answer, Flow, Http, Pairs, Spec, Target, WebSocket
from opsbot.probes import urls
from opsbot.secrets import redact

MOST_HEADERS = 40
MOST_VALUE = 200
MOST_BODY = 600
HIDDEN = "[hidden]"

SECRET_NAMES = re.compile(
    r"cookie|auth|token|secret|api-?key|session|signature|credential|csrf|password", re.IGNORECASE
)
# Of a secret that is a whole form or document its values may come back alone.
_PARTS = re.compile(r"""[^\s"'=&:,;{}\[\]<>]{6,}""")
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
    own = (*answer.hidden, *own_secrets(target))
    headers = tuple(
        (
            safe(name, own)[:MOST_VALUE],
            HIDDEN if SECRET_NAMES.search(name) else safe(value[: MOST_VALUE * 2], own)[:MOST_VALUE],
        )
        for name, value in answer.headers[:MOST_HEADERS]
    )
    return headers, excerpt(answer.body, own)


def keeping(target: Target) -> Target:
    """The same target, showing its headers and the beginning of its body even if it is up."""
    return replace(target, keep_evidence=True)


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


def line(met: Met, own: tuple[str, ...] = ()) -> str:
    """An expectation with what was found: without it, where its very name says that nobody should read it."""
    place = met.expectation.path[-1] if met.expectation.path else ""
    if met.expectation.subject in ("json", "header") and isinstance(place, str) and SECRET_NAMES.search(place):
        return f"{met.expectation.text} ({HIDDEN if met.shown != f'{met.expectation.text} (absent)' else 'absent'})"
    return redact(safe(met.shown, own))


def own_secrets(target: Target) -> tuple[str, ...]:
    """What we sent that nobody may read: a server that echoes its request must not put it into a report."""
    found = [secret for spec in _specs(target.spec) for secret in _sent(spec)]
    return tuple(sorted({secret for secret in found if len(secret) >= 4}, key=len, reverse=True))


def _specs(spec: Spec) -> tuple[Spec, ...]:
    return tuple(step.http for step in spec.steps) if isinstance(spec, Flow) else (spec,)


def _sent(spec: Spec) -> list[str]:
    found: list[str] = []
    if isinstance(spec, Http):
        found += [spec.password, spec.bearer, *_of_url(spec.proxy, ("http",)), *_of_url(spec.url, ("http", "https"))]
    if isinstance(spec, Http | WebSocket):
        found += [part for secret in spec.secrets for part in (secret, *_PARTS.findall(secret))]
        found += [value for name, value in spec.headers if SECRET_NAMES.search(name)]
        found += [word for value in found for word in value.split() if len(word) >= 8]
    return found


def _of_url(url: str, schemes: tuple[str, ...]) -> list[str]:
    try:
        return [urls.parse(url, schemes).password] if url else []
    except ValueError:
        return []
