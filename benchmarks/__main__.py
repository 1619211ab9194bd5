"""Run the benchmarks, print their tables and write them to docs/benchmarks.md.

    python -m benchmarks [--size small|medium|full] [--peers PYTHON] [--only NAME …]

Ratios are paired: both sides run in turn, so a slow machine slows both. ``small`` tries everything out in minutes and
writes nothing; ``medium`` takes half an hour, ``full`` about two hours on two cores and 20 GB of disk. With ``--only`` the
page keeps its other parts as they are.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import deltalake
import duckdb
import pyarrow
import trafilatura

from benchmarks import (
    extraction,
    increments,
    ingestion,
    lake,
    memory,
    pages,
    queries,
    recipes,
    stages,
    startup,
    wordpress,
)

_PAGE = Path(__file__).resolve().parents[1] / "docs" / "benchmarks.md"
_INTRODUCTION = """# Benchmarks

`make bench` measures all this on your machine and writes this page. What counts are ratios: both sides of each run in
turn on the same machine. The programs are in `benchmarks/`; their first lines say what is compared.

"""


class _Tee(io.StringIO):
    """Keeps what is printed, and prints it."""

    def write(self, text: str) -> int:
        """Write to both."""
        sys.__stdout__.write(text)  # type: ignore[union-attr]
        sys.__stdout__.flush()  # type: ignore[union-attr]
        return super().write(text)


# What each part is given, by size.
_ARGUMENTS = {
    "small": {
        "wordpress": "--posts 1000 --rounds 1", "pages": "--pages 100 --rounds 1",
        "datatrove": "--pages 100 --rounds 1", "growth": "--sizes 10000,20000",
        "queries": "--size 20000", "memory": "--sizes 1000,3000 --wxr-mb 20 --rounds 1",
    },
    "medium": {
        "wordpress": "--posts 4000", "pages": "--pages 400", "datatrove": "--pages 400",
        "growth": "--sizes 10000,100000", "queries": "--size 200000",
        "memory": "--sizes 4000,16000 --wxr-mb 100",
    },
    "full": dict.fromkeys(("wordpress", "pages", "datatrove", "growth", "queries", "memory"), ""),
}  # fmt: skip


def sections(size: str, peers: str | None) -> dict[str, tuple[str, Callable[[], None]]]:
    """Return by name the title of each part and what prints it."""
    given = {name: arguments.split() for name, arguments in _ARGUMENTS[size].items()}
    beside = ["--peers", peers] if peers else []
    return {
        "wordpress": ("A WordPress site to a queryable lake", lambda: wordpress.main(given["wordpress"] + beside)),
        "stages": ("Where the time goes", lambda: stages.main([])),
        "saved": ("Saved posts", ingestion.main),
        "pages": ("HTML pages", lambda: pages.main(given["pages"])),
        "datatrove": ("HTML pages beside datatrove", lambda: pages.main(given["datatrove"] + beside)),
        "extraction": ("Extraction alone", extraction.main),
        "increments": ("Increments as the lake grows", lambda: increments.main(given["growth"])),
        "growth": (
            "Steps of an increment as the lake grows",
            lambda: lake.main(["--small-sites", "0", *given["growth"]]),
        ),
        "queries": ("Questions through the views", lambda: queries.main(given["queries"])),
        "recipes": ("Recipes", lambda: recipes.main(given["queries"])),
        "memory": ("Memory", lambda: memory.main(given["memory"])),
        "startup": ("Start-up", startup.main),
    }


def machine(peers: str | None) -> str:
    """Return the machine and the versions in a paragraph."""
    names = [line.split(":", 1)[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    memory_kb = next((int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), 0)
    versions = {"Python": platform.python_version(), "pyarrow": pyarrow.__version__, "duckdb": duckdb.__version__,
                "deltalake": deltalake.__version__, "trafilatura": trafilatura.__version__}  # fmt: skip
    if peers:
        ask = "from importlib.metadata import version; print(version('dlt'), version('datatrove'))"
        dlt, datatrove = subprocess.run([peers, "-c", ask], check=True, capture_output=True, text=True).stdout.split()
        versions |= {"dlt": dlt, "datatrove": datatrove}
    listed = ", ".join(f"{name} {version}" for name, version in versions.items())
    return (
        f"Measured on {datetime.now(UTC):%Y-%m-%d} on {os.cpu_count()} cores of {names[0] if names else platform.machine()}"
        f" with {memory_kb / 1e6:.0f} GB of memory: {listed}. With all cores at work each of them does {_together():.0%} of"
        " what one does alone.\n"
    )


def _together() -> float:
    """Return the speed of a core while all of them work, as a share of what it does alone."""

    def seconds(processes: int) -> float:
        work = [sys.executable, "-c", "for n in range(20_000_000): n * n % 7"]
        began = time.perf_counter()
        for process in [subprocess.Popen(work) for _ in range(processes)]:
            process.wait()
        return time.perf_counter() - began

    rounds = [seconds(1) / seconds(os.cpu_count() or 1) for _ in range(5)]
    return statistics.median(rounds)


def _lines(path: str) -> list[str]:
    with contextlib.suppress(OSError):
        return Path(path).read_text().splitlines()
    return []


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--size", choices=list(_ARGUMENTS), default="full", help="how much of everything")
    parser.add_argument("--peers", help="Python of an environment with dlt and datatrove")
    parser.add_argument("--only", nargs="*", help="parts to run; the page keeps the others")
    given = parser.parse_args()
    about = machine(given.peers)
    written = _stored()
    parts = sections(given.size, given.peers)
    for name, (title, action) in parts.items():
        if (given.only and name not in given.only) or (name == "datatrove" and not given.peers):
            continue
        tee, began = _Tee(), time.monotonic()
        with contextlib.redirect_stdout(tee):
            print(f"\n## {title}\n")
            action()
        print(f"({time.monotonic() - began:.0f} s)", file=sys.stderr)
        written[title] = _as_markdown(tee.getvalue())
        if given.size != "small":
            order = [title for title, _ in parts.values()]
            _PAGE.write_text(_INTRODUCTION + about + "\n" + "\n".join(written[t] for t in order if t in written))


def _stored() -> dict[str, str]:
    """Return the parts of the page as it stands, by title."""
    parts = "\n".join(_lines(str(_PAGE))).split("\n## ")[1:]
    return {part.partition("\n")[0]: f"## {part.strip()}\n" for part in parts}


def _as_markdown(text: str) -> str:
    """Fence what was aligned for a terminal."""
    head, _, body = text.strip().partition("\n")
    if "|---|" not in body:
        body = f"```\n{body.strip()}\n```"
    return f"{head}\n\n{body.strip()}\n"


if __name__ == "__main__":
    main()
