"""What a batch, a look-up and a publish cost in lakes of growing size, and how many files are left by upkeep.

    python -m benchmarks.lake [--sizes 10000,100000,1000000] [--small-sites 10000]

The lakes are written in bulk, as upkeep leaves them: invented articles of about 5 KB of text, spread over twenty sites,
with raw records of the same number (their payloads cut to 1 KB, as is the Markdown, to spare the disk).
"""

from __future__ import annotations

import argparse
import hashlib
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import Transaction

from schemas.columns import Table
from schemas.keys import content_sha256, micros, public_count_id, site_bucket, watermark_id
from schemas.records import RawRecord
from schemas.rules import validate
from schemas.tables import TABLES
from warehouse.catalog import publish
from warehouse.commit import commit_documents, land_raw
from warehouse.heads import document_heads
from warehouse.lake import Lake
from warehouse.rewrite import commit_rewrite, data_files, write_files
from warehouse.upkeep import compact, shorten_log

SITES, BATCH, RUNS, CHUNK, EDITED = 20, 100, 5, 10_000, 1000
START = datetime(2005, 1, 1, tzinfo=UTC)
LEARNT = datetime(2024, 1, 1, tzinfo=UTC)
_WORDS = [f"{a}{b}" for a in "ba be bi bo bu ka ke ki ko ku la le li lo lu ma me mi mo mu".split() for b in
          "r rn st t nd ng l ll m ss th ck sh p x".split()]  # fmt: skip


def _pool(count: int, words: int) -> pa.Array:
    random_ = random.Random(3)
    return pa.array([" ".join(random_.choices(_WORDS, k=words)) for _ in range(count)])


