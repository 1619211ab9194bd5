"""Where the CPU time of a post goes, from its bytes to the published lake.

    python -m benchmarks.stages [--posts 4000]

Everything runs in one process, one thing after another, so that neither waiting nor overlap blurs the picture: what it
adds up to is what the processor cores share when presslake runs as it usually does. The functions are timed where they
are called; what a function calls that is timed itself counts there.
"""

from __future__ import annotations

import argparse
import json
import pickle
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import flows.curation
import flows.pipeline
import flows.rows.posts
from benchmarks.ingestion import write_posts
from flows.batches import Batch, gathered
from flows.pipeline import Pipeline
from flows.readers.files import FileOptions, read
from flows.settings import Settings
from schemas.sources import Source
from warehouse.catalog import publish
from warehouse.lake import Lake

RUNS = 5
Timed = Mapping[str, tuple[tuple[ModuleType, str], ...]]
"""By stage, the functions that are it, by the module that calls them."""
_TIMED: Timed = {
    "read text, Markdown, links, media": ((flows.rows.posts, "extract_fragment"),),
    "tell the language, count words": ((flows.rows.posts, "language"), (flows.rows.posts, "word_count")),
    "the rest of a row: decode JSON, dates, names, hashes": ((flows.pipeline, "curate"),),
    "check against the schema, make Arrow": ((flows.pipeline, "validate"),),
    "compare states": ((flows.pipeline, "document_state"), (flows.pipeline, "document_heads")),
    "write raw": ((flows.pipeline, "land_raw"),),
    "write documents": ((flows.pipeline, "commit_documents"),),
    "write entities": ((flows.pipeline, "commit_entities"),),
}


class Stages:
    """CPU seconds by stage; a stage inside another one takes its time from it."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._inner = [0.0]

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        began = time.process_time()
        self._inner.append(0.0)
        try:
            yield
        finally:
            taken = time.process_time() - began
            self.seconds[name] += taken - self._inner.pop()
            self._inner[-1] += taken

    @contextmanager
    def watching(self, timed: Timed) -> Iterator[None]:
        """Time these functions wherever they are called meanwhile."""
        with ExitStack() as patched:
            for name, places in timed.items():
                for module, function in places:
                    patched.enter_context(patch.object(module, function, self._timed(name, getattr(module, function))))
            yield

    def _timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*arguments: Any, **options: Any) -> Any:
            with self.stage(name):
                return function(*arguments, **options)

        return wrapper


def measure(source: Path, lake: Lake) -> dict[str, float]:
    """Bring the posts of a file to a lake; return the CPU seconds of each stage."""
    stages = Stages()
    settings = Settings(lake=lake.root, workers=1)
    with stages.watching(_TIMED):
        with stages.stage("cut the JSON into records"):
            records = read(Source.parse(str(source)), FileOptions(None, settings.max_file_bytes))
            batches = list(gathered(records, most=settings.batch_records, most_bytes=settings.batch_bytes))
        with Pipeline(lake, "stages", settings) as pipeline, stages.stage("all else: names, counts, notes"):
            for batch in batches:
                pipeline.process(batch)
        with stages.stage("publish"):
            publish(lake)
    _between_processes(batches, stages)
    return stages.seconds


def _between_processes(batches: list[Batch], stages: Stages) -> None:
    """Take the records and what is made of them through what workers and their owner tell one another."""
    for batch in batches:
        made = [flows.curation.curate(record) for record in batch.records]
        with stages.stage("between processes"):
            for told in (batch.records, made):
                pickle.loads(pickle.dumps(told, pickle.HIGHEST_PROTOCOL))


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--posts", type=int, default=4000)
    posts = parser.parse_args(arguments).posts
    runs = []
    with tempfile.TemporaryDirectory() as name:
        source = Path(name, "posts.ndjson")
        write_posts(source, posts)
        for run in range(RUNS):
            runs.append(measure(source, Lake.open(f"{name}/lake-{run}", create=True)))
            began = time.process_time()
            for line in source.open():
                json.loads(line)
            runs[-1]["(decode the JSON, nothing else)"] = time.process_time() - began
    print(f"{posts} posts of 10 KB, {RUNS} runs\n")
    table(runs, posts, "post")


def table(runs: Sequence[Mapping[str, float]], count: int, what: str) -> None:
    """Print CPU by stage, of runs over ``count`` things; what stands in parentheses is no part of the whole."""
    print(f"| stage | CPU ms a {what} | of the runs |\n|---|---|---|")
    for name in runs[-1]:
        taken = sorted(run[name] / count * 1e3 for run in runs)
        print(f"| {name} | {statistics.median(taken):.3f} | {taken[0]:.3f}–{taken[-1]:.3f} |")
    totals = [1e3 / count * sum(s for name, s in run.items() if name[0] != "(") for run in runs]
    print(f"| all of presslake | {statistics.median(totals):.3f} | {min(totals):.3f}–{max(totals):.3f} |")


if __name__ == "__main__":
    main()
