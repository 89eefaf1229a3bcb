"""Scenarios: the file that describes a world, the shipped one, and a big one for benchmarks."""

import json
import tomllib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from opsbot.errors import ConfigError, Problem
from opsbot.replica.draft import Draft, role_arn
from opsbot.replica.parsing import read_world
from opsbot.replica.population import Plan
from opsbot.replica.reading import Section
from opsbot.replica.signals import Shape
from opsbot.replica.world import EnvironmentSpec, World

SHIPPED = Path(__file__).parent / "scenarios" / "lecture.toml"
EXTERNAL_ID_VARIABLE = "OPSBOT_DEMO_EXTERNAL_ID"


def load(path: Path, *, anchor: datetime | None = None) -> World:
    """The world that a scenario file describes. Raises ConfigError with every problem of the file.

    `anchor` is the replica's present: an incident "from -3h" begins three hours before it. Without an
    anchor such an incident is always on, and one that is compared with its own past never.
    """
    problems: list[Problem] = []
    section = Section(_parsed(path), path.name, problems)
    draft = read_world(section, None if anchor is None else int(anchor.timestamp()))
    if problems:
        raise ConfigError(dict.fromkeys(problems))
    return draft.world()


def _parsed(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError([Problem(str(path), f"cannot be read: {error.strerror}")]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError([Problem(path.name, f"is not TOML: {error}")]) from error


_NIGHT, _MORNING = (0.05, 0.03, 0.02, 0.02, 0.04, 0.1), (0.3, 0.6, 0.85, 1.0, 1.0, 0.95)
_AFTERNOON, _EVENING = (0.85, 0.95, 1.0, 0.95, 0.8, 0.6), (0.45, 0.35, 0.3, 0.2, 0.15, 0.1)
OFFICE = Shape((*_NIGHT, *_MORNING, *_AFTERNOON, *_EVENING), (1.0, 1.0, 1.0, 1.0, 0.95, 0.4, 0.35))
# Shares of a big environment's resources, by kind; the rest are Lambda functions.
BIG_SHARES = {"ecs-service": 0.3, "rds-instance": 0.08, "alb": 0.04, "sqs-queue": 0.1, "ec2-instance": 0.12}


def big(environments: int, resources: int) -> World:
    """A healthy world of so many environments with so many resources each, for benchmarks."""
    draft = Draft(seed=1, caller_account="900000000000")
    for number in range(environments):
        environment = _big_environment(number)
        draft.environments.append(environment)
        for plan in _big_plans(resources):
            draft.settle(plan, (environment.account, environment.regions[0]))
    return draft.world()


def _big_environment(number: int) -> EnvironmentSpec:
    return EnvironmentSpec(
        name=f"tenant{number:03d}-prod",
        tenant=f"tenant{number:03d}",
        tier="production",
        account=f"{900000000001 + number}",
        regions=("eu-central-1" if number % 2 else "us-east-1",),
        external_id=None,
        labels=(),
    )


def _big_plans(resources: int) -> Iterator[Plan]:
    left = resources
    for kind, share in BIG_SHARES.items():
        count = int(resources * share)
        left -= count
        yield Plan(kind=kind, names=_numbered(kind, count), shape=OFFICE, tags=(("team", "platform"),))
    yield Plan(kind="lambda-function", names=_numbered("function", left), shape=OFFICE, tags=(("team", "platform"),))


def _numbered(stem: str, count: int) -> tuple[str, ...]:
    return tuple(f"{stem.split('-')[0]}-{n:03d}" for n in range(count))


def opsbot_config(world: World) -> str:
    """The text of a config.toml that reads every environment of the world through its role."""
    payers = {payer.account for payer in world.spending.payers}
    blocks = [_environment_block(env, payer=env.account in payers) for env in world.environments]
    return "\n".join(['timezone = "Europe/Berlin"\n', *blocks])


def _environment_block(environment: EnvironmentSpec, *, payer: bool) -> str:
    lines = [
        "[[environments]]",
        f"name = {_quoted(environment.name)}",
        f"tenant = {_quoted(environment.tenant)}",
        f"tier = {_quoted(environment.tier)}",
        f"regions = [{', '.join(map(_quoted, environment.regions))}]",
        f"account_id = {_quoted(environment.account)}",
        f"role_arn = {_quoted(role_arn(environment))}",
    ]
    if payer:
        lines.append("payer = true")
    if environment.external_id:
        lines.append(f"external_id = {_quoted('env:' + EXTERNAL_ID_VARIABLE)}")
    if environment.labels:
        pairs = ", ".join(f"{_quoted(key)} = {_quoted(value)}" for key, value in environment.labels)
        lines.append(f"labels = {{ {pairs} }}")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    # A JSON string is a TOML basic string.
    return json.dumps(text)
