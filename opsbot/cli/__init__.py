"""The command line: a lazy click group, so that `--help` imports nothing heavy; commands live in this package's files."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path

import click

from opsbot import __version__

# name -> (module:attribute, one line for the overview); the attribute is imported only when the command is used.
COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("opsbot.cli.home:init", "Make a new home: config.toml, jobs, templates, runbooks."),
    "validate": ("opsbot.cli.home:validate", "Tell all configuration problems at once."),
    "environments": ("opsbot.cli.home:environments", "List the environments that are configured."),
    "checks": ("opsbot.cli.home:checks", "List the checks with their resolved thresholds."),
    "jobs": ("opsbot.cli.home:jobs", "List the jobs, whose file each is, and when it runs next."),
    "run": ("opsbot.cli.run:run", "Run jobs now and print what they say."),
    "serve": ("opsbot.cli.serve:serve", "Be the daemon: scheduler, runs, delivery, web."),
    "probe": ("opsbot.cli.probe:probe", "Probe a target now and say why it fails."),
    "pause": ("opsbot.cli.pause:pause", "Keep a job from running on its schedule for a while."),
    "resume": ("opsbot.cli.pause:resume", "Let a paused job run on its schedule again."),
    "runs": ("opsbot.cli.runs:runs", "List and show runs: state, duration, calls, cost, log."),
    "worker": ("opsbot.cli.worker:worker", "Take runs from a task queue."),
    "health": ("opsbot.cli.health:health", "Say whether the daemon here is well."),
    "reports": ("opsbot.cli.archive:reports", "List and show the reports kept in the archive."),
    "render": ("opsbot.cli.render:render", "Show a sample report with your templates."),
    "alerts": ("opsbot.cli.alerts:alerts", "List what fires, what is in hand and what is muted."),
    "ack": ("opsbot.cli.ack:ack", "Say that you have seen a finding, or what a cost anomaly was."),
    "silence": ("opsbot.cli.silence:silence", "Tell nobody of some alerts, for a while and for a reason."),
    "route": ("opsbot.cli.route:route", "Say who would hear of an alert, and why."),
    "outbox": ("opsbot.cli.outbox:outbox", "Show, retry and drop what has not reached people yet."),
    "incident": ("opsbot.cli.incident:incident", "What people work on together: open, note, acknowledge, resolve."),
    "runbook": ("opsbot.cli.runbook:runbook", "List, show and run runbooks; approve and apply what they plan."),
    "audit": ("opsbot.cli.audit:audit", "Verify and export the log of what was done, and by whom."),
    "backtest": ("opsbot.cli.backtest:backtest", "See what would have been said on recorded data."),
    "iam-policy": ("opsbot.cli.policy:iam_policy", "Print the least IAM policy for what is switched on."),
    "demo": ("opsbot.cli.demo:demo", "See it work: embedded AWS, Slack and mail on loopback."),
    "aws-replica": ("opsbot.cli.demo:aws_replica", "Start the embedded AWS alone."),
    "completion": ("opsbot.cli.shell:completion", "Print the completion script for your shell."),
}

# What the daemon starts as processes of their own; nobody types these.
INNER: dict[str, str] = {
    "_orders": "opsbot.cli.inner:orders",
    "_alive": "opsbot.cli.inner:alive",
    "_exec": "opsbot.cli.execute:execute",
    "_send": "opsbot.cli.sending:send",
    "_remind": "opsbot.cli.reminding:remind",
    "_diagnose": "opsbot.cli.diagnosing:diagnose",
    "_finish": "opsbot.cli.finishing:finish",
    "_ship": "opsbot.cli.shipping:ship",
    "_publish": "opsbot.cli.publishing:publish",
    "_probe": "opsbot.cli.probing:probing",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was said before the command's name; `color` is auto, always or never."""

    home_option: Path | None
    log_format: str
    verbose: bool
    color: str


class Lazy(click.Group):
    """A group that knows its commands' names and one-liners without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        place = INNER.get(cmd_name) or COMMANDS.get(cmd_name, ("", ""))[0]
        if not place:
            return None
        module, _, attribute = place.partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        import difflib

        if args and args[0] not in COMMANDS.keys() | INNER.keys() and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f' Did you mean "{near[0]}"?' if near else ""
            raise click.UsageError(f'there is no command "{args[0]}".{hint}', ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="opsbot")
@click.option(
    "--home",
    "home_option",
    type=click.Path(path_type=Path),
    help="Folder with config.toml, jobs/, report_templates/, runbooks/. Default: $OPSBOT_HOME, then the current folder.",
)
@click.option("--log-format", type=click.Choice(["text", "json"]), default="text", help="How log lines on stderr look.")
@click.option("--verbose", is_flag=True, help="Log AWS calls too.")
@click.option("--color", type=click.Choice(["auto", "always", "never"]), default="auto", help="NO_COLOR is honoured.")
@click.pass_context
def cli(ctx: click.Context, home_option: Path | None, log_format: str, verbose: bool, color: str) -> None:
    """The ops engineer that never sleeps.

    \b
    Examples:
      opsbot demo                          see it work, without an account
      opsbot init ~/ops                    make a home, then edit its config.toml
      opsbot run daily_health --estimate   what a run would cost
      opsbot run daily_health              run it and print the report
    """
    ctx.obj = Options(home_option=home_option, log_format=log_format, verbose=verbose, color=color)
