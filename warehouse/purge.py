"""Takedown: a site, an article or an author made physically unrecoverable, history, raw records and old files included.

Rows are removed from every table that tells of them, the files that held them are deleted at once, and log entries
with their statistics go with them. The proof looks through every data file that is left on the storage.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.fs as pafs
import pyarrow.parquet as pq
from deltalake import DeltaTable, Transaction
from deltalake.exceptions import CommitFailedError

from schemas.errors import CommitConflict, UsageError
from schemas.keys import bare_address, marks_of
from schemas.tables import TABLES
from warehouse.catalog import publish
from warehouse.commit import MAX_TRIES
from warehouse.heads import public
from warehouse.lake import Lake, dataset, guarded, storage, stored
from warehouse.rewrite import data_files, replace_rows
from warehouse.upkeep import vacuum_published

# Younger unreferenced files may belong to a writer that has not committed yet.
_ORPHAN_AGE_S = 3600.0
_KEYS: dict[str, tuple[str, ...]] = {
    "documents": ("site", "kind", "id"), "raw": ("site", "kind", "id"), "quarantine": ("site", "kind", "id"),
    "authors": ("site", "id"), "comments": ("site", "id"),
    "media": ("site",), "terms": ("site",), "runs": ("site",),
}  # fmt: skip

Key = tuple[str, ...]
Keys = dict[str, set[Key]]
"""By table, the keys to purge: full ones, or the site alone for all of its rows."""


@dataclass(frozen=True, slots=True)
class Target:
    """What is to go: a whole ``site``, one article by its ``url``, or all of an ``author`` (of ``site``, if given)."""

    site: str | None = None
    url: str | None = None
    author: str | None = None


@dataclass
class Proof:
    """What was done: rows removed and files deleted by table, and what was looked through afterwards."""

    removed: dict[str, int] = field(default_factory=dict)
    deleted_files: int = 0
    searched_files: int = 0
    left: list[str] = field(default_factory=list)


def find(lake: Lake, target: Target) -> Keys:
    """Return what of the lake tells of the target.

    Raises:
        UsageError: nothing does, or the target names nothing.
    """
    if target.url:
        found = _of_documents(lake, _by_url(lake, target.url))
    elif target.author:
        found = _by_author(lake, target.author, target.site)
    elif target.site:
        found = {name: {(target.site,)} for name in TABLES}
    else:
        raise UsageError("Nothing to purge was named.", remedy="Give --site, --url or --author.")
    if not any(count_rows(lake, found).values()):
        raise UsageError("Nothing in the lake belongs to that.", remedy="See presslake sql; names must be exact.")
    return found


def _by_url(lake: Lake, url: str) -> set[Key]:
    rows = _rows(lake, "documents", ["site", "kind", "id", "url"])
    wanted = bare_address(url)
    return {(r["site"], r["kind"], r["id"]) for r in rows if r["url"] and bare_address(r["url"]) == wanted}


def _by_author(lake: Lake, author: str, site: str | None) -> Keys:
    wanted = author.strip().casefold()

    def names(*values: str | None) -> bool:
        return any(value is not None and value.strip().casefold() == wanted for value in values)

    people: set[Key] = {
        (r["site"], r["id"])
        for r in _rows(lake, "authors", ["site", "id", "name", "slug"], site)
        if names(r["id"], r["name"], r["slug"])
    }
    documents: set[Key] = {
        (r["site"], r["kind"], r["id"])
        for r in _rows(lake, "documents", ["site", "kind", "id", "authors"], site)
        if any(names(a["id"], a["name"], a["slug"]) or (r["site"], a["id"]) in people for a in r["authors"] or ())
    }
    comments: set[Key] = {
        (r["site"], r["id"])
        for r in _rows(lake, "comments", ["site", "id", "author_id", "author_name"], site)
        if names(r["author_name"]) or (r["site"], r["author_id"]) in people
    }
    found = _of_documents(lake, documents)
    found["authors"] = people
    found["comments"] |= comments
    found["raw"] |= {(s, "author", id_) for s, id_ in people} | {(s, "comment", id_) for s, id_ in comments}
    return found


def _of_documents(lake: Lake, documents: set[Key]) -> Keys:
    """Return documents with what hangs on them: raw records, rejections, comments."""
    on = {(site, id_) for site, _, id_ in documents}
    comments: set[Key] = {
        (r["site"], r["id"])
        for r in _rows(lake, "comments", ["site", "id", "document_id"])
        if (r["site"], r["document_id"]) in on
    }
    raw = documents | {(site, "comment", id_) for site, id_ in comments}
    return {"documents": documents, "raw": raw, "quarantine": set(raw), "comments": comments, "authors": set()}


def _rows(lake: Lake, name: str, columns: list[str], site: str | None = None) -> Iterator[dict[str, Any]]:
    where = None if site is None else ds.field("site") == site
    for batch in dataset(lake.table(name)).to_batches(columns=columns, filter=where):
        yield from batch.to_pylist()


def count_rows(lake: Lake, keys: Keys) -> dict[str, int]:
    """Return how many rows of each table the keys stand for, all versions included."""
    counts = dict.fromkeys(keys, 0)
    for name, wanted in keys.items():
        if wanted:
            where = ds.field("site").isin(sorted({key[0] for key in wanted}))
            rows = dataset(lake.table(name)).to_table(columns=list(_KEYS[name]), filter=where)
            counts[name] = int(pc.sum(_matches(name, rows, wanted)).as_py() or 0)
    return counts


def _matches(name: str, rows: pa.Table, wanted: set[Key]) -> pa.Array:
    columns = [rows.column(column).to_pylist() for column in _KEYS[name]]
    keys = zip(*columns, strict=True)
    return pa.array([key in wanted or key[:1] in wanted for key in keys], pa.bool_())


def purge(lake: Lake, keys: Keys) -> Proof:
    """Remove what ``find`` found, for good, and prove it.

    Queries that hold an older catalog open may fail from here on: their files are gone.

    Raises:
        CommitConflict: other writers kept winning; what was removed so far is gone, and a rerun goes on.
        LakeError: the storage refused.
    """
    proof = Proof()
    for name, wanted in keys.items():
        if wanted:
            proof.removed[name] = _remove(lake, name, wanted)
    publish(lake)
    for name in TABLES:
        proof.deleted_files += _forget(lake, name)
    # What only earlier catalogs read, this machine's copies of removed files included.
    proof.deleted_files += vacuum_published(lake, keep_days=0)
    for name, wanted in keys.items():
        if wanted:
            _prove(lake, name, wanted, proof)
    return proof


def _remove(lake: Lake, name: str, wanted: set[Key]) -> int:
    for _ in range(MAX_TRIES):
        try:
            return guarded(lambda: _removed(lake, name, wanted), f"purge table {name}")
        except CommitFailedError:
            time.sleep(0.05)
    raise CommitConflict(f"Gave up purging {name}: other writers kept winning.", remedy="Stop them and run it again.")


def _removed(lake: Lake, name: str, wanted: set[Key]) -> int:
    """Remove the rows and set back the marks in one commit; return how many rows went."""
    declared, table = TABLES[name], lake.table(name)
    count = count_rows(lake, {name: wanted})[name]
    transactions = [
        *(Transaction(id_, 0) for id_ in _marks(table, name, [key[0] for key in wanted if len(key) == 1])),
        *_recounted(table, name, wanted),
    ]
    if count or transactions:
        sites = {key[0] for key in wanted}
        where = ds.field("site").isin(sorted(sites))
        replace_rows(
            table, declared, where, lambda rows: _matches(name, rows, wanted), declared.empty(), transactions,
            holding={"site": sites},
        )  # fmt: skip
    return count


def _marks(table: DeltaTable, name: str, sites: list[str]) -> list[str]:
    """Return the marks of whole sites that are set: a site read again later must begin from nothing."""
    if not sites:
        return []
    kinds = {"attachment", "author", "comment", "post", "page"}
    if name == "documents":
        rows = dataset(table).to_table(columns=["site", "kind"], filter=ds.field("site").isin(sites))
        kinds |= set(rows.column("kind").to_pylist())
    ids = (id_ for site in sites for kind in sorted(kinds) for id_ in marks_of(site, kind))
    return [id_ for id_ in ids if table.transaction_version(id_)]


def _recounted(table: DeltaTable, name: str, wanted: set[Key]) -> list[Transaction]:
    """Return the counts of public documents less those that go."""
    if name != "documents":
        return []
    kinds = {key[:2] for key in wanted if len(key) == 3}
    counted = []
    for site, kind in sorted(kinds):
        left = public(table, TABLES[name], site, kind).keys() - {key[2] for key in wanted if key[:2] == (site, kind)}
        counted.append(Transaction(marks_of(site, kind)[0], len(left)))
    return counted


def _forget(lake: Lake, name: str) -> int:
    """Delete what no current version of a table needs: files, and log entries with their statistics."""
    table = lake.table(name)
    guarded(table.create_checkpoint, f"write a checkpoint of table {name}")
    checkpoint = table.version()
    removed = guarded(
        lambda: table.vacuum(0, dry_run=False, enforce_retention_duration=False), f"delete old files of table {name}"
    )
    count = len(removed)
    current = {path.rpartition("/")[2] for path in data_files(lake.table(name))}
    filesystem = storage(table)
    for entry in stored(filesystem):
        stem = entry.base_name.split(".", 1)[0]
        if _is_data(entry):
            is_old = time.time() - entry.mtime_ns / 1e9 > _ORPHAN_AGE_S
            is_needless = is_old and entry.base_name not in current
            count += is_needless
        else:
            # What came before the checkpoint is in it.
            is_log = entry.path.startswith("_delta_log/") and stem.isdecimal()
            is_needless = is_log and int(stem) < checkpoint
        if is_needless:
            with suppress(FileNotFoundError):
                filesystem.delete_file(entry.path)
    return count


def _is_data(entry: pafs.FileInfo) -> bool:
    return ".parquet" in entry.base_name and not entry.path.startswith("_delta_log/")


def _prove(lake: Lake, name: str, wanted: set[Key], proof: Proof) -> None:
    """Look through every data file of a table on the storage, referenced or not, for rows that should be gone."""
    filesystem = storage(lake.table(name))
    for entry in stored(filesystem):
        if not _is_data(entry):
            continue
        path = f"{lake.root}/{name}/{entry.path}"
        proof.searched_files += 1
        try:
            with filesystem.open_input_file(entry.path) as source:
                rows = pq.ParquetFile(source).read(columns=list(_KEYS[name]))
        except (OSError, pa.ArrowException):
            proof.left.append(f"{path}: cannot be read; a writer may be at work")
            continue
        if pc.any(_matches(name, rows, wanted)).as_py():
            proof.left.append(f"{path}: still holds rows; a writer may be at work, run it again in an hour")
    if any(count_rows(lake, {name: wanted}).values()):
        proof.left.append(f"{name}: rows came back meanwhile")
