"""`opsbot ack`: somebody has seen it. With `--as` it says what a cost finding was; without, that an alert is in hand."""

from __future__ import annotations

import click

from opsbot.cli import Options


@click.command(short_help="Say that you have seen a finding, or what a cost anomaly was.")
@click.argument("key", metavar="[KEY]", default="")
@click.option("--group", default="", metavar="ID", help="Instead of a key: all of a group, as its notice names it.")
@click.option("--as", "meaning", type=click.Choice(["expected", "planned", "real"]),
              help="Of a cost finding: expected (as it should be), planned (on purpose, for now), real (it is trouble).")  # fmt: skip
@click.option("--reason", default="", metavar="TEXT", help="Kept with it; whoever asks later reads it.")
@click.option("--as-who", "who", metavar="NAME", help="In whose name. Default: who AWS says you are, else your login.")
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.pass_obj
def ack(options: Options, key: str, group: str, meaning: str | None, reason: str, who: str | None, format_: str) -> int:
    """Say of the finding KEY that it is seen. KEY stands in the report; its last part is enough if it is the only one.

    Without --as: an alert that fires is in your hand. Its repeats stop until it becomes worse, and whoever was told of it
    hears that you have it. Here KEY may be a glob too.

    With --as: what is expected or planned is not told again; what is real stays open until it is over. Needs no AWS.

    \b
    Examples:
      opsbot ack shop-prod/ecs-cpu/backend --reason "looking"
      opsbot ack --group opsbot-1f0c9a8e7d6b
      opsbot ack shop-billing/cost-anomaly/nat-gateway --as real
      opsbot ack shop-prod/saving-idle-nat/nat-0a1b --as planned --reason "standby of the old site"
    """
    if bool(key) == bool(group) or (group and meaning):
        raise click.UsageError("expected a KEY, or --group without --as")
    if meaning and format_ == "json":
        raise click.UsageError(
            "--format json is for alerts; what a cost finding was is told by: opsbot run cost_anomalies"
        )
    if meaning is not None:
        from opsbot.cli.ack_cost import judge

        return judge(options, key, meaning, reason.strip(), who)
    from opsbot.cli.ack_alert import acknowledge

    return acknowledge(options, key, group, reason.strip(), who, format_)
