"""A lake is a folder (or object-store prefix) with one Delta table per declaration."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote, urlsplit

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.fs as pafs
from deltalake import DeltaTable, Field, Schema
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from schemas.columns import Table
from schemas.errors import LakeError, SchemaMismatch, UsageError
from schemas.tables import SCHEMA_VERSION, TABLES
from warehouse.places import absolute, is_remote, local_folder
from warehouse.stores import OPTIONS, StoreHandler, cause

T = TypeVar("T")

# A log entry is small; a checkpoint every 50 commits keeps opening a table cheap (measured).
_CONFIGURATION = {"delta.checkpointInterval": "50", "delta.logRetentionDuration": "interval 30 days"}
# Kept in the table's description, which no later release changes.
_MADE_WITH = f" presslake schema {SCHEMA_VERSION}."


class Lake:
    """One lake, opened. Holds no file handles; every read looks at a fresh snapshot."""

    def __init__(self, root: str) -> None:
        """Use ``open``, which checks that ``root`` is a lake."""
        self.root = root

    @classmethod
    def open(cls, root: str, *, create: bool = False) -> Lake:
        """Return the lake at ``root``.

        Args:
            root: a folder, or an object-store URL that deltalake takes.
            create: make the tables that do not exist yet.

        Raises:
            UsageError: ``root`` is a file, or a folder that holds something else; or there is no lake and
                ``create`` is false.
            SchemaMismatch: its tables do not fit this release.
            LakeError: it cannot be created, or the store cannot be reached.
        """
        lake = cls(absolute(root))
        missing = lake._missing_tables()
        if len(missing) == len(TABLES):
            if not create:
                raise UsageError(f"No lake at {root}.", remedy="Name one with --lake, or make one: presslake ingest.")
            lake._require_vacant()
        if create:
            for name in missing:
                lake._create(TABLES[name])
            for name in TABLES.keys() - missing:
                lake._agree(TABLES[name])
        return lake

    @property
    def is_remote(self) -> bool:
        """Whether the root is an object-store URL."""
        return is_remote(self.root)

    @property
    def local(self) -> Path:
        """The folder that holds the catalog and the files its views read: the lake, or the mirror of a remote one."""
        return local_folder(self.root)

    @property
    def options(self) -> dict[str, str] | None:
        """What the table engine's client of an object store is told; credentials are in the environment."""
        return OPTIONS if self.is_remote else None

    def uri(self, name: str) -> str:
        """Return where the table called ``name`` lives."""
        return f"{self.root.rstrip('/')}/{name}"

    def table(self, name: str) -> DeltaTable:
        """Return a fresh snapshot of the table called ``name``.

        Raises:
            LakeError: the table is not there or its log cannot be read.
        """
        try:
            return DeltaTable(self.uri(name), storage_options=self.options)
        except TableNotFoundError as error:
            raise LakeError(
                f"Table {name} is missing in the lake {self.root}.", remedy="Run presslake ingest to make it."
            ) from error
        except (DeltaError, OSError) as error:
            why, remedy = cause(error)
            raise LakeError(
                f"Cannot read table {name} in the lake {self.root}: {why}.",
                remedy=remedy or "Run presslake check to see what is damaged.",
            ) from error

    def versions(self) -> dict[str, int]:
        """Return the newest table version of every table."""
        return {name: self.table(name).version() for name in TABLES}

    def holds(self, name: str) -> bool:
        """Tell whether the table called ``name`` is there.

        Raises:
            LakeError: the storage cannot be looked at.
        """
        try:
            return DeltaTable.is_deltatable(self.uri(name), self.options)
        except (DeltaError, OSError) as error:
            why, remedy = cause(error)
            raise LakeError(f"Cannot open the lake {self.root}: {why}.", remedy=remedy) from error

    def _missing_tables(self) -> set[str]:
        if self.is_remote:
            return {name for name in TABLES if not self.holds(name)}
        try:
            return {name for name in TABLES if not Path(self.root, name, "_delta_log").is_dir()}
        except OSError as error:
            raise LakeError(
                f"Cannot open the lake {self.root}: {error.strerror}.", remedy="Check its rights."
            ) from error

    def _require_vacant(self) -> None:
        if self.is_remote:
            return
        root = Path(self.root)
        if root.exists() and not root.is_dir():
            raise UsageError(f"Cannot use {root} as a lake: it is a file.", remedy="Name a folder with --lake.")
        if root.is_dir() and any(entry.name != "catalog.duckdb" for entry in root.iterdir()):
            raise UsageError(
                f"Cannot use {root} as a lake: the folder holds other files.",
                remedy="Name a new or empty folder with --lake.",
            )

    def _create(self, table: Table) -> None:
        if not self.is_remote:
            os.makedirs(self.root, exist_ok=True)
        try:
            DeltaTable.create(
                self.uri(table.name),
                schema=table.schema(),
                mode="ignore",
                name=table.name,
                description=f"One row per {table.grain}.{_MADE_WITH}",
                partition_by=[table.partition] if table.partition else None,
                # Statistics on long text made the log twenty times larger (measured), so narrow columns only.
                configuration={**_CONFIGURATION, "delta.dataSkippingStatsColumns": ",".join(table.narrow)},
                storage_options=self.options,
            )
        except (CommitFailedError, DeltaError) as error:
            # Another process may have created it between our look and our commit.
            if not self.holds(table.name):
                why, remedy = cause(error)
                raise LakeError(f"Cannot create table {table.name} in {self.root}: {why}.", remedy=remedy) from error
        except OSError as error:
            why, remedy = cause(error)
            raise LakeError(
                f"Cannot create the lake {self.root}: {why}.", remedy=remedy or "Check the path and its rights."
            ) from error

    def _agree(self, table: Table) -> None:
        """Add columns that this release declares and the stored table lacks.

        Raises:
            SchemaMismatch: the stored table has a column of another type, or one this release does not know.
        """
        stored = self.table(table.name)
        have = {field.name: field.type for field in pa.schema(stored.schema().to_arrow())}
        declared = table.schema()
        for name, kind in have.items():
            if name not in declared.names:
                raise SchemaMismatch(
                    f"The lake {self.root} was written by a newer release: {table.name}.{name} is unknown here.",
                    remedy="Upgrade presslake to write to it; reading goes on working.",
                )
            if not same_type(kind, declared.field(name).type):
                raise SchemaMismatch(
                    f"The lake {self.root} does not fit this release: {table.name}.{name} is {kind},"
                    f" not {declared.field(name).type}.",
                    remedy="Ingest into a new lake.",
                )
        new = pa.schema([field.with_nullable(True) for field in declared if field.name not in have])
        if new:
            fields: list[Field] = Schema.from_arrow(new).fields
            stored.alter.add_columns(fields)


