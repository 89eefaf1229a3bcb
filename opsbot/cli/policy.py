"""`opsbot iam-policy`: what the role in each account must be allowed, and not one action more."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from opsbot.cli import Options

if TYPE_CHECKING:
    from opsbot.app import App
    from opsbot.model.runbook import Step


@click.command(short_help="Print the least IAM policy for what is switched on.")
@click.option("--for", "whom", type=click.Choice(["role", "opsbot", "trust", "runbooks", "remediation"]), default="role", show_default=True,
              help="role: for the role in each account; opsbot: for the identity it runs as; trust: who may assume the role; "
              "runbooks: what the home's runbooks look at; remediation: what they change.")  # fmt: skip
@click.option("--principal", metavar="ARN", help="With --for trust: the identity opsbot runs as.")
@click.option("--external-id", metavar="ID", help="With --for trust: demand this external id.")
@click.option(
    "--tag", metavar="KEY=VALUE", default="", help="With --for remediation: only what carries this tag may be changed."
)
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write it to this file.")
@click.pass_obj
def iam_policy(
    options: Options, whom: str, principal: str | None, external_id: str | None, tag: str, output: Path | None
) -> None:
    """Print the least IAM policy for the checks that are switched on: reading only, unless for remediation.

    \b
    Examples:
      opsbot iam-policy > opsbot-read.json
      opsbot iam-policy --for opsbot
      opsbot iam-policy --for remediation --tag opsbot=may-change
      opsbot iam-policy --for trust --principal arn:aws:iam::111122223333:role/opsbot-task --external-id s3cret
    """
    from opsbot import app
    from opsbot.cli.show import put

    house = app.load(options.home_option, log_format=options.log_format, verbose=options.verbose)
    match whom:
        case "role":
            document = house.role_policy()
        case "opsbot":
            document = house.own_policy()
        case "runbooks" | "remediation":
            document = _runbooks(house, changing=whom == "remediation", tag=_tag(tag))
        case _:
            document = _trust(principal, external_id)
    put(json.dumps(document, indent=2), output)


def _tag(text: str) -> str:
    if text and not all(text.partition("=")):
        raise click.UsageError(f"--tag: expected KEY=VALUE, got {text!r}")
    return text


def _runbooks(house: App, *, changing: bool, tag: str) -> dict[str, Any]:
    """For what the steps of this home's runbooks use; a runbook that cannot be read asks for nothing."""
    from opsbot.actions import ACTIONS, reads, writes
    from opsbot.aws import policy
    from opsbot.cli.runbook_stage import draft

    place = house.house.home
    steps = [step for file in place.runbooks() for step in draft(place, file.name).steps if step.uses in ACTIONS]
    used = {step.uses for step in steps}
    if not changing:
        return policy.policy(reads(used))
    # Where a runbook may look it may change something too; global resources are changed in us-east-1.
    regions = {region for environment in house.config.environments for region in (*environment.regions, "us-east-1")}
    return policy.remedying(writes(used), regions=regions, documents=_documents(steps), tag=tag)


def _documents(steps: Iterable[Step]) -> dict[str, set[str]]:
    """The SSM documents that the steps name, by the IAM action that runs them; `*` where a name is only known later."""
    from opsbot.actions import writes

    found: dict[str, set[str]] = {}
    for step in steps:
        if name := str(step.given.get("document", "")):
            for action in writes([step.uses]):
                found.setdefault(action, set()).add("*" if "{{" in name else name)
    return found


def _trust(principal: str | None, external_id: str | None) -> dict[str, Any]:
    if not principal:
        raise click.UsageError("--for trust needs --principal: the ARN of the identity opsbot runs as")
    statement: dict[str, Any] = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole"}
    if external_id:
        statement["Condition"] = {"StringEquals": {"sts:ExternalId": external_id}}
    return {"Version": "2012-10-17", "Statement": [statement]}
