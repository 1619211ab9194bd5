"""A lake is a folder (or object-store prefix) with one Delta table per declaration."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote, urlsplit

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.fs as pafs
from deltalake import DeltaTable, Field, Schema
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.fs import DeltaStorageHandler

from schemas.columns import Table
from schemas.errors import LakeError, SchemaMismatch, UsageError
from schemas.tables import SCHEMA_VERSION, TABLES

T = TypeVar("T")

# A log entry is small; a checkpoint every 50 commits keeps opening a table cheap (measured).
_CONFIGURATION = {"delta.checkpointInterval": "50", "delta.logRetentionDuration": "interval 30 days"}


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
            LakeError: it cannot be created.
        """
        lake = cls(root if "://" in root else str(Path(root).expanduser().absolute()))
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
        return "://" in self.root

    def uri(self, name: str) -> str:
        """Return where the table called ``name`` lives."""
        return f"{self.root.rstrip('/')}/{name}"

    def table(self, name: str) -> DeltaTable:
        """Return a fresh snapshot of the table called ``name``.

        Raises:
            LakeError: the table is not there or its log cannot be read.
        """
        try:
            return DeltaTable(self.uri(name))
        except TableNotFoundError as error:
            raise LakeError(
                f"Table {name} is missing in the lake {self.root}.", remedy="Run presslake ingest to make it."
            ) from error
        except (DeltaError, OSError) as error:
            raise LakeError(
                f"Cannot read table {name} in the lake {self.root}: {_first_line(error)}.",
                remedy="Run presslake check to see what is damaged.",
            ) from error

    def versions(self) -> dict[str, int]:
        """Return the newest table version of every table."""
        return {name: self.table(name).version() for name in TABLES}

    def _missing_tables(self) -> set[str]:
        if self.is_remote:
            return {name for name in TABLES if not DeltaTable.is_deltatable(self.uri(name))}
        return {name for name in TABLES if not Path(self.root, name, "_delta_log").is_dir()}

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
                description=f"One row per {table.grain}. presslake schema {SCHEMA_VERSION}.",
                partition_by=[table.partition] if table.partition else None,
                # Statistics on long text made the log twenty times larger (measured), so narrow columns only.
                configuration={**_CONFIGURATION, "delta.dataSkippingStatsColumns": ",".join(table.narrow)},
            )
        except (CommitFailedError, DeltaError) as error:
            # Another process may have created it between our look and our commit.
            if not DeltaTable.is_deltatable(self.uri(table.name)):
                raise LakeError(f"Cannot create table {table.name} in {self.root}: {_first_line(error)}.") from error
        except OSError as error:
            raise LakeError(
                f"Cannot create the lake {self.root}: {_first_line(error)}.", remedy="Check the path and its rights."
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


def _first_line(error: BaseException) -> str:
    line = (str(error).splitlines() or [type(error).__name__])[0]
    return (line if len(line) <= 300 else line[:300] + " …").rstrip(".")


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
        raise LakeError(
            f"Cannot {what}: {_first_line(error)}.",
            remedy="Nothing of this batch was written; fix the cause and rerun.",
        ) from error


def storage(table: DeltaTable) -> pafs.FileSystem:
    """Return the file system that a table's paths are relative to.

    Local files are opened by Arrow itself: the bridge to the engine's storage goes through Python for every read, and
    its threads have brought the process down at its end.
    """
    parts = urlsplit(table.table_uri)
    if parts.scheme in ("", "file"):
        return pafs.SubTreeFileSystem(unquote(parts.path) or table.table_uri, pafs.LocalFileSystem())
    return pafs.PyFileSystem(DeltaStorageHandler(table.table_uri))


def dataset(table: DeltaTable) -> ds.Dataset:
    """Return a snapshot's rows as an Arrow dataset, whose files can be skipped by their statistics."""
    return table.to_pyarrow_dataset(filesystem=storage(table))
