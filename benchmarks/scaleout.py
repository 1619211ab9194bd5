"""What a second Dask worker brings: the same files loaded and extracted again by one worker and by two.

    python -m benchmarks.scaleout [posts] [rounds]

Both run in turn, several times. What is compared is the time the shards themselves take, by the run ledger: starting a
cluster costs the same seconds whatever it is for, and is told apart. Needs the extra ``dask``.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.ingestion import write_posts


def seconds(streams: list[dict[str, Any]]) -> float:
    """The longest of the shards, which ran side by side."""
    return float(max(row["seconds"] for row in streams))


def main() -> None:
    from prefect.testing.utilities import prefect_test_harness

    posts, rounds = int((sys.argv[1:] + ["20000"])[0]), int((sys.argv[2:] + ["5"])[0])
    folder = Path(tempfile.mkdtemp())
    took: dict[tuple[str, int], list[float]] = {}
    try:
        write_posts(folder / "posts.ndjson", posts)
        with prefect_test_harness(server_startup_timeout=180):
            from flows.bulk import bulk

            for _ in range(rounds):
                for workers in (1, 2):
                    lake = str(folder / "lake")
                    shutil.rmtree(lake, ignore_errors=True)
                    began = time.monotonic()
                    loaded = bulk([str(folder / "posts.ndjson")], lake=lake, workers=workers)
                    took.setdefault(("whole run", workers), []).append(time.monotonic() - began)
                    took.setdefault(("load", workers), []).append(seconds(loaded["streams"]))
                    again = bulk([], lake=lake, workers=workers)
                    took.setdefault(("extract again", workers), []).append(seconds(again["streams"]))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"\n{posts} posts of 10 kB, {rounds} rounds; medians of seconds, and of the ratios of each round\n")
    print("| what | one worker | two workers | speed-up | of the rounds |\n|---|---|---|---|---|")
    for what in ("load", "extract again", "whole run"):
        one, two = took[what, 1], took[what, 2]
        ratios = [a / b for a, b in zip(one, two, strict=True)]
        print(f"| {what} | {statistics.median(one):.1f} | {statistics.median(two):.1f} |"
              f" {statistics.median(ratios):.2f}× | {min(ratios):.2f}–{max(ratios):.2f} |")  # fmt: skip


if __name__ == "__main__":
    main()
