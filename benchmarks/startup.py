"""How long a command takes from nothing to its answer, as a whole process."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RUNS = 5


def _seconds(*arguments: str) -> list[float]:
    taken = []
    for _ in range(RUNS + 1):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "flows.cli", *arguments], check=True, capture_output=True)
        taken.append(time.perf_counter() - began)
    return sorted(taken[1:])


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        note = Path(folder, "note.txt")
        note.write_text("A title\n\nAnd a paragraph of text below it.\n")
        lake = str(Path(folder, "lake"))
        cases = {
            "presslake --help": (("--help",), 0.4),
            "presslake ingest of one small file": (("ingest", str(note), "--lake", lake, "--json"), 2.0),
            'presslake sql "select 1"': (("sql", "select 1", "--lake", lake), 1.0),
        }
        print(f"{'start-up, whole process':40} {'min':>7} {'median':>7} {'max':>7}  {'goal':>6}  seconds")
        for name, (arguments, goal) in cases.items():
            taken = _seconds(*arguments)
            middle = statistics.median(taken)
            print(f"{name:40} {taken[0]:7.2f} {middle:7.2f} {taken[-1]:7.2f}  < {goal:.1f}")


if __name__ == "__main__":
    main()
