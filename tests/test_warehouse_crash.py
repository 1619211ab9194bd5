"""Two hundred writers killed, one after the other, while somebody reads: nothing acknowledged is lost, nothing doubled."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from urllib.parse import unquote

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from crashing import DOCUMENTS, SITE

from warehouse.integrity import check
from warehouse.lake import Lake

ROOT = Path(__file__).resolve().parents[1]
KILLS = 200


class Reader(threading.Thread):
    """Polls the catalog as an analyst would and writes down what should never be seen."""

    def __init__(self, root: Path) -> None:
        super().__init__()
        self.root, self.stopped = root, threading.Event()
        self.seen, self.wrong, self.newest = 0, [], -1

    def run(self) -> None:
        while not self.stopped.wait(0.02):
            if (self.root / "catalog.duckdb").exists():
                self.look()

    def look(self) -> None:
        try:
            with duckdb.connect(str(self.root / "catalog.duckdb"), read_only=True) as connection:
                states = connection.execute("SELECT text, count(*) FROM documents GROUP BY ALL").fetchall()
        except duckdb.IOException as error:
            # The writers vacuum with nothing to spare, so a catalog held for a moment too long loses its files.
            if "No files found" not in str(error) and "Cannot open file" not in str(error):
                self.wrong.append(str(error))
            return
        self.seen += 1
        if not states:
            return
        state = int(states[0][0].removeprefix("State "))
        if len(states) > 1 or states[0][1] != DOCUMENTS or state < self.newest:
            self.wrong.append(f"{states} after {self.newest}")
        self.newest = max(self.newest, state)


def read_alone(folder: Path) -> pa.Table:
    """Read a Delta table by its log and files alone, with nothing of what wrote it."""
    log = folder / "_delta_log"
    active: set[str] = set()
    first = 0
    checkpoints = sorted(log.glob("*.checkpoint.parquet"))
    if checkpoints:
        adds = pq.read_table(checkpoints[-1], columns=["add"]).column("add").combine_chunks().drop_null()
        active = set(adds.field("path").to_pylist())
        first = int(checkpoints[-1].name.split(".")[0]) + 1
    for entry in sorted(p for p in log.glob("*.json") if p.stem.isdecimal() and int(p.stem) >= first):
        for line in entry.read_text().splitlines():
            action = json.loads(line)
            active |= {action["add"]["path"]} if "add" in action else set()
            active -= {action["remove"]["path"]} if "remove" in action else set()
    tables = [pq.ParquetFile(folder / unquote(path)).read() for path in sorted(active)]
    return pa.concat_tables(tables, promote_options="default")


@pytest.mark.timeout(1500)
def test_killed_writers_lose_and_double_nothing(tmp_path: Path) -> None:
    root = tmp_path / "lake"
    reader = Reader(root)
    reader.start()
    try:
        done = subprocess.run(
            [sys.executable, "tests/crashing.py", str(root), str(KILLS), "7"], cwd=ROOT, capture_output=True, text=True,
            env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}, timeout=1400,
        )  # fmt: skip
        time.sleep(0.1)
    finally:
        reader.stopped.set()
        reader.join()
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["at_steps"] + told["at_random"] >= KILLS and told["at_random"] > 50, told
    assert not reader.wrong and reader.seen > 20, (reader.seen, reader.wrong[:3])
    assert reader.newest >= 0

    states = [f"State {number}" for number in range(told["states"])]
    documents = read_alone(root / "documents")
    held = Counter(zip(documents.column("id").to_pylist(), documents.column("text").to_pylist(), strict=True))
    assert held == {(str(id_), state): 1 for id_ in range(1, DOCUMENTS + 1) for state in states}
    versions = Counter(
        zip(documents.column("id").to_pylist(), documents.column("document_version").to_pylist(), strict=True)
    )
    assert versions == {(str(id_), n + 1): 1 for id_ in range(1, DOCUMENTS + 1) for n in range(len(states))}
    terms = read_alone(root / "terms")
    assert sorted(terms.column("id").to_pylist(), key=int) == [str(n) for n in range(1, DOCUMENTS + 1)]
    assert set(terms.column("name").to_pylist()) == {states[-1]}
    raw = read_alone(root / "raw")
    assert set(
        Counter(zip(*(raw.column(n).to_pylist() for n in ("kind", "id", "raw_sha256")), strict=True)).values()
    ) == {1}
    assert raw.num_rows == 2 * DOCUMENTS * len(states) and set(raw.column("site").to_pylist()) == {SITE}
    broken = [finding for finding in check(Lake.open(str(root))) if finding.broken]
    assert not broken, broken
