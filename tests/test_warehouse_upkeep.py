"""Compaction, vacuum and the log: fewer files, the same rows, nothing pulled away from anybody who reads."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
from documents import row, table
from lakes import query

from schemas.keys import micros, watermark_id
from schemas.records import RawRecord
from schemas.tables import TABLES
from warehouse import upkeep
from warehouse.catalog import publish
from warehouse.commit import commit_documents, land_raw, watermark
from warehouse.integrity import check
from warehouse.lake import Lake
from warehouse.rewrite import data_files
from warehouse.upkeep import compact, shorten_log, vacuum, vacuum_published

MARCH = datetime(2024, 3, 1, tzinfo=UTC)


def fill(lake: Lake, commits: int = 12, sites: tuple[str, ...] = ("example.org", "example.net")) -> None:
    """Make many small files, some of later versions."""
    for number in range(commits):
        for site in sites:
            rows = [row(id_, f"Text {number} of {id_}.", site=site) for id_ in (1, number + 10)]
            raw = [RawRecord(site, "post", r["id"], r["text"].encode(), "rest", datetime.now(UTC)) for r in rows]
            land_raw(lake, raw, "run")
            for entry, record in zip(rows, raw, strict=True):
                entry["_raw_sha256"] = record.sha256
            commit_documents(lake, table(*rows), {watermark_id(site, "post"): micros(MARCH)})


def everything(lake: Lake) -> list[dict[str, object]]:
    publish(lake)
    return query(
        lake.root, "SELECT * EXCLUDE (minhash) FROM document_versions ORDER BY site, kind, id, document_version"
    )


def broken(lake: Lake, name: str) -> int:
    return next(finding.broken for finding in check(lake) if finding.check == name)


def test_compaction_leaves_few_files_and_the_same_rows(lake: Lake) -> None:
    fill(lake)
    before = everything(lake)
    done = compact(lake, "documents")
    assert (done.files_before, done.files_after) == (24, 2)  # one for each bucket that holds a site
    assert everything(lake) == before
    assert compact(lake, "documents").files_after == 2
    assert lake.table("documents").version() == 24 + 2
    # Writers go on as before: what is known stays known, and marks stay set.
    assert commit_documents(lake, table(row(10, "Text 0 of 10."), row(99, "New."))).outcomes == ("unchanged", "new")
    assert watermark(lake, "example.org", "post") == MARCH


def test_later_versions_lie_apart(lake: Lake) -> None:
    """Publishing reads later versions only; row groups that hold none are skipped."""
    import pyarrow.parquet as pq

    fill(lake, sites=("example.org",))
    compact(lake, "documents")
    (path,) = data_files(lake.table("documents"))
    versions = pq.read_table(Path(lake.root, "documents", path), columns=["document_version"]).column(0).to_pylist()
    assert versions == [1] * 13 + list(range(2, 13))


def test_an_update_of_the_same_files_wins_over_compaction(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(lake)
    before = everything(lake)
    write = upkeep.write_files

    def meanwhile(*given: object, **more: object) -> object:
        monkeypatch.setattr(upkeep, "write_files", write)
        other = compact(lake, "documents")
        assert other.files_after == 2
        return write(*given, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(upkeep, "write_files", meanwhile)
    compact(lake, "documents")
    assert everything(lake) == before
    assert len(data_files(lake.table("documents"))) == 2


def test_groups_reach_the_target_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    mega = 1024 * 1024
    files = {f"site_bucket=01/{n:02d}.parquet": 10 * mega for n in range(15)}
    files |= {"site_bucket=02/a.parquet": 5 * mega, "site_bucket=03/a.parquet": 90 * mega, "site_bucket=03/b": mega}
    groups = list(upkeep._groups(files))
    assert [len(group) for group in groups] == [6, 6, 3]
    assert all(path.startswith("site_bucket=01/") for group in groups for path in group)


def test_vacuum_takes_nothing_from_a_catalog_that_is_open(lake: Lake) -> None:
    fill(lake)
    publish(lake)
    with duckdb.connect(str(Path(lake.root, "catalog.duckdb")), read_only=True) as reader:
        count = reader.execute("SELECT count(*), max(text) FROM document_versions").fetchone()
        for name in TABLES:
            compact(lake, name)
            vacuum(lake, name, keep_days=7)
        publish(lake)
        vacuum_published(lake, keep_days=7)
        assert reader.execute("SELECT count(*), max(text) FROM document_versions").fetchone() == count
    # Once nobody can have it open any more, it goes.
    assert vacuum(lake, "documents", keep_days=0) == 24
    assert everything(lake) and broken(lake, "files") == 0


def test_leftovers_of_crashes_go_but_not_the_files_of_a_writer_at_work(lake: Lake) -> None:
    fill(lake, commits=2)
    folder = Path(lake.root, "documents", "site_bucket=01")
    folder.mkdir(exist_ok=True)
    old, new, stray = folder / "part-old.parquet", folder / "part-new.parquet", folder / "part-x.parquet#1"
    for path in (old, new, stray):
        path.write_bytes(b"half")
    for path in (old, stray):
        os.utime(path, (time.time() - 30 * 86400,) * 2)
    vacuum(lake, "documents", keep_days=7)
    assert (old.exists(), new.exists(), stray.exists()) == (False, True, False)


def test_files_of_earlier_catalogs_go(lake: Lake) -> None:
    for number in range(3):
        commit_documents(lake, table(row(number)))
        publish(lake)
    folder = Path(lake.root, "published")
    assert len(list(folder.glob("superseded-*"))) == 3
    for path in folder.iterdir():
        os.utime(path, (time.time() - 30 * 86400,) * 2)
    assert vacuum_published(lake, keep_days=7) == 2
    assert len(query(lake.root, "SELECT * FROM documents")) == 3


def test_the_log_stays_readable_when_it_is_shortened(lake: Lake) -> None:
    fill(lake, commits=4)
    before = everything(lake)
    for name in TABLES:
        shorten_log(lake, name)
    assert Path(lake.root, "documents", "_delta_log", "_last_checkpoint").exists()
    assert everything(lake) == before
    assert watermark(lake, "example.org", "post") == MARCH
