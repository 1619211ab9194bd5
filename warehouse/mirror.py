"""A lake in an object store, here and there: the files that its newest snapshots name, and its newest catalog.

Here is a copy of them, so that SQL needs neither extension nor network. There, beside the tables, the catalog and what
publishing made are stored too: a DuckDB that has httpfs reads the same views from the store itself, with no copy.

Data files never change, so each is fetched once. A file's time here is when a catalog last named it: one that none has
named for a while is removed, and a catalog opened before finds all of its files until then.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.fs as pafs
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from schemas.errors import LakeError
from schemas.tables import TABLES
from warehouse.lake import Lake, guarded, storage, stored
from warehouse.places import CATALOG, KEEP_DAYS, PUBLISHED
from warehouse.rewrite import data_files
from warehouse.stores import OPTIONS, StoreHandler, cause

_AT_A_TIME = 8
_PIECE = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Wanted:
    filesystem: pafs.FileSystem
    path: str
    size: int
    target: Path


def refresh(lake: Lake, snapshots: Mapping[str, DeltaTable]) -> int:
    """Fetch the files of these snapshots that are not here yet; return how many. A lake in a folder needs none.

    Raises:
        LakeError: the store failed, a file is not as long as the log says, or there is no room for it.
    """
    if not lake.is_remote:
        return 0
    try:
        # What a lake holds may be private.
        lake.local.mkdir(parents=True, exist_ok=True, mode=0o700)
        due = [wanted for name, table in snapshots.items() for wanted in _missing(lake, name, table)]
        with ThreadPoolExecutor(_AT_A_TIME) as pool:
            list(pool.map(_fetch, due))
    except (OSError, DeltaError, pa.ArrowException) as error:
        why, remedy = cause(error)
        raise LakeError(
            f"Cannot copy the lake {lake.root} to {lake.local}: {why}.",
            remedy=remedy or "Make room or mend the rights there, then: presslake publish.",
        ) from error
    return len(due)


def fetch_published(lake: Lake, wanted: set[str]) -> None:
    """Fetch what another machine published of these files, relative to the lake's root, and is not here yet.

    Raises:
        LakeError: the store failed.
    """
    store = pafs.PyFileSystem(StoreHandler(lake.root, OPTIONS))
    for entry in guarded(lambda: stored(store, PUBLISHED), f"look into {lake.root}"):
        target = lake.local / entry.path
        if entry.path in wanted and not target.is_file():
            guarded(lambda: _fetch(_Wanted(store, entry.path, entry.size, target)), f"copy {entry.path}")  # noqa: B023


def _missing(lake: Lake, name: str, table: DeltaTable) -> Iterator[_Wanted]:
    filesystem, folder = storage(table), lake.local / name
    for path, size in data_files(table).items():
        target = folder / path
        # The log was written by others; it must not choose where files are written here.
        if ".." in target.parts or not target.is_relative_to(folder) or "://" in path:
            raise LakeError(f"Table {name} in the lake {lake.root} names a file outside of it: {path}.")
        if target.is_file() and target.stat().st_size == size:
            os.utime(target)
        else:
            yield _Wanted(filesystem, path, size, target)


def _fetch(wanted: _Wanted) -> None:
    wanted.target.parent.mkdir(parents=True, exist_ok=True)
    building = wanted.target.with_name(f".{wanted.target.name}.{os.getpid()}-{secrets.token_hex(3)}")
    try:
        with wanted.filesystem.open_input_file(wanted.path) as source, open(building, "wb") as out:
            while piece := source.read(_PIECE):
                out.write(piece)
        if building.stat().st_size != wanted.size:
            raise LakeError(
                f"Cannot read {wanted.path}: {building.stat().st_size} bytes instead of {wanted.size}.",
                remedy="Run presslake check to see what is damaged.",
            )
        os.replace(building, wanted.target)
    finally:
        building.unlink(missing_ok=True)


def forget(lake: Lake, named: set[str], keep_days: float = KEEP_DAYS) -> int:
    """Remove copies that no catalog has named for ``keep_days``; return how many.

    Args:
        lake: whose mirror; a lake in a folder has none.
        named: files that stay whatever their age, relative to the lake's root.
        keep_days: how long others stay.
    """
    if not lake.is_remote:
        return 0
    count, oldest = 0, time.time() - keep_days * 86400
    for name in TABLES:
        for path in (lake.local / name).rglob("*.parquet*"):
            if str(path.relative_to(lake.local)) not in named and path.stat().st_mtime <= oldest:
                path.unlink(missing_ok=True)
                count += 1
    return count


def share(lake: Lake, named: set[str], keep_days: float = KEEP_DAYS) -> int:
    """Store the catalog and what it reads of this machine; remove what only earlier ones read; return how many went.

    Raises:
        LakeError: the store failed.
    """
    if not lake.is_remote:
        return 0
    return guarded(lambda: _shared(lake, named, keep_days), f"store the catalog in {lake.root}")


def _shared(lake: Lake, named: set[str], keep_days: float) -> int:
    store = pafs.PyFileSystem(StoreHandler(lake.root, OPTIONS))
    there = {entry.path: entry.mtime_ns / 1e9 for entry in stored(store, PUBLISHED)}
    due = sorted(path for path in named if path.startswith(f"{PUBLISHED}/") and path not in there)
    # The catalog last: it never names what is not there.
    for path in (*due, CATALOG):
        with store.open_output_stream(path) as out:
            out.write((lake.local / path).read_bytes())
    gone = [path for path, at in there.items() if path not in named and at <= time.time() - keep_days * 86400]
    for path in gone:
        store.delete_file(path)
    return len(gone)
