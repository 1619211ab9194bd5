"""What an hourly run of one site costs as the lake grows: an increment of 100 edits, and one that finds nothing new.

    python -m benchmarks.increments [--sizes 10000,100000,1000000]

A twentieth of the documents is a site on loopback, brought in over HTTP as any other; the rest is written in bulk, as
upkeep leaves it. Counted is the whole run: requests, commits, publishing.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.ingestion import write_posts
from benchmarks.lake import BATCH, SITES, Corpus, build, tidy
from benchmarks.wordpress import Edit, site
from flows.jobs import IngestRequest, Outcome, ingest
from flows.settings import Settings
from warehouse.lake import Lake

RUNS = 5
_WORDS = 30
_APART = timedelta(hours=6)  # beyond what an increment looks back: every run finds its own edits, and no others


def write_short_posts(path: Path, count: int) -> None:
    """Write posts of a sentence each: what is measured is the lake, not the extraction."""
    write_posts(path, min(count, 500))
    models, random_ = [json.loads(line) for line in path.open()], random.Random(4)
    with path.open("w") as out:
        for number in range(1, count + 1):
            words = " ".join(f"word{random_.randrange(900)}" for _ in range(_WORDS))
            told = {
                "id": number,
                "slug": f"post-{number}",
                "content": {"rendered": f"<p>{words}</p>", "protected": False},
            }
            out.write(json.dumps({**models[number % len(models)], **told}) + "\n")


def run(url: str, lake: Lake) -> tuple[float, Outcome]:
    """Ingest the site; return the seconds and the outcome."""
    began = time.perf_counter()
    outcome = ingest(IngestRequest((url,)), Settings(lake=lake.root))
    assert outcome.exit_code == 0, outcome.as_json()
    return time.perf_counter() - began, outcome


def measure(url: str, edit: Edit, count: int, lake: Lake) -> dict[str, list[float]]:
    """Return the seconds of each run by what it found, and the most requests of a stream when it found nothing."""
    taken: dict[str, list[float]] = {
        "100 newest edited": [],
        "100 anywhere edited": [],
        "nothing new": [],
        "requests": [],
    }
    random_ = random.Random(6)
    when = datetime.now(UTC) - (2 * RUNS + 4) * _APART
    for number in range(RUNS + 1):
        chosen = {
            "100 newest edited": range(count - BATCH, count),
            "100 anywhere edited": random_.sample(range(count), BATCH),
        }
        for name, places in chosen.items():
            when += _APART
            edit(places, when)
            seconds, outcome = run(url, lake)
            assert sum(row["changed"] for row in outcome.streams) == BATCH, outcome.as_json()
            if number:  # the first one warms up
                taken[name].append(seconds)
        seconds, outcome = run(url, lake)
        if number:
            taken["nothing new"].append(seconds)
            taken["requests"].append(max(row["requests"] for row in outcome.streams))
    return taken


def growth(sizes: Sequence[int]) -> None:
    """Print what each kind of run takes in lakes of these sizes."""
    print(f"Medians of {RUNS} runs in seconds (from – to); the site holds a twentieth of the documents\n")
    print(
        "| documents | 100 newest edited | 100 anywhere edited | nothing new | requests a stream then |\n|---|---|---|---|---|"
    )
    first: dict[str, float] = {}
    last: dict[str, float] = {}
    for size in sizes:
        with tempfile.TemporaryDirectory() as name:
            source = Path(name, "posts.ndjson")
            write_short_posts(source, size // SITES)
            lake = build(f"{name}/lake", {f"site-{n}.example": size // SITES for n in range(1, SITES)}, Corpus(900))
            with site(source) as (url, edit):
                run(url, lake)
                tidy(lake)
                taken = measure(url, edit, size // SITES, lake)
        requests = max(taken.pop("requests"))
        cells = [f"{statistics.median(s):.2f} ({min(s):.2f}–{max(s):.2f})" for s in taken.values()]
        print(f"| {size:,} | {' | '.join(cells)} | {requests:.0f} |", flush=True)
        last = {name: statistics.median(seconds) for name, seconds in taken.items()}
        first = first or last
    ratios = ", ".join(f"{name} {last[name] / first[name]:.2f}×" for name in first)
    print(
        f"\nFrom the smallest to the largest lake: {ratios} (goal: at most 1.5×; 2 requests a stream when nothing is new)"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sizes", default="10000,100000,1000000", help="numbers of documents, smallest first")
    growth([int(size) for size in parser.parse_args(arguments).sizes.split(",")])


if __name__ == "__main__":
    main()
