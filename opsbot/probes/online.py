"""What only this machine can tell of `[[probes]]`: whether the files and the secrets they name can be read here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from opsbot.errors import OpsbotError, Problem
from opsbot.probes import specs
from opsbot.probes.failure import Failure
from opsbot.probes.trust import Contexts

if TYPE_CHECKING:
    from opsbot.config.probes import ProbeTable


def unreadable(tables: Sequence[ProbeTable], secret: Callable[[str], str]) -> Iterator[Problem]:
    """Every file and every secret that a probe could not be made with; `secret` raises OpsbotError."""
    contexts = Contexts()
    for place, table in enumerate(tables):
        where = f"config.toml.probes[{place}]"
        yield from _files(where, table, contexts)
        yield from _secrets(where, table, secret)


def key_of(place: str) -> str:
    """Where a secret belongs, as the configuration calls it: `steps.0.body` is `steps[0].body_secret`."""
    first, _, rest = place.partition(".")
    if first == "steps":
        number, _, inner = rest.partition(".")
        return f"steps[{number}].{key_of(inner)}"
    return "body_secret" if place == "body" else place


def _files(where: str, table: ProbeTable, contexts: Contexts) -> Iterator[Problem]:
    whole = specs.trust_of(table, "")
    for key, trust in (
        ("ca_file", replace(whole, client_certificate="", client_key="")),
        ("client_certificate", replace(whole, ca_file="", verify=False)),
    ):
        if getattr(trust, key):
            try:
                contexts.get(trust, "")
            except Failure as failure:
                key_too = trust.client_key and failure.why.startswith(f"{trust.client_key}:")
                yield Problem(f"{where}.{'client_key' if key_too else key}", failure.why)


def _secrets(where: str, table: ProbeTable, secret: Callable[[str], str]) -> Iterator[Problem]:
    steps = [specs.secrets_of(step, f"steps.{number}.") for number, step in enumerate(table.steps)]
    for place, reference in (*specs.secrets_of(table), *(pair for pairs in steps for pair in pairs)):
        try:
            secret(reference)
        except OpsbotError as error:
            yield Problem(f"{where}.{key_of(place)}", error.message)
