"""Proving a lake: every file that it names is there and whole, and the rows keep the promises made of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from deltalake import DeltaTable

from schemas.errors import LakeError
from schemas.keys import from_micros, public_count_id, watermark_id
from schemas.tables import TABLES
from warehouse import mirror
from warehouse.catalog import attach, published_files
from warehouse.commit import mark
from warehouse.heads import public
from warehouse.lake import Lake, dataset, same_type, storage
from warehouse.shipped import View, shipped

_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: what it promises, how many places break it, and some of these."""

    check: str
    promise: str
    broken: int
    examples: list[str]


def checks() -> tuple[View, ...]:
    """Return the SQL checks shipped in ``warehouse/checks``; each selects the rows that break its promise."""
    return shipped("checks")


def check(lake: Lake, *, deep: bool = True) -> Iterator[Finding]:
    """Prove the lake, check by check. ``deep``: read every value of every file, not only what the file says of itself.

    The snapshots are taken once, so a writer at work does no harm. Checks that cannot be made on a broken lake are left
    out.

    Raises:
        LakeError: who may only read the lake comes before it was published; what could be checked was told before.
    """
    snapshots, unreadable = _snapshots(lake)
    yield _finding("log", "Every table's log can be read from its beginning or a checkpoint on.", unreadable)
    damaged = []
    for name, table in snapshots.items():
        damaged += list(_damage(name, table, deep))
    yield _finding("files", "Every data file is there, whole, and as declared.", damaged)
    yield _finding("catalog", "Every file that the published catalog reads is there.", _missing(lake))
    if damaged or unreadable:
        return  # what follows reads the files of all tables
    mirror.refresh(lake, snapshots)
    with duckdb.connect() as connection:
        try:
            attach(connection, lake, snapshots)
        except OSError as error:
            raise LakeError(
                f"The rows were not checked: {lake.local} was written to since it was published, and what they are read"
                f" through cannot be written there: {error.strerror}.",
                remedy="Let a writer of the lake run: presslake publish.",
            ) from error
        for entry in checks():
            rows = connection.execute(f"SELECT * FROM ({entry.sql})")
            names = [column[0] for column in rows.description]
            found = [", ".join(f"{n} {v}" for n, v in zip(names, row, strict=True)) for row in rows.fetchall()]
            yield _finding(entry.name, entry.grain, found)
    yield _finding("watermarks", "No watermark is ahead of the data, and counts agree with it.", list(_marks(lake)))


def _snapshots(lake: Lake) -> tuple[dict[str, DeltaTable], list[str]]:
    snapshots, unreadable = {}, []
    for name in TABLES:
        try:
            snapshots[name] = lake.table(name)
        except LakeError as error:
            unreadable.append(error.message)
    return snapshots, unreadable


def _finding(name: str, promise: str, broken: list[str]) -> Finding:
    return Finding(name, promise, len(broken), broken[:_EXAMPLES])


def _damage(name: str, table: DeltaTable, deep: bool) -> Iterator[str]:
    declared = TABLES[name].schema()
    filesystem = storage(table)
    added = pa.table(table.get_add_actions(flatten=True)).select(["path", "size_bytes", "num_records"])
    for entry in added.to_pylist():
        path = entry["path"]
        try:
            with filesystem.open_input_file(path) as source:
                if source.size() != entry["size_bytes"]:
                    yield f"{name}/{path}: {source.size()} bytes instead of {entry['size_bytes']}"
                    continue
                yield from _content(f"{name}/{path}", pq.ParquetFile(source), declared, entry["num_records"], deep)
        except (OSError, pa.ArrowException) as error:
            yield f"{name}/{path}: {(str(error).splitlines() or ['unreadable'])[0]}"


def _content(path: str, file: pq.ParquetFile, declared: pa.Schema, rows: int | None, deep: bool) -> Iterator[str]:
    if rows is not None and file.metadata.num_rows != rows:
        yield f"{path}: {file.metadata.num_rows} rows instead of {rows}"
    for field in file.schema_arrow:
        if field.name not in declared.names:
            yield f"{path}: unknown column {field.name}"
        elif not same_type(field.type, declared.field(field.name).type):
            yield f"{path}: {field.name} is {field.type}, not {declared.field(field.name).type}"
    if deep:
        for _ in file.iter_batches(batch_size=2000):
            pass


def _missing(lake: Lake) -> list[str]:
    return [path for path in sorted(published_files(lake)) if not os.path.exists(os.path.join(lake.local, path))]


def _marks(lake: Lake) -> Iterator[str]:
    for name in ("documents", "media"):
        table = lake.table(name)
        columns = ["site", "modified_at"] + (["kind"] if name == "documents" else [])
        rows = dataset(table).to_table(columns=columns)
        keys = [n for n in ("site", "kind") if n in columns]
        for row in rows.group_by(keys).aggregate([("modified_at", "max")]).to_pylist():
            kind = row.get("kind", "attachment")
            stored = mark(lake, watermark_id(row["site"], kind), name)
            newest = row["modified_at_max"]
            if stored and (newest is None or from_micros(stored) > newest) and not _has_rejections(lake, row["site"]):
                yield f"{row['site']} {kind}: watermark {from_micros(stored)}, newest modification {newest}"
            if name == "documents":
                yield from _counts(lake, table, row["site"], kind)


def _counts(lake: Lake, table: DeltaTable, site: str, kind: str) -> Iterator[str]:
    stored = mark(lake, public_count_id(site, kind))
    if stored is None:
        return  # another engine wrote these rows: presslake counts what it commits
    counted = len(public(table, TABLES["documents"], site, kind))
    if stored != counted:
        yield f"{site} {kind}: {stored} public documents counted, {counted} there"


def _has_rejections(lake: Lake, site: str) -> bool:
    # A record in quarantine was seen, so the watermark may stand at its time.
    stored_rows = dataset(lake.table("quarantine"))
    return bool(stored_rows.count_rows(filter=ds.field("site") == site))
