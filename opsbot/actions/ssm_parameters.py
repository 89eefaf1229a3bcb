"""What SSM documents are given: it often ends up in a script on a machine, so a shell must find nothing to obey in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, Field

_PLAIN = frozenset("_.,:/@%+= -")
_LONGEST = 2048


def _plain(given: str | tuple[str, ...]) -> str | tuple[str, ...]:
    for text in (given,) if isinstance(given, str) else given:
        odd = next((character for character in text if not character.isalnum() and character not in _PLAIN), "")
        if odd or len(text) > _LONGEST:
            signs = "".join(sorted(_PLAIN)).strip()
            found = repr(odd) if odd else f"{len(text)} characters"
            raise ValueError(f"expected at most {_LONGEST} letters, digits, {signs} or spaces, got {found}")
    return given


Value = Annotated[str | tuple[str, ...], AfterValidator(_plain)]
Parameters = Annotated[Mapping[str, Value], Field(default_factory=dict)]
"""By name, each one text or a list of them."""


def listed(parameters: Mapping[str, str | tuple[str, ...]]) -> dict[str, list[str]]:
    """As SSM takes them: each is a list of texts."""
    return {name: [value] if isinstance(value, str) else list(value) for name, value in parameters.items()}
