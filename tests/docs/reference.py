"""What the code says of itself, for pages that must say the same."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from opsbot.checks import KINDS
from opsbot.checks.estate import NOUNS
from opsbot.checks.table import Table

ROOT = Path(__file__).parents[2]


def facts() -> str:
    """A table: the facts of each kind of resource that checks can be about, from what its reader puts in."""
    told = defaultdict(set)
    for path in sorted((ROOT / "opsbot" / "aws" / "readers").glob("*.py")):
        for kind, name in _put_in(ast.parse(path.read_text(encoding="utf-8"))):
            told[kind].add(name)
    rows = [f"| `{kind}` | {', '.join(f'`{name}`' for name in sorted(told[kind]))} |" for kind in NOUNS if told[kind]]
    return "\n".join(["| `resource` | facts |", "|---|---|", *rows]) + "\n"


def _put_in(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Each `Resource(kind="...", facts=...)`; kinds that are no plain text are left to their pages."""
    functions = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    for call in _calls(tree):
        given = {word.arg: word.value for word in call.keywords}
        kind, held = given.get("kind"), given.get("facts")
        if isinstance(kind, ast.Constant) and held is not None:
            yield from ((str(kind.value), name) for name in _named(held, functions))


def _named(held: ast.AST, functions: dict[str, ast.FunctionDef]) -> Iterator[str]:
    """The names that `facts(...)` is given, there or in a function of the same file that is called there."""
    for call in _calls(held):
        name = call.func.id if isinstance(call.func, ast.Name) else ""
        if name == "facts":
            yield from (word.arg for word in call.keywords if word.arg)
        elif name in functions:
            yield from _named(ast.Module(functions[name].body, []), functions)


def _calls(node: ast.AST) -> Iterator[ast.Call]:
    return (inner for inner in ast.walk(node) if isinstance(inner, ast.Call))


def keys(kind: str) -> tuple[str, ...]:
    """The keys of a check's table that this kind asks for, beside those of every kind."""
    table = Table({}, "checks[0]", [])
    KINDS[kind].settings(table)
    return tuple(dict.fromkeys(table.known))
