"""Whole HTML pages to a queryable lake, against one process of trafilatura, and against datatrove's pipeline of it.

    python -m benchmarks.pages [--pages 10000] [--rounds 5]
    python -m benchmarks.pages --peers PYTHON [--pages 1000] [--rounds 5]

``--peers`` names the Python of an environment that has datatrove, and runs that comparison alone.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import subprocess
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import trafilatura

import flows.curation
import flows.extraction.page_choice
import flows.extraction.pages
import flows.rows.posts
from benchmarks.ingestion import _content
from benchmarks.race import race
from benchmarks.stages import RUNS, Stages, Timed, table
from flows.jobs import IngestRequest, ingest
from flows.readers.files import HTML
from flows.settings import Settings
from schemas.records import RawRecord

TRAFILATURA = "one process of trafilatura"
_PROFILED = 300
PROCESSES = os.cpu_count() or 1
_TIMED: Timed = {
    "trafilatura, its searches remembered": ((flows.extraction.page_choice, "_trafilatura"),),
    "resiliparse": ((flows.extraction.page_choice, "_resiliparse"),),
    "choose between them": ((flows.extraction.pages, "choose"),),
    "walk the tree: text, Markdown, links of every block": ((flows.extraction.pages, "read_page"),),
    "find the chosen lines among the blocks": ((flows.extraction.pages, "chosen_content"),),
    "parse; title, dates, people, regions": ((flows.extraction.pages, "extract_page"),),
    "tell the language, count words": ((flows.rows.posts, "language"), (flows.rows.posts, "word_count")),
}
_PAGE = """<!DOCTYPE html><html lang="en"><head><title>{title} – The Ledger</title>
<meta property="article:published_time" content="2021-05-04T10:00:00Z"><meta name="author" content="Ann Example"></head>
<body><header><nav><ul>{menu}</ul></nav></header><main><article><h1>{title}</h1>{content}</article></main>
<aside><h3>Related</h3><ul>{related}</ul></aside><footer><p>© The Ledger. All rights reserved.</p></footer></body></html>"""


def write_pages(folder: Path, count: int) -> None:
    """Write invented articles with a menu, related links and a footer around them."""
    random_ = random.Random(9)
    folder.mkdir()
    menu = "".join(f'<li><a href="/{n}/">Section {n}</a></li>' for n in range(12))
    for number in range(count):
        related = "".join(f'<li><a href="/r{n}/">Another story, number {n}</a></li>' for n in range(6))
        page = _PAGE.format(title=f"Story {number}", menu=menu, related=related, content=_content(random_))
        (folder / f"{number}.html").write_text(page)


def by_script(source: Path, folder: Path) -> None:
    """Extract page after page, as a script does."""
    rows = [
        {"id": path.name, "text": trafilatura.extract(path.read_text(), url=f"https://ledger.example/{path.name}")}
        for path in sorted(source.iterdir())
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / "script.parquet")


def by_presslake(source: Path, folder: Path) -> None:
    """Do everything that presslake does."""
    outcome = ingest(IngestRequest((str(source),)), Settings(lake=tempfile.mkdtemp(dir=folder)))
    assert outcome.exit_code == 0, outcome.as_json()


def profile(source: Path) -> None:
    """Print where the CPU time of a page goes, and what trafilatura alone takes of it where nothing speeds it up."""
    pages = sorted(source.iterdir())[:_PROFILED]
    records = [
        RawRecord("ledger.example", "page", path.name, path.read_bytes(), "file", datetime.now(UTC), content_type=HTML)
        for path in pages
    ]
    runs, alone = [], []
    for _ in range(RUNS):  # before it is told to remember anything
        began = time.process_time()
        for record in records:
            trafilatura.extract(record.payload.decode(), url=f"https://ledger.example/{record.id}")
        alone.append(time.process_time() - began)
    for taken in alone:
        stages = Stages()
        with stages.watching(_TIMED), stages.stage("the rest of a row"):
            for record in records:
                assert flows.curation.curate(record).error is None
        runs.append({**stages.seconds, "(trafilatura in the script)": taken})
    print(f"\n{len(pages)} of them in one process, {RUNS} runs\n")
    table(runs, len(pages), "page")


def beside_datatrove(source: Path, folder: Path, peers: str, rounds: int) -> None:
    """Race against datatrove's trafilatura, which reads the same pages from JSON lines, a process for each core."""
    pages = sorted(source.iterdir())
    lines = folder / "lines"
    lines.mkdir()
    for part in range(PROCESSES):
        with (lines / f"{part}.jsonl").open("w") as out:
            for path in pages[part::PROCESSES]:
                out.write(json.dumps({"id": path.name, "text": path.read_text()}) + "\n")

    def by_datatrove() -> None:
        script = Path(__file__).with_name("peer_datatrove.py")
        target = Path(tempfile.mkdtemp(dir=folder))
        command = [peers, str(script), str(lines), str(target), str(PROCESSES)]
        subprocess.run(command, check=True, capture_output=True, timeout=600)
        # It counts a page that failed as done.
        found = sum(len(gzip.open(path).readlines()) for path in target.glob("out/*.gz"))
        assert found == len(pages), f"{found} of {len(pages)} pages came out"

    contestants: dict[str, Callable[[], float | None]] = {
        "presslake, everything on": partial(by_presslake, source, folder),
        "datatrove's trafilatura, JSON lines to JSON lines": by_datatrove,
    }
    race(contestants, rounds, len(pages), "pages")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pages", type=int)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peers")
    given = parser.parse_args(arguments)
    count = given.pages or (1_000 if given.peers else 10_000)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "pages"
        write_pages(source, count)
        print(f"{count} pages of 12 KB, {given.rounds} rounds\n")
        if given.peers:
            beside_datatrove(source, folder, given.peers, given.rounds)
            return
        contestants = {
            "presslake, everything on": partial(by_presslake, source, folder),
            TRAFILATURA: partial(by_script, source, folder),
        }
        race(contestants, given.rounds, count, "pages", {TRAFILATURA: 1.8})
        profile(source)


if __name__ == "__main__":
    main()
