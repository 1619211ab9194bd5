"""Upkeep of a lake: small files made large, the log kept short, and what nobody reads any more removed.

Every step is a commit of its own or none, so a kill in between costs the step under way and nothing else. Writers may
be at work meanwhile: appends never conflict with compaction, and an update of the same files wins over it.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError
from deltalake.transaction import AddAction, RemoveAction

from schemas.columns import Table
from schemas.tables import TABLES
from warehouse import mirror
from warehouse.catalog import published_files
from warehouse.lake import Lake, guarded, storage
from warehouse.places import PUBLISHED
from warehouse.rewrite import commit_rewrite, data_files, removal, write_files
from warehouse.signatures import signed

# Groups of small files are merged up to the target, all of it in memory at once: about ten times its size.
TARGET_BYTES = 64 * 1024 * 1024
SMALL_BYTES = TARGET_BYTES // 2
# Younger unreferenced files may belong to a writer that has not committed yet.
_ORPHAN_AGE = timedelta(days=1)
_MERGED = "merged"
_ORDER: dict[str, tuple[str, ...]] = {
    "documents": ("site", "kind", "published_at", "id", "document_version"),
    "raw": ("site", "kind", "id", "fetched_at"),
}


@dataclass(frozen=True, slots=True)
class Upkeep:
    """What was done to one table: data files and bytes before and after, and files removed from the storage."""

    table: str
    files_before: int
    files_after: int
    bytes_before: int
    bytes_after: int
    removed: int = 0


def compact(lake: Lake, name: str) -> Upkeep:
    """Merge the small files of a table, partition by partition, sorted for the analyst's questions.

    Documents that have no near-duplicate signature yet get theirs.

    Raises:
        LakeError: the storage refused; what was merged so far stays.
    """
    before = data_files(lake.table(name))
    for group in _groups(before, {path for path in before if _is_due(name, path)}):
        guarded(lambda: _merge(lake, name, group), f"compact table {name}")  # noqa: B023
    after = data_files(lake.table(name))
    return Upkeep(name, len(before), len(after), sum(before.values()), sum(after.values()))


def _is_due(name: str, path: str) -> bool:
    """Tell whether a file is rewritten even alone: documents get their signatures on the way."""
    return name == "documents" and not path.rpartition("/")[2].startswith(_MERGED)


def _groups(files: dict[str, int], due: Collection[str] = ()) -> Iterator[list[str]]:
    """Return files of one partition that together reach about the target size; a file alone only if it is due."""
    partitions: dict[str, list[str]] = defaultdict(list)
    for path in sorted(files):
        if files[path] < SMALL_BYTES or path in due:
            partitions[path.rpartition("/")[0]].append(path)
    for paths in partitions.values():
        group: list[str] = []
        size = 0
        for path in paths:
            if group and size + files[path] > TARGET_BYTES:
                yield group
                group, size = [], 0
            group.append(path)
            size += files[path]
        if len(group) > 1 or group[0] in due:
            yield group


def _merge(lake: Lake, name: str, group: list[str]) -> None:
    declared, table = TABLES[name], lake.table(name)
    if not data_files(table).keys() >= set(group):
        return  # somebody else was faster
    # All of a group are of one partition.
    bucket = group[0].split("/")[0].partition("=")[2] if declared.partition else None
    rows = _read(table, declared, group, bucket)
    merged = _sorted(name, signed(rows) if name == "documents" else rows)
    actions: list[AddAction | RemoveAction] = [removal(path, bucket, declared, data_change=False) for path in group]
    actions += write_files(table, declared, merged, data_change=False, stem=_MERGED)
    try:
        commit_rewrite(table, declared, actions)
    except CommitFailedError:
        return  # an update of these rows came first; they are merged the next time


def _read(table: DeltaTable, declared: Table, paths: list[str], bucket: str | None) -> pa.Table:
    """Return the rows of data files, all read at once: one by one, each would cost milliseconds of preparation."""
    stored = pa.schema([field for field in declared.schema() if field.name != declared.partition])
    # Columns added since a file was written read as null.
    rows = ds.dataset(paths, schema=stored, format="parquet", filesystem=storage(table)).to_table()
    if declared.partition:
        field = declared.schema().field(declared.partition)
        at = declared.schema().names.index(declared.partition)
        rows = rows.add_column(at, field, pa.repeat(pa.scalar(bucket, field.type), rows.num_rows))
    return rows


def _sorted(name: str, rows: pa.Table) -> pa.Table:
    order = _ORDER.get(name, TABLES[name].key)
    keys = [(column, "ascending") for column in order]
    if name == "documents":
        # Later versions end first ones; kept apart, publishing finds them without reading the others.
        rows = rows.append_column("_later", pc.greater(rows.column("document_version"), 1))
        keys.insert(0, ("_later", "ascending"))
    indices = pc.sort_indices(rows, sort_keys=keys)
    rows = rows.drop_columns(["_later"]) if name == "documents" else rows
    return rows.take(indices)


def shorten_log(lake: Lake, name: str) -> None:
    """Write a checkpoint of a table and drop log entries that are older than the log's retention."""
    table = lake.table(name)
    guarded(table.create_checkpoint, f"write a checkpoint of table {name}")
    guarded(table.cleanup_metadata, f"shorten the log of table {name}")


def vacuum(lake: Lake, name: str, keep_days: float) -> int:
    """Remove data files that no version of the last ``keep_days`` needs, and leftovers of crashes; return how many.

    A catalog that somebody opened within those days therefore finds all its files.
    """
    table = lake.table(name)
    hours = max(0, round(keep_days * 24))
    # Leftovers of crashes cannot be told from the files of a writer at work but by their age.
    full = timedelta(days=keep_days) >= _ORPHAN_AGE
    removed = guarded(
        lambda: table.vacuum(hours, dry_run=False, enforce_retention_duration=False, full=full),
        f"vacuum table {name}",
    )
    return len(removed) + (0 if lake.is_remote else _strays(Path(lake.root, name)))


def _strays(folder: Path) -> int:
    """Remove what killed writers leave under temporary names (``part-….parquet#1``), which no vacuum knows."""
    count = 0
    for path in [*folder.rglob("*#*"), *folder.rglob(".*.parquet.*")]:
        if path.is_file() and time.time() - path.stat().st_mtime > _ORPHAN_AGE.total_seconds():
            path.unlink(missing_ok=True)
            count += 1
    return count


def vacuum_published(lake: Lake, keep_days: float) -> int:
    """Remove files that only earlier catalogs read and that are ``keep_days`` old; return how many. 0 removes all."""
    folder, current = lake.local / PUBLISHED, published_files(lake)
    count = mirror.forget(lake, current, keep_days) + mirror.share(lake, current, keep_days)
    if not folder.is_dir():
        return count
    for path in folder.iterdir():
        # Another machine's clock may have dated it ahead: nothing is younger than new.
        age = timedelta(seconds=max(0.0, time.time() - path.stat().st_mtime))
        if f"{PUBLISHED}/{path.name}" not in current and age >= timedelta(days=keep_days):
            path.unlink(missing_ok=True)
            count += 1
    return count
