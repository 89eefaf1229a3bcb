"""How well opsbot tells strange points: both metric anomaly benchmarks through the adapter, beside their rivals.

    python benchmarks/anomaly.py --bench DIR          # or OPSBOT_BENCH=DIR; DIR holds nabscore.py, cmdscore.py, data/

One set of defaults for both. The first figure of a pair has its threshold from the series scored, the second from the
others. Rivals' figures on the Numenta benchmark are of its whole corpus, ours are of the half at hand.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
CLOUD = "realAWSCloudwatch"
CAUSAL = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure beside its target, the least it should be (`most`: the most), and the rivals'."""

    name: str
    value: float
    target: float
    rivals: str
    most: bool = False

    @property
    def met(self) -> bool:
        return self.value <= self.target if self.most else self.value >= self.target


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", default=os.environ.get("OPSBOT_BENCH", ""), help="folder of the anomaly benchmark")
    bench = _found(parser.parse_args().bench)
    if bench is None:
        print("anomaly: no benchmark found; give its folder with --bench DIR or OPSBOT_BENCH=DIR")
        return
    sys.path[:0] = [str(ROOT), str(bench)]
    _print([*_numenta(bench), *_monitoring()])


def _found(named: str) -> Path | None:
    """The folder itself or its part for anomalies; None where neither holds a scorer."""
    folders = [Path(named), Path(named) / "anomaly"] if named else []
    return next((folder.resolve() for folder in folders if (folder / "nabscore.py").is_file()), None)


def _numenta(bench: Path) -> list[Row]:
    from benchmarks.adapters import metric_scores

    scorer: Any = importlib.import_module("nabscore")
    corpus = scorer.load_corpus(bench / "data")
    began = time.process_time()
    scores = scorer.run_detector(corpus, metric_scores)
    cost = (time.process_time() - began) / sum(series.n for series in corpus.values()) * 1e6
    scorer.run_detector({name: corpus[name] for name in list(corpus)[-CAUSAL:]}, metric_scores, CAUSAL)
    cloud = {name: series for name, series in corpus.items() if name.startswith(CLOUD)}
    of_cloud = {name: scores[name] for name in cloud}
    whole, alone = scorer.score(corpus, scores), scorer.score(cloud, of_cloud)
    whole_others, alone_others = scorer.cross_validated(corpus, scores), scorer.cross_validated(cloud, of_cloud)
    return [
        Row(name="CloudWatch series", value=alone.score, target=80, rivals="73.4 Numenta, 61.4 Random Cut Forest"),
        Row(
            name="  threshold from the others", value=alone_others.score, target=75, rivals="71.0 CAD OSE, 70.2 Numenta"
        ),
        Row(name="all series", value=whole.score, target=72, rivals="74.9 ARTime, 70.1 Numenta"),
        Row(name="  threshold from the others", value=whole_others.score, target=67, rivals=""),
        Row(name="us a point", value=cost, target=50, rivals="29 HalfSpaceTrees", most=True),
    ]


def _monitoring() -> list[Row]:
    from benchmarks.adapters import metric_scores

    scorer: Any = importlib.import_module("cmdscore")
    series = scorer.load()
    rows = []
    for name, detector, target in (("opsbot", metric_scores, 0.52), ("z-score", scorer.roll3, 0.0)):
        scores = {key: np.asarray(detector(t, x, scorer.probation_rows(len(x)))) for key, (t, x, _) in series.items()}
        rows.append((name, *_f1(scorer, series, scores), target))
    (_, own, others, target), (_, rival, rival_others, _) = rows
    return [
        Row(name="Cloud Monitoring F1", value=own, target=target, rivals=f"{rival:.3f} z-score"),
        Row(name="  threshold from the others", value=others, target=0.47, rivals=f"{rival_others:.3f} z-score"),
    ]


def _f1(scorer: Any, series: dict[str, Any], scores: dict[str, Any]) -> tuple[float, float]:
    """F1 of events: with the best threshold of all, and with each domain's from the other domains."""
    own, _ = scorer.total(series, scores, scorer.best(series, scores))
    found = np.zeros(4)
    for domain in sorted({key.split("/")[0] for key in series}):
        theirs = {key: value for key, value in series.items() if key.startswith(domain + "/")}
        rest = {key: value for key, value in series.items() if key not in theirs}
        found += scorer.total(theirs, scores, scorer.best(rest, scores))[1]
    return float(own), float(2 * found[0] / max(1, found[0] + found[2] + found[1]))


def _print(rows: list[Row]) -> None:
    print(f"{'what':34}{'opsbot':>10}  {'target':14}{'':8}rivals")
    for row in rows:
        target = f"{'<=' if row.most else '>='} {row.target:g}"
        print(f"{row.name:34}{row.value:10.3f}  {target:14}{'' if row.met else 'missed':8}{row.rivals}")


if __name__ == "__main__":
    main()
