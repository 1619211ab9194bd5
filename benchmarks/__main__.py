"""Run the benchmarks and print their tables. Ratios are paired: both sides run in turn, so a slow machine slows both.

With ``--lake`` also what a lake costs as it grows to a million documents, which takes some minutes and 3 GB of disk.
"""

from __future__ import annotations

import platform
import sys

import pyarrow
import trafilatura

from benchmarks import extraction, ingestion, lake, startup


def main() -> None:
    print(f"Python {platform.python_version()}, pyarrow {pyarrow.__version__}, trafilatura {trafilatura.__version__}")
    for benchmark in (startup, extraction, ingestion):
        print()
        benchmark.main()
        sys.stdout.flush()
    if "--lake" in sys.argv[1:]:
        lake.main([])


if __name__ == "__main__":
    main()