def is_of_one_form(table: DeltaTable) -> bool:
    """Tell whether every data file has all declared columns: older releases refuse to write to a table of this one."""
    return (table.metadata().description or "").endswith(_MADE_WITH)


def same_type(stored: pa.DataType, declared: pa.DataType) -> bool:
    """Compare ignoring nullability of nested fields and map/list field names, which Delta does not keep."""
    if pa.types.is_struct(declared):
        return pa.types.is_struct(stored) and all(
            stored.get_field_index(f.name) >= 0 and same_type(stored.field(f.name).type, f.type) for f in declared
        )
    if pa.types.is_map(declared):
        return pa.types.is_map(stored) and same_type(stored.item_type, declared.item_type)
    if pa.types.is_list(declared):
        return (pa.types.is_list(stored) or pa.types.is_large_list(stored)) and same_type(
            stored.value_type, declared.value_type
        )
    return bool(stored.equals(declared)) or str(stored).removeprefix("large_").removesuffix("_view") == str(declared)


def guarded(action: Callable[[], T], what: str) -> T:
    """Run a storage action and map foreign exceptions to ours, except a lost commit race.

    Raises:
        LakeError: the storage refused: disk full, permission, damaged file.
    """
    try:
        return action()
    except CommitFailedError:
        raise
    except (DeltaError, OSError, pa.ArrowException) as error:
        why, remedy = cause(error)
        raise LakeError(
            f"Cannot {what}: {why}.",
            remedy=f"{remedy} Nothing of this batch was written; fix the cause and rerun.",
        ) from error