class Corpus:
    """Invented documents, the same ones every time."""

    def __init__(self, words: int) -> None:
        # Two halves out of pools of different sizes: four million texts, none of them twice.
        self._parts = [_pool(2003, words // 2), _pool(1999, words - words // 2)]
        self._short = pa.array([text[:1000] for text in self._parts[0].to_pylist()])

    def documents(self, site: str, first: int, count: int) -> tuple[pa.Table, pa.Table]:
        """Return rows of ``documents`` and of ``raw``: first versions, oldest first."""
        numbers = range(first, first + count)
        shorts = self._short.take(pa.array([number % len(self._short) for number in numbers]))
        parts = [pool.take(pa.array([number % len(pool) for number in numbers])) for pool in self._parts]
        texts = pc.binary_join_element_wise(*parts, " ")
        ids = [str(number) for number in numbers]
        published = [START + timedelta(hours=number) for number in numbers]
        payloads = [
            f"{site} {number} {text}".encode() for number, text in zip(numbers, shorts.to_pylist(), strict=True)
        ]
        hashes = [hashlib.sha256(payload).hexdigest() for payload in payloads]
        columns = {
            "site_bucket": site_bucket(site), "site": site, "kind": "post", "id": ids, "document_version": 1,
            "valid_from": LEARNT, "first_seen_at": LEARNT, "_ingested_at": LEARNT, "_run_id": "bulk", "source": "rest",
            "url": [f"https://{site}/{id_}/" for id_ in ids], "title": [f"Article {id_}" for id_ in ids],
            "text": texts, "markdown": shorts, "status": "publish",
            "published_at": published, "modified_at": published, "_raw_sha256": hashes, "_state_sha256": hashes,
            "content_sha256": hashes, "raw_sha256": hashes, "fetched_at": LEARNT, "payload": payloads,
            "http_status": 200, "minhash": [[]] * count,
        }  # fmt: skip
        return _table(TABLES["documents"], columns, count), _table(TABLES["raw"], columns, count)


def _table(declared: Table, columns: dict[str, Any], count: int) -> pa.Table:
    def array(field: pa.Field) -> pa.Array:
        value = columns.get(field.name)
        if isinstance(value, pa.Array | list):
            return pa.array(value, field.type) if isinstance(value, list) else value.cast(field.type)
        return pa.repeat(pa.scalar(value, field.type), count) if value is not None else pa.nulls(count, field.type)

    return pa.table([array(field) for field in declared.schema()], schema=declared.schema())


def build(root: str, sizes: dict[str, int], corpus: Corpus, *, at_a_time: int = 1) -> Lake:
    """Make a lake of sites of these sizes; a file for each site and ten thousand documents, a few commits."""
    lake = Lake.open(root, create=True)
    pending: list[tuple[str, Any]] = []
    marks: list[Transaction] = []

    def commit() -> None:
        for name in ("raw", "documents"):
            actions = [action for table, action in pending if table == name]
            # Written once in the form that upkeep leaves, or the first upkeep would rewrite every file.
            commit_rewrite(lake.table(name), TABLES[name], actions, marks if name == "documents" else ())
        pending.clear()
        marks.clear()

    tables = {name: lake.table(name) for name in ("raw", "documents")}
    for done, (site, count) in enumerate(sizes.items(), 1):
        for first in range(0, count, CHUNK):
            part = corpus.documents(site, first, min(CHUNK, count - first))
            for name, rows in zip(("documents", "raw"), part, strict=True):
                written = write_files(tables[name], TABLES[name], rows, data_change=True, stem="merged")
                pending += [(name, action) for action in written]
        newest = micros(START + timedelta(hours=count - 1))
        marks += [Transaction(watermark_id(site, "post"), newest), Transaction(public_count_id(site, "post"), count)]
        if done % at_a_time == 0 or done == len(sizes):
            commit()
    return lake


def edits(site: str, numbers: Sequence[int], state: int) -> tuple[list[RawRecord], pa.Table]:
    """Return records and rows of a new state of these documents."""
    now, random_ = datetime.now(UTC), random.Random(state)
    records, rows = [], []
    for number in numbers:
        text = f"State {state} of {number}. " + " ".join(random_.choices(_WORDS, k=900))
        record = RawRecord(site, "post", str(number), text.encode(), "rest", now)
        records.append(record)
        rows.append({
            "site_bucket": site_bucket(site), "site": site, "kind": "post", "id": str(number), "document_version": 1,
            "valid_from": now, "first_seen_at": now, "_ingested_at": now, "_run_id": "edit", "source": "rest",
            "title": f"Article {number}", "text": text, "markdown": text, "status": "publish", "modified_at": now,
            "published_at": START + timedelta(hours=number), "_raw_sha256": record.sha256,
            "_state_sha256": record.sha256, "content_sha256": content_sha256("", text),
        })  # fmt: skip
    data, _, errors = validate(TABLES["documents"], rows)
    assert not errors, errors
    return records, data


def kept(root: str, size: int, corpus: Corpus) -> Lake:
    """Make and publish a lake as upkeep leaves it, with ``EDITED`` documents of one site edited since."""
    a_site = size // SITES
    lake = build(root, {f"site-{n}.example": a_site for n in range(SITES)}, corpus)
    compact(lake, "documents")
    records, rows = edits("site-7.example", range(min(EDITED, a_site)), 1)
    land_raw(lake, records, "edit")
    commit_documents(lake, rows)
    publish(lake)
    return lake


def _files(root: str) -> dict[Path, int]:
    return {path: path.stat().st_size for path in Path(root).rglob("*") if path.is_file()}


def _taken(action: Callable[[], Any]) -> tuple[float, float]:
    began, cpu = time.perf_counter(), time.process_time()
    action()
    return time.perf_counter() - began, time.process_time() - cpu


def _median(rows: list[tuple[float, float]]) -> tuple[float, float]:
    return statistics.median(r[0] for r in rows), statistics.median(r[1] for r in rows)


def measure(lake: Lake, sites: dict[str, int]) -> dict[str, tuple[float, float]]:
    """Return (seconds, CPU seconds) of each step, and bytes written by a batch as the last entry."""
    random_ = random.Random(5)
    steps: dict[str, list[tuple[float, float]]] = {}
    publish(lake)
    for run in range(RUNS + 1):
        site = list(sites)[run]
        numbers = range(sites[site])
        batches = {"100 newest edited": list(numbers)[-BATCH:], "100 anywhere edited": random_.sample(numbers, BATCH)}
        known = [(site, "post", str(number)) for number in random_.sample(numbers, BATCH)]
        taken = {"100 looked up, no change": _taken(lambda: document_heads(lake.table("documents"), known))}  # noqa: B023
        for name, chosen in batches.items():
            records, rows = edits(site, chosen, run)
            before = _files(lake.root)
            taken[name] = _taken(lambda: (land_raw(lake, records, "edit"), commit_documents(lake, rows)))  # noqa: B023
            after = _files(lake.root)
            size = sum(size for path, size in after.items() if path not in before)
            taken[f"bytes by {name}"] = (float(size), 0.0)
        taken["publish"] = _taken(lambda: publish(lake))
        if run:  # the first one warms up
            for name, pair in taken.items():
                steps.setdefault(name, []).append(pair)
    return {name: _median(rows) for name, rows in steps.items()}


def growth(sizes: Sequence[int]) -> None:
    """Print what each step costs at each size, and how much more than in the smallest lake."""
    first: dict[str, tuple[float, float]] = {}
    for size in sizes:
        folder = tempfile.mkdtemp(prefix="presslake-bench-")
        try:
            sites = {f"site-{number}.example": size // SITES for number in range(SITES)}
            began = time.perf_counter()
            lake = build(f"{folder}/lake", sites, Corpus(900))
            taken = sum(_files(lake.root).values()) / 1e6
            print(f"\n{size:,} documents, {taken:,.0f} MB on disk, built in {time.perf_counter() - began:.0f} s")
            print(f"{'median of ' + str(RUNS):32} {'seconds':>9} {'growth':>7} {'CPU s':>9} {'growth':>7}")
            found = measure(lake, sites)
            first = first or found
            for name, (wall, cpu) in found.items():
                if name.startswith("bytes"):
                    print(f"{name:32} {wall / 1e3:6.0f} kB {wall / first[name][0]:7.2f}")
                else:
                    base = first[name]
                    print(f"{name:32} {wall:9.3f} {wall / base[0]:7.2f} {cpu:9.3f} {cpu / max(base[1], 1e-9):7.2f}")
            _upkeep(lake)
        finally:
            shutil.rmtree(folder)


def _sizes(lake: Lake) -> Iterator[str]:
    for name in ("documents", "raw"):
        files = data_files(lake.table(name))
        middle = statistics.median(files.values()) / 1e3
        yield f"{name} {len(files):,} files, {sum(files.values()) / 1e6:,.0f} MB, median {middle:,.0f} kB"


def tidy(lake: Lake) -> None:
    """Merge the files of documents and raw records, as upkeep does."""
    for name in ("documents", "raw"):
        compact(lake, name)
        shorten_log(lake, name)


def _upkeep(lake: Lake) -> None:
    print("before maintain: " + "; ".join(_sizes(lake)))
    wall, _ = _taken(lambda: tidy(lake))
    print(f"after, {wall:.1f} s: " + "; ".join(_sizes(lake)))


def small_sites(count: int) -> None:
    """Print how many files ten thousand small sites come to: each brought in by itself, then maintained."""
    folder = tempfile.mkdtemp(prefix="presslake-bench-")
    try:
        sites = {f"blog-{number}.example": 50 for number in range(count)}
        lake = build(f"{folder}/lake", sites, Corpus(180), at_a_time=250)
        print(f"\n{count:,} sites of 50 documents of 1 KB, a file each")
        _upkeep(lake)
        wall, cpu = _taken(lambda: publish(lake))
        print(f"publish {wall:.2f} s, CPU {cpu:.2f} s")
    finally:
        shutil.rmtree(folder)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lake", description=__doc__)
    parser.add_argument("--sizes", default="10000,100000,1000000", help="numbers of documents, smallest first")
    parser.add_argument("--small-sites", type=int, default=10_000, help="0: leave that part out")
    given = parser.parse_args(arguments)
    growth([int(size) for size in given.sizes.split(",") if size])
    if given.small_sites:
        small_sites(given.small_sites)


if __name__ == "__main__":
    main()
