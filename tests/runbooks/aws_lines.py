"""The `aws` commands of a runbook, taken apart as the AWS CLI would, against botocore's models of the services."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from functools import cache

import botocore.session
from botocore import xform_name
from botocore.model import ListShape, OperationModel, Shape, StringShape

from opsbot.cli import page

GLOBAL = {"region", "profile", "max-items", "output", "query"}
# Names that the AWS CLI gives to a service; all others are botocore's own.
SERVICES = {"s3api": "s3"}
READS = ("describe-", "list-", "get-", "lookup-", "filter-")


@dataclass(frozen=True, slots=True)
class Command:
    """`options` without their dashes, each with the values that follow it."""

    text: str
    service: str
    operation: str
    options: dict[str, list[str]]

    @property
    def reads(self) -> bool:
        return self.operation.startswith(READS)


def fenced(body: str) -> list[Command]:
    """The commands between fences, lines that end in a backslash put together."""
    code = "\n".join(line.text.strip() for line in page.lines(body) if line.code and not line.fence)
    whole = code.replace("\\\n", " ").split("\n")
    return [parse(line) for line in whole if line.startswith("aws ")]


def parse(text: str) -> Command:
    words = shlex.split(text)
    options: dict[str, list[str]] = {}
    name = ""
    for word in words[3:]:
        if word.startswith("--"):
            name = word[2:]
            assert name not in options, f"--{name} stands twice in: {text}"
            options[name] = []
        else:
            options[name].append(word)
    return Command(text, words[1], words[2], options)


def wrong(command: Command) -> list[str]:
    """What the AWS CLI would refuse: unknown names, values that are none of the allowed, what is required and missing."""
    try:
        operation = _operations(command.service)[command.operation]
    except (KeyError, botocore.exceptions.UnknownServiceError) as error:
        return [f"there is no {error}: {command.text}"]
    known = _members(operation)
    told = [f"--{name} is unknown: {command.text}" for name in sorted(command.options.keys() - known.keys() - GLOBAL)]
    for name in command.options.keys() & known.keys():
        told += [f"--{name} does not take {value}" for value in _refused(known[name], command.options[name])]
    required = {xform_name(name, "-") for name in _required(operation)}
    return told + [f"--{name} is missing: {command.text}" for name in sorted(required - command.options.keys())]


@cache
def _operations(service: str) -> dict[str, OperationModel]:
    model = botocore.session.get_session().get_service_model(SERVICES.get(service, service))
    return {xform_name(name, "-"): model.operation_model(name) for name in model.operation_names}


def _members(operation: OperationModel) -> dict[str, Shape | None]:
    """By option; a boolean has its `--no-` too."""
    members = operation.input_shape.members if operation.input_shape else {}
    found: dict[str, Shape | None] = {xform_name(name, "-"): shape for name, shape in members.items()}
    return found | {f"no-{name}": None for name, shape in found.items() if shape and shape.type_name == "boolean"}


def _required(operation: OperationModel) -> list[str]:
    shape = operation.input_shape
    # What carries an idempotency token is filled in by the AWS CLI.
    return [name for name in shape.required_members if name not in operation.idempotent_members] if shape else []


def _refused(shape: Shape | None, values: list[str]) -> list[str]:
    """Values that are none of the few that are allowed, or no values where there must be some."""
    if shape is None or shape.type_name == "boolean":
        return values
    inner = shape.member if isinstance(shape, ListShape) else shape
    allowed = inner.enum if isinstance(inner, StringShape) else []
    if not values:
        return ["nothing"]
    return [value for value in values if allowed and value not in allowed]