def storage(table: DeltaTable) -> pafs.FileSystem:
    """Return the file system that a table's paths are relative to.

    Local files are opened by Arrow itself: the bridge to the engine's storage goes through Python for every read, and
    its threads have brought the process down at its end.
    """
    parts = urlsplit(table.table_uri)
    if parts.scheme in ("", "file"):
        return pafs.SubTreeFileSystem(unquote(parts.path) or table.table_uri, pafs.LocalFileSystem())
    return pafs.PyFileSystem(StoreHandler(table.table_uri, OPTIONS))


def stored(filesystem: pafs.FileSystem, folder: str = "") -> list[pafs.FileInfo]:
    """Return every file below a folder, whatever it is."""
    entries = filesystem.get_file_info(pafs.FileSelector(folder, recursive=True, allow_not_found=True))
    return [entry for entry in entries if entry.type == pafs.FileType.File]


def dataset(table: DeltaTable, holding: Mapping[str, Iterable[str]] | None = None) -> ds.Dataset:
    """Return a snapshot's rows as an Arrow dataset, whose files can be skipped by their statistics.

    Files that hold no row of interest by their statistics are left out from the start: to describe a file to Arrow takes
    half a millisecond, more than all else in a look-up once there are a hundred of them (measured).

    Args:
        table: the snapshot.
        holding: text columns, and what rows must hold in each to be of interest.
    """
    # What the newer protocols may hide in files is known to the engine alone.
    if not holding or table.protocol().min_reader_version > 1:
        return table.to_pyarrow_dataset(filesystem=storage(table))
    filesystem, schema = storage(table), pa.schema(table.schema().to_arrow())
    file_format = ds.ParquetFileFormat(default_fragment_scan_options=ds.ParquetFragmentScanOptions(pre_buffer=True))
    fragments = []
    for path, partition in candidates(table, holding).items():
        # The value is in the file's path, not in the file.
        where = [ds.field(column) == value for column, value in partition.items()]
        expression = {"partition_expression": where[0]} if where else {}
        fragments.append(file_format.make_fragment(path, filesystem=filesystem, **expression))
    return ds.FileSystemDataset(fragments, schema, file_format, filesystem)


def candidates(
    table: DeltaTable, holding: Mapping[str, Iterable[str]] | None = None, *, above: tuple[str, int] | None = None
) -> dict[str, dict[str, str]]:
    """Return the data files that may hold a row of interest by their statistics, and the partition of each.

    Args:
        table: the snapshot.
        holding: text columns, and what rows must hold in each to be of interest.
        above: a column of numbers, and what rows must exceed in it to be of interest.
    """
    added = pa.table(table.get_add_actions(flatten=True))
    chosen = set(range(added.num_rows))
    for name, wanted in (holding or {}).items():
        chosen &= _possible(added, name, sorted(set(wanted)))
    if above and f"max.{above[0]}" in added.column_names:
        most = added.column(f"max.{above[0]}").to_pylist()
        chosen &= {n for n, high in enumerate(most) if high is None or high > above[1]}
    partitions = [column for column in added.column_names if column.startswith("partition.")]
    rows = added.select(["path", *partitions]).take(pa.array(sorted(chosen), pa.int64())).to_pylist()
    return {unquote(row["path"]): {name.removeprefix("partition."): row[name] for name in partitions} for row in rows}


def _possible(added: pa.Table, name: str, wanted: list[str]) -> set[int]:
    """Return the positions of the files that may hold one of the values, which are sorted."""
    if f"partition.{name}" in added.column_names:
        lows = highs = added.column(f"partition.{name}").to_pylist()
    elif f"min.{name}" in added.column_names:
        lows, highs = added.column(f"min.{name}").to_pylist(), added.column(f"max.{name}").to_pylist()
    else:
        return set(range(added.num_rows))

    def may(low: str | None, high: str | None) -> bool:
        if low is None or high is None:
            return True  # written without statistics
        at = bisect_left(wanted, low)
        return at < len(wanted) and wanted[at] <= high

    return {n for n, (low, high) in enumerate(zip(lows, highs, strict=True)) if may(low, high)}
