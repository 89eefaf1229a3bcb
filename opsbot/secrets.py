"""Secrets stay outside: the home holds references, values are read at the last moment and never printed.

A reference is `env:NAME`, `file:PATH`, `ssm:NAME` or `secretsmanager:NAME`. Every error names the reference.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opsbot.errors import ConfigError, Problem

if TYPE_CHECKING:
    from pydantic_core import CoreSchema

EXPECTED = 'expected a reference such as "env:NAME", "file:/path", "ssm:NAME" or "secretsmanager:NAME"'
NOT_SHOWN = f"{EXPECTED}, not the secret itself; the value is not shown"
IN_CLEAR = (
    "looks like a secret in clear and is not shown; take it out, change it where it was issued, and refer to it: "
    '"env:NAME", "file:/path", "ssm:NAME" or "secretsmanager:NAME"'
)
HIDDEN = "(hidden)"
_LARGEST_FILE = 64 * 1024

_REFERENCE = re.compile(
    r"env:[A-Za-z_][A-Za-z0-9_]*"
    r"|file:[^\x00-\x1f\x7f]+"
    r"|ssm:[A-Za-z0-9_.:/-]+"
    r"|secretsmanager:[A-Za-z0-9_.:/+=@#-]+"
)
# What issuers print at the front of their secrets, and passwords inside addresses; none of these can backtrack far.
_PATTERNS = tuple(
    re.compile(pattern)
    for pattern in (
        r"\b(?:xox[a-z]|xapp)-[A-Za-z0-9-]{4,}",
        r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}",
        r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----",
        r"\b(?:gh[pousr]_|github_pat_|glpat-)[A-Za-z0-9_-]{16,}",
        r"\bhooks\.slack\.com/services/\S+",
        r"\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]+",
        r"://[^/\s:@]{0,200}:[^/\s@]{1,200}@",
    )
)


class Secret(str):
    """A reference to a secret, as a field type of pydantic models: anything else is refused without being repeated."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Secret:
        """Raises ValueError, which never carries `text`."""
        if not is_reference(text):
            raise ValueError(IN_CLEAR if looks_like_secret(text) else NOT_SHOWN)
        return cls(text)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> CoreSchema:
        from pydantic_core import core_schema

        text = core_schema.str_schema(strict=True)
        return core_schema.no_info_after_validator_function(cls.parse, text)

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: Any) -> dict[str, Any]:
        return {"type": "string", "pattern": "^(env|file|ssm|secretsmanager):.+$"}


def is_reference(text: str) -> bool:
    return _REFERENCE.fullmatch(text) is not None and not looks_like_secret(text)


def references(tables: object) -> Iterator[str]:
    """Every reference to a secret that AWS keeps, wherever it stands in the configuration."""
    if isinstance(tables, str):
        if is_reference(tables) and tables.startswith(("ssm:", "secretsmanager:")):
            yield tables
    elif isinstance(tables, Mapping):
        for value in tables.values():
            yield from references(value)
    elif isinstance(tables, list | tuple):
        for value in tables:
            yield from references(value)


def looks_like_secret(text: str) -> bool:
    """Whether `text` holds something only a secret looks like: a Slack token, an AWS key, a password in an address."""
    return any(pattern.search(text) for pattern in _PATTERNS)


def resolve(
    reference: str, *, ssm: Callable[[str], str] | None = None, environ: Mapping[str, str] | None = None
) -> str:
    """The secret behind a reference. `ssm` reads `ssm:` and `secretsmanager:` references, whole, from AWS.

    Raises ConfigError that names the reference, never a value.
    """
    if not is_reference(reference):
        raise ConfigError([Problem("secret", EXPECTED)])
    scheme, _, name = reference.partition(":")
    value = _read(scheme, name, reference, ssm, os.environ if environ is None else environ)
    if not value:
        raise _unreadable(reference, "is empty")
    return value


def _read(scheme: str, name: str, reference: str, ssm: Callable[[str], str] | None, environ: Mapping[str, str]) -> str:
    if scheme == "env":
        if name not in environ:
            raise _unreadable(reference, f"the environment variable {name} is not set")
        return environ[name].strip()
    if scheme == "file":
        return _read_file(Path(name).expanduser(), reference)
    if ssm is None:
        raise _unreadable(reference, "cannot be read here: nothing that reads secrets from AWS is at hand")
    return ssm(reference).strip()


def _read_file(path: Path, reference: str) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise _unreadable(reference, f"cannot be read: {(error.strerror or 'no such file').lower()}") from None
    if len(content) > _LARGEST_FILE:
        raise _unreadable(reference, "is larger than 64 KiB; expected a file that holds the secret alone")
    try:
        return content.decode().strip()
    except UnicodeDecodeError:
        # The decoder's own error carries the bytes; nothing may chain to it.
        raise _unreadable(reference, "is not UTF-8 text; expected a file that holds the secret alone") from None


def _unreadable(reference: str, why: str) -> ConfigError:
    return ConfigError([Problem(reference, why)])


def redact(text: str, values: Iterable[str] = ()) -> str:
    """`text` with these values, and whatever looks like a secret, taken out."""
    for value in sorted((value for value in values if value), key=len, reverse=True):
        text = text.replace(value, HIDDEN)
    for pattern in _PATTERNS:
        text = pattern.sub(HIDDEN, text)
    return text
