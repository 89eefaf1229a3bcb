"""How long a runbook of eight steps looks, beside its slowest step: an AWS on loopback whose every answer takes a while.

    nice -n 19 python benchmarks/runbooks.py [seconds an answer takes]

Target: the time of the slowest step and 10 %. The first round signs in and loads what AWS's services are; the others are
what a daemon's process would see a second time.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

ENVIRON = {
    "AWS_ACCESS_KEY_ID": "demo", "AWS_SECRET_ACCESS_KEY": "demo", "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
}  # fmt: skip
os.environ.update(ENVIRON)

from opsbot.aws import Aws  # noqa: E402
from opsbot.aws.inspecting import Hands  # noqa: E402
from opsbot.model.runbook import StepState  # noqa: E402
from opsbot.replica import scenario  # noqa: E402
from opsbot.replica.faults import FaultRule  # noqa: E402
from opsbot.replica.server import serve  # noqa: E402
from tests.outbox.world import fresh  # noqa: E402
from tests.runbooks.stage import NOW, Stage  # noqa: E402

SERVICES = ("lecture-backend", "notification-hub", "quiz-api", "search-indexer", "transcoder")
STEPS = (
    *(
        f"{{id: s{n}, uses: ecs.service, with: {{service: {name}, cluster: lecture}}}}"
        for n, name in enumerate(SERVICES)
    ),
    "{id: trail, uses: cloudtrail, with: {since: 3h}}",
    "{id: stacks, uses: cloudformation}",
    "{id: alarms, uses: alarms}",
)
TEXT = "# Eight\n\n" + "".join(f"```step\n{step}\n```\n" for step in STEPS)


def look(stage: Stage, what: str) -> None:
    began = time.perf_counter()
    run = stage.run(TEXT, "dhbw-prod")
    took = time.perf_counter() - began
    slowest = max(one.seconds for one in run.took)
    done = sum(one.state is StepState.DONE for one in run.took)
    together = sum(one.seconds for one in run.took)
    print(f"  {what:<14} {took:6.2f} s   slowest step {slowest:5.2f} s, {(took / slowest - 1) * 100:+4.0f} %   "
          f"one after the other {together:5.2f} s   {done} of {len(run.took)} done")  # fmt: skip


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    world = scenario.load(scenario.SHIPPED, anchor=NOW)
    with serve(world, now=lambda: NOW) as cloud, Aws(secrets=lambda _: "opsbot-demo", attempts=2) as aws:
        os.environ["AWS_ENDPOINT_URL"] = cloud.url
        for service in ("ecs", "cloudtrail", "cloudformation", "monitoring"):
            cloud.state.faults.add([FaultRule(fault="slow", service=service, seconds=seconds)])
        store = fresh()
        stage = Stage(world=world, store=store, aws=aws, hands=Hands(lambda _: "opsbot-demo"))
        print(f"a runbook of {len(STEPS)} steps, each answer of AWS takes {seconds:g} s")
        for what in ("first", "again", "and again"):
            look(stage, what)
        store.close()


if __name__ == "__main__":
    main()
