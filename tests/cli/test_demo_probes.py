"""What the demo probes is what it says: one well with a certificate that ends, one slow, one down, one that waits for it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from opsbot.cli.demo_probes import tables
from opsbot.replica import targets
from opsbot.replica.targets import ENDS_IN
from tests.cli.test_probe import opsbot

ENVIRONMENT = '[[environments]]\nname = "dhbw-prod"\nregions = ["eu-central-1"]\n'
CHANNELS = "".join(f'[channels.{name}]\nkind = "file"\nfolder = "{name}"\n' for name in ("ops-slack", "managers"))


def test_each_target_is_as_it_should_be(tmp_path: Path) -> None:
    with targets.serve(tmp_path, datetime.now(UTC)) as running:
        text = ENVIRONMENT + tables(running, "dhbw-prod") + CHANNELS
        (tmp_path / "config.toml").write_text(text)
        said = opsbot("--home", str(tmp_path), "validate")
        assert "4 probes" in said.stdout, said.stderr
        ran = opsbot("--home", str(tmp_path), "probe", "*", "--format", "json")
    found = {one["name"]: one for one in json.loads(ran.stdout)["probes"]}
    assert {name: one["state"] for name, one in found.items()} == {
        "shop": "up", "search": "degraded", "orders": "down", "invoices": "down",
    }  # fmt: skip
    leaf = found["shop"]["tls"]["path"][0]
    left = datetime.fromisoformat(leaf["not_after"]) - datetime.now(UTC)
    assert ENDS_IN.days - 1 <= left.days <= ENDS_IN.days
    assert not (tmp_path / "demo-site.pem").exists(), "no key is left behind"
