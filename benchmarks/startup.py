"""How long a person waits for `opsbot --help`: best of 7 fresh processes. Target: 0.3 s.

python benchmarks/startup.py
"""

from __future__ import annotations

import subprocess
import sys
import time


def best(words: list[str], times: int = 7) -> float:
    """Seconds of the fastest of some fresh processes: the machine may be shared, the program is not."""
    taken = []
    for _ in range(times):
        clock = time.perf_counter()
        subprocess.run([sys.executable, "-m", "opsbot", *words], check=True, stdout=subprocess.DEVNULL)
        taken.append(time.perf_counter() - clock)
    return min(taken)


def main() -> None:
    print("start-up, best of 7 fresh processes")
    print(f"  opsbot --help       {best(['--help']):.2f} s   target <= 0.30 s")
    print(f"  opsbot run --help   {best(['run', '--help']):.2f} s")


if __name__ == "__main__":
    main()
