"""How well opsbot says when a resource reaches its limit: the capacity benchmark through the adapter, beside its rivals.

    python benchmarks/capacity.py --bench DIR          # or OPSBOT_BENCH=DIR; DIR holds score.py and data/

Milliseconds of a row are wall clock and swell on a busy machine; the CPU row does not. Targets and rivals are figures of
the held-out half of that benchmark, ours are of the half at hand: compare ratios.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WEIGHT = """
import resource, time
import numpy as np, pandas as pd
import opsbot.samples
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
start = peak()
from opsbot.evaluate.trend import outlook, quantiles
random = np.random.default_rng(1)
spent = []
for days in (30, 90, 180, 455) * 8:
    line = 100 + np.arange(days) * 0.3 + random.normal(0, 2, days)
    began = time.process_time()
    outlook(line, limit=300.0)
    spent.append(time.process_time() - began)
    quantiles(np.tile(line, 3), period=24, horizon=48, levels=np.linspace(0.01, 0.99, 15))
print(peak() - start, 1000 * np.median(spent))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure: where it stands in the scorer's answer, its target (`low` to `high`) and the best rival's."""

    name: str
    path: tuple[str, str]
    low: float | None = None
    high: float | None = None
    rival: str = ""

    def met(self, value: float) -> bool:
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)

    @property
    def target(self) -> str:
        if self.low is not None and self.high is not None:
            return f"{self.low:g} to {self.high:g}"
        return f">= {self.low:g}" if self.low is not None else f"<= {self.high:g}"


def _points(name: str, **targets: tuple[float | None, float | None, str]) -> tuple[Row, ...]:
    rows = [Row(name=f"{name} {key}", path=(name, key), low=t[0], high=t[1], rival=t[2]) for key, t in targets.items()]
    covers = [
        Row(name=f"{name} 80 % covers", path=(name, "cov80"), low=0.76, high=0.86),
        Row(name=f"{name} 95 % covers", path=(name, "cov95"), low=0.92, high=0.98),
    ]
    return (*rows, *covers, Row(name=f"{name} ms", path=(name, "ms"), high=25.0))


ROWS = (
    Row(name="synthetic hit", path=("ttt_synth", "hit"), low=0.72, rival="0.47 Theil-Sen, 0.86 oracle"),
    Row(name="synthetic within 10 %", path=("ttt_synth", "within10pct"), low=0.40, rival="0.27 Prophet, 0.55 oracle"),
    Row(name="synthetic late", path=("ttt_synth", "late"), high=0.10, rival="0.26 Prophet, 0.08 oracle"),
    Row(name="synthetic missed within 30 d", path=("ttt_synth", "missed30"), high=0.05, rival="0.28, 0.04 oracle"),
    Row(name="synthetic false within 90 d", path=("ttt_synth", "false90"), high=0.02, rival="0.02"),
    Row(name="synthetic Brier skill 30 d", path=("ttt_synth", "bss30"), low=0.85, rival="0.64 Theil-Sen, 0.91 oracle"),
    Row(name="synthetic Brier skill 90 d", path=("ttt_synth", "bss90"), low=0.88, rival="0.62 Theil-Sen, 0.97 oracle"),
    Row(name="synthetic calibration 30 d", path=("ttt_synth", "ece30"), high=0.025),
    Row(name="synthetic ms", path=("ttt_synth", "ms"), high=25.0, rival="290 Prophet, 0.6 Theil-Sen"),
    Row(name="real hit", path=("ttt_git", "hit"), low=0.34, rival="0.32 Holt"),
    Row(name="real Brier skill 30 d", path=("ttt_git", "bss30"), low=0.40, rival="0.36 AutoARIMA"),
    Row(name="real Brier skill 90 d", path=("ttt_git", "bss90"), low=0.38, rival="0.29 mean growth"),
    Row(name="real calibration 30 d", path=("ttt_git", "ece30"), high=0.04, rival="0.07 DOTheta"),
    Row(name="real ms", path=("ttt_git", "ms"), high=25.0),
    *_points("m4_hourly", MASE=(None, 0.95, "1.15 MSTL"), sCRPS=(None, 0.54, "0.71 MSTL")),
    *_points("m4_weekly", MASE=(None, 2.20, "2.44 AutoETS"), sCRPS=(None, 1.22, "1.41 Holt")),
    *_points("m4_daily99", MASE=(None, 3.58, "3.58 Holt"), sCRPS=(None, 2.58, "2.58 Holt")),
    *_points("nn5_daily", MASE=(None, 0.80, "0.81 Theil-Sen")),
    *_points("cw_hourly", MASE_median=(None, 0.86, "0.86 AutoETS (mean)")),
    *_points("git_growth", MASE_median=(None, 5.34, "5.34 damped Holt")),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", default=os.environ.get("OPSBOT_BENCH", ""), help="folder of the capacity benchmark")
    parser.add_argument("--split", default="dev")
    chosen = parser.parse_args()
    bench = _found(chosen.bench)
    if bench is None:
        print("capacity: no benchmark found; give its folder with --bench DIR or OPSBOT_BENCH=DIR")
        return
    _print(_scored(bench, chosen.split), *_weight())


def _found(named: str) -> Path | None:
    """The folder itself or its part for capacity; None where neither holds a scorer."""
    folders = [Path(named), Path(named) / "capacity"] if named else []
    return next((folder.resolve() for folder in folders if (folder / "score.py").is_file()), None)


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def _scored(bench: Path, split: str) -> dict[str, dict[str, float]]:
    command = [sys.executable, str(bench / "score.py"), "benchmarks.adapters:Capacity", "--split", split]
    done = subprocess.run(command, cwd=ROOT, env=_environment(), capture_output=True, text=True, check=True)
    answer: dict[str, dict[str, float]] = json.loads(done.stdout.splitlines()[-1])
    return answer


def _weight() -> tuple[float, float]:
    """(MB of memory beyond numpy's and pandas's, median CPU milliseconds of an outlook)."""
    done = subprocess.run(
        [sys.executable, "-c", WEIGHT], cwd=ROOT, env=_environment(), capture_output=True, text=True, check=True
    )
    memory, spent = done.stdout.split()
    return float(memory), float(spent)


def _print(scored: dict[str, dict[str, float]], extra: float, spent: float) -> None:
    print(f"{'what':34}{'opsbot':>10}  {'target':14}{'':8}best rival")
    for row in ROWS:
        if (value := scored.get(row.path[0], {}).get(row.path[1])) is not None:
            print(f"{row.name:34}{value:10.3f}  {row.target:14}{'' if row.met(value) else 'missed':8}{row.rival}")
    edge = str(scored.get("edge_failures", "?"))
    print(f"{'degenerate inputs that fail':34}{edge:>10}  {'0/16':14}{'' if edge == '0/16' else 'missed':8}3/16")
    print(f"{'CPU ms an outlook':34}{spent:10.1f}  {'<= 25':14}{'' if spent <= 25 else 'missed'}")
    print(f"{'extra memory, MB':34}{extra:10.1f}  {'<= 40':14}{'' if extra <= 40 else 'missed':8}178 statsforecast")


if __name__ == "__main__":
    main()
