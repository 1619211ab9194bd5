"""Run every benchmark and print its table. Ratios are paired: both sides run in turn, so a slow machine slows both."""

from __future__ import annotations

import platform
import sys

import pyarrow
import trafilatura

from benchmarks import extraction, ingestion, startup


def main() -> None:
    print(f"Python {platform.python_version()}, pyarrow {pyarrow.__version__}, trafilatura {trafilatura.__version__}")
    for benchmark in (startup, extraction, ingestion):
        print()
        benchmark.main()
        sys.stdout.flush()


if __name__ == "__main__":
    main()
