"""The catalog: a small DuckDB file of views over exactly the files of one committed version of each table.

It is built beside the old one and swapped in by a rename, so readers are never blocked and never see half of it.
The pipeline never holds it open.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterable
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable

from schemas.columns import Table
from schemas.dictionary import sql_type
from schemas.errors import LakeError
from schemas.tables import SCHEMA_VERSION, TABLES
from warehouse import mirror, superseded, words
from warehouse.lake import Lake, is_of_one_form
from warehouse.places import CATALOG, PUBLISHED
from warehouse.rewrite import data_files
from warehouse.shipped import View, quoted, shipped

# Readable by every DuckDB from 1.1 on; the newest format is refused by older readers (measured).
_STORAGE_VERSION = "v1.0.0"

NEWEST = """
    CREATE VIEW lake.newest AS
    SELECT * EXCLUDE (_file, _row)
    FROM lake.documents
    ANTI JOIN lake.superseded USING (_file, _row)
"""
"""The statement that makes the view of every document's newest state, from which the shipped views are made."""


def views() -> tuple[View, ...]:
    """Return the views shipped in ``warehouse/views``, by name."""
    return shipped("views")


def macros() -> tuple[View, ...]:
    """Return the table macros shipped in ``warehouse/macros``; the first comment line is ``signature: sentence``."""
    return shipped("macros")


def catalog_path(lake: Lake) -> Path:
    """Return where the lake's catalog stands; that of a lake in an object store is in its local mirror."""
    return lake.local / CATALOG


def publish(lake: Lake) -> dict[str, int]:
    """Build the catalog from the newest committed versions and swap it in; return those versions.

    Raises:
        LakeError: the catalog cannot be written.
    """
    target = catalog_path(lake)
    building = target.with_name(f".{target.name}.{os.getpid()}-{secrets.token_hex(3)}")
    snapshots = {name: lake.table(name) for name in TABLES}
    try:
        # Before the catalog is built in it, the mirror's folder is made.
        mirror.refresh(lake, snapshots)
        _build(building, lake, snapshots)
        os.replace(building, target)
        if lake.is_remote:
            named = published_files(lake)
            mirror.forget(lake, named)
            mirror.share(lake, named)
    except (duckdb.Error, OSError, pa.ArrowException) as error:
        raise LakeError(
            f"Cannot publish {target}: {str(error).splitlines()[0]}.", remedy="The catalog before it stays in place."
        ) from error
    finally:
        for leftover in (building, building.with_name(building.name + ".wal")):
            leftover.unlink(missing_ok=True)
    return {name: table.version() for name, table in snapshots.items()}


def attach(connection: duckdb.DuckDBPyConnection, lake: Lake, snapshots: dict[str, DeltaTable]) -> None:
    """Create the schema ``lake`` with one view per table, over exactly the files of these snapshots.

    Those of an object store must be in the mirror already.
    """
    bases = [_rows(lake, name, TABLES[name], table, data_files(table)) for name, table in snapshots.items()]
    bases += [_superseded(connection, lake, snapshots["documents"]), NEWEST, *_indexed(lake, snapshots["documents"])]
    connection.execute("CREATE SCHEMA lake")
    for base in bases:
        connection.execute(base)


def _build(path: Path, lake: Lake, snapshots: dict[str, DeltaTable]) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH {quoted(str(path))} AS catalog (STORAGE_VERSION '{_STORAGE_VERSION}')")
        connection.execute("USE catalog")
        # One transaction: hundreds of small ones would each be written and synced.
        connection.execute("BEGIN")
        attach(connection, lake, snapshots)
        for view in views():
            connection.execute(f"CREATE VIEW {view.name} AS {view.sql}")
        connection.execute(words.macros())
        for macro in macros():
            signature = macro.grain.split(":", 1)[0]
            connection.execute(f"CREATE MACRO {signature} AS TABLE {macro.sql}")
        _comment(connection)
        connection.execute("COMMIT")
        connection.execute("USE memory")
        connection.execute("DETACH catalog")


def _rows(lake: Lake, name: str, table: Table, snapshot: DeltaTable, paths: Iterable[str]) -> str:
    """Return the statement that makes ``lake.<name>``: the rows of exactly these of a snapshot's data files."""
    columns = [column for column in table.columns if column.name != table.partition]
    schema = pa.schema([column.arrow().with_nullable(True) for column in columns])
    # A list must not be empty: a file of no rows stands at its end.
    empty = _write(lake, f"empty-{table.name}-{SCHEMA_VERSION}", schema.empty_table(), overwrite=False)
    files = [*(f"{table.name}/{path}" for path in paths), empty]
    return _view(
        lake, name, files, schema.names, by_name=not is_of_one_form(snapshot), placed=table.name == "documents"
    )


