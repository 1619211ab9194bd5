"""The most memory that an ingest ever holds, main process and workers together, as the number of documents grows.

    python -m benchmarks.memory [--sizes 10000,100000] [--wxr-mb 1000] [--rounds 5]

Counted is the proportional share (PSS) of every process of the command, looked at ten times a second: each look walks
through all their pages, and more of them would slow what they look at.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from benchmarks.ingestion import write_posts, write_wxr

_EVERY_S = 0.1


def tree(root: int) -> list[int]:
    """Return the ids of a process and all its descendants (Linux: proc(5))."""
    parents: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parent = path.read_text(errors="replace").rpartition(")")[2].split()[1]
            parents.setdefault(int(parent), []).append(int(path.parent.name))
    found = [root]
    for pid in found:
        found += parents.get(pid, [])
    return found


def share(pid: int) -> int:
    """Return the bytes that a process holds, shared pages counted by their share."""
    with suppress(OSError, StopIteration, ValueError):
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("Pss:")).split()[1]) * 1024
    return 0


def peak(source: Path, lake: Path) -> tuple[int, float]:
    """Ingest a file; return the most bytes held at a time, and the seconds it took."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "flows.cli", "ingest", str(source), "--lake", str(lake), "--json"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    most = 0
    while process.poll() is None:
        most = max(most, sum(map(share, tree(process.pid))))
        time.sleep(_EVERY_S)
    assert process.returncode == 0
    return most, time.perf_counter() - began


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sizes", default="10000,100000")
    parser.add_argument("--wxr-mb", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        sources: dict[str, tuple[Path, int]] = {}
        for size in map(int, given.sizes.split(",")):
            path = Path(folder, f"{size}.ndjson")
            write_posts(path, size)
            sources[f"{size} saved posts"] = path, size
        path = Path(folder, "export.xml")
        count = write_wxr(path, given.wxr_mb * 1_000_000)
        sources[f"an export (WXR) of {given.wxr_mb} MB, {count} posts"] = path, count
        peaks: dict[str, list[float]] = {name: [] for name in sources}
        speeds: dict[str, list[float]] = {name: [] for name in sources}
        for _ in range(given.rounds):
            for name, (path, count) in sources.items():
                with tempfile.TemporaryDirectory(dir=folder) as lake:
                    most, seconds = peak(path, Path(lake, "lake"))
                peaks[name].append(most / 1e6)
                speeds[name].append(count / seconds)
    print(f"{given.rounds} runs; each figure is the median (from – to)\n")
    print("| source | peak of all processes, MB | documents a second |\n|---|---|---|")
    for name in sources:
        print(f"| {name} | {_spread(peaks[name])} | {_spread(speeds[name])} |")
    saved = list(peaks.values())[:-1]
    growth = [large / small for small, large in zip(saved[0], saved[-1], strict=True)]
    print(
        f"\nFrom the smallest to the largest number of saved posts: {_spread(growth, 2)}× (goal: 1.2×, and 600 MB for all)"
    )


def _spread(figures: list[float], digits: int = 0) -> str:
    return f"{statistics.median(figures):.{digits}f} ({min(figures):.{digits}f}–{max(figures):.{digits}f})"


if __name__ == "__main__":
    main()