def _indexed(lake: Lake, documents: DeltaTable) -> list[str]:
    """Return the statements of what ``search`` reads: words and lengths where indexed, and the files that are not."""
    done, others = words.indexed(lake, documents)
    statements = [_rows(lake, "unindexed", TABLES["documents"], documents, others)]
    for place, (name, schema) in enumerate((("words", words.WORDS), ("lengths", words.LENGTHS))):
        empty = _write(lake, f"empty-{name}-{words.FORMAT}", schema.empty_table(), overwrite=False)
        files = [*(words.names(path)[place] for path in done), empty]
        statements.append(_view(lake, name, files, schema.names, by_name=False))
    return statements


def _superseded(connection: duckdb.DuckDBPyConnection, lake: Lake, documents: DeltaTable) -> str:
    """Publish the index of superseded versions, and return the statement that makes its view."""
    file = _write(lake, superseded.stem(documents), superseded.index(connection, lake, documents), overwrite=True)
    return _view(lake, "superseded", [file], superseded.SCHEMA.names, by_name=False)


def _write(lake: Lake, stem: str, data: pa.Table, *, overwrite: bool) -> str:
    relative = f"{PUBLISHED}/{stem}.parquet"
    path = lake.local / relative
    if overwrite or not path.exists():
        try:
            path.parent.mkdir(exist_ok=True)
            building = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(3)}")
            pq.write_table(data, building, compression="zstd")
            os.replace(building, path)
        except OSError:
            # Who may only read the lake takes what a writer made of the same version.
            if not path.exists():
                raise
    return relative


def _view(
    lake: Lake, name: str, relative: list[str], columns: list[str], *, by_name: bool, placed: bool = False
) -> str:
    """Return the statement of a view over files. Unless ``by_name``, all are taken to have the first one's columns.

    If ``placed``, each row tells where it stands, as the index of superseded versions does: ``_file`` is the file's bare
    name, which is unique, so that the lake may be moved, and ``_row`` its row, from 0.

    That spares opening every file before a question has begun: with 101 files, 30 of 38 ms (measured). How many rows
    there are is guessed by the first one, too, so it should be a large one: by an empty one, the view of current
    documents holds all texts in memory to compare them with a few superseded keys.
    """
    # The variable is read when the view is used, so a moved or copied lake needs no rebuild.
    root = f"coalesce(getvariable('lake_root'), {quoted(str(lake.local).rstrip('/'))})"
    listed = f"{root} || path FOR path IN [{', '.join(quoted('/' + file) for file in relative)}]"
    names = ", ".join(f'"{column}"' for column in columns)
    names += ", parse_filename(filename) AS _file, file_row_number AS _row" if placed else ""
    options = f"union_by_name = {str(by_name).lower()}, hive_partitioning = false"
    options += ", filename = true, file_row_number = true" if placed else ""
    return f"CREATE VIEW lake.{name} AS SELECT {names} FROM read_parquet([{listed}], {options})"


def published_files(lake: Lake) -> set[str]:
    """Return the files the published catalog reads, relative to the lake's root; empty without a catalog.

    Raises:
        LakeError: the catalog cannot be read.
    """
    path = catalog_path(lake)
    if not path.exists():
        return set()
    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            views_ = connection.execute("SELECT sql FROM duckdb_views() WHERE schema_name = 'lake'").fetchall()
    except duckdb.Error as error:
        raise LakeError(
            f"Cannot read {path}: {str(error).splitlines()[0]}.", remedy="Run presslake publish."
        ) from error
    return {text.replace("''", "'") for (sql,) in views_ for text in re.findall(r"'/((?:[^']|'')*\.parquet)'", sql)}


def _comment(connection: duckdb.DuckDBPyConnection) -> None:
    # Where tables share a name, most views speak of documents.
    tables = [*reversed(TABLES.values()), TABLES["documents"]]
    declared = {column.name: column.description for table in tables for column in table.columns}
    # Asking for the columns binds every view, so it is done once for all of them.
    listed = connection.execute(
        "SELECT table_name, column_name FROM duckdb_columns() WHERE schema_name = 'main' AND database_name = 'catalog'"
    ).fetchall()
    by_name = {view.name: view for view in views()}
    statements = [f"COMMENT ON VIEW {view.name} IS {quoted(view.grain)}" for view in views()]
    for name, column in listed:
        own = {entry.name: entry.description for entry in TABLES[name].columns} if name in TABLES else {}
        known = {**declared, **own, **by_name[name].comments}
        if column in known:
            statements.append(f'COMMENT ON COLUMN {name}."{column}" IS {quoted(known[column])}')
    connection.execute(";".join(statements))


def column_types(table: Table) -> dict[str, str]:
    """Return the SQL type of each column as the views show it."""
    return {column.name: sql_type(column.type) for column in table.columns if column.name != table.partition}
