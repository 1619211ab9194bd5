"""The index of superseded versions: where the rows stand that a newer state has replaced.

Views leave rows out by their place, not by their key: files never change, and to compare places needs no column of theirs,
where the key is four, most of what a question about one or two narrow columns would read (measured: 1.3 to 3.4 times as
fast). Delta's deletion vectors do the same, but then an edit would rewrite a file's entry in the log, and many readers of
Delta refuse them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import PurePath

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable

from schemas.columns import TIMESTAMP
from warehouse.heads import holding
from warehouse.lake import Lake, candidates
from warehouse.places import PUBLISHED
from warehouse.rewrite import data_files
from warehouse.shipped import quoted

SCHEMA = pa.schema(
    [("site", pa.string()), ("kind", pa.string()), ("id", pa.string()), ("document_version", pa.int32()),
     ("valid_to", TIMESTAMP), ("_file", pa.string()), ("_row", pa.int64())]
)  # fmt: skip
"""A superseded version, when version + 1 ended it, and where it stands: its data file's name, its row from 0."""

_FORMAT = 2
_NAME = re.compile(rf"superseded-(\d+)-{_FORMAT}\.parquet")
_FILES = b"presslake_files"

# Small against large: the table of later versions is the one that is held.
_FIND = """
    SELECT l.site, l.kind, l.id, l.document_version, l.valid_to, parse_filename(d.filename) AS _file, d.file_row_number AS _row
    FROM read_parquet({files}, filename = true, file_row_number = true, hive_partitioning = false) AS d
    INNER JOIN later AS l USING (site, kind, id, document_version)
"""
_LATER = """
    SELECT site, kind, id, document_version - 1 AS document_version, valid_from AS valid_to
    FROM read_parquet({files}, hive_partitioning = false)
    WHERE document_version > 1
"""


def stem(documents: DeltaTable) -> str:
    """Return the name of the index of a snapshot, without its extension."""
    return _stem(documents.version())


def index(connection: duckdb.DuckDBPyConnection, lake: Lake, documents: DeltaTable) -> pa.Table:
    """Return the superseded versions of a snapshot, whose files must be here, as ``SCHEMA`` says.

    What an earlier index says of files that are still there holds, so only files that it does not know are asked for
    later versions, and only files that may hold one of those documents for the versions before.

    Raises:
        duckdb.Error: a data file cannot be read.
    """
    every = {PurePath(path).name for path in data_files(documents)}
    known, done = _newest(lake, documents.version(), every)
    holders = [path for path in candidates(documents, above=("document_version", 1)) if PurePath(path).name not in done]
    parts = [known]
    later = (
        connection.sql(_LATER.format(files=_list(lake, holders))).to_arrow_table() if holders else SCHEMA.empty_table()
    )
    if later.num_rows:
        sites, ids = (later.column(name).to_pylist() for name in ("site", "id"))
        files = _list(lake, candidates(documents, holding(sites, ids)))
        connection.register("later", later)
        found = connection.sql(_FIND.format(files=files)).to_arrow_table()
        connection.unregister("later")
        parts.append(found.cast(SCHEMA))
    return pa.concat_tables(parts).replace_schema_metadata({_FILES: json.dumps(sorted(every))})


def _newest(lake: Lake, version: int, every: set[str]) -> tuple[pa.Table, set[str]]:
    """Return the newest index published up to a version and the files it knows; nothing if one of those is no more.

    A file that went may have taken versions with it, or moved them.
    """
    folder = lake.local / PUBLISHED
    matches = (_NAME.fullmatch(path.name) for path in folder.glob("superseded-*"))
    versions = [int(match[1]) for match in matches if match]
    newest = max((known for known in versions if known <= version), default=None)
    if newest is not None:
        try:
            table = pq.read_table(folder / f"{_stem(newest)}.parquet")
            done = set(json.loads((table.schema.metadata or {})[_FILES]))
            if done <= every:
                return table.select(SCHEMA.names).cast(SCHEMA), done
        except (OSError, pa.ArrowException, KeyError, ValueError):
            pass  # damaged or half removed; it can be made anew
    return SCHEMA.empty_table(), set()


def _stem(version: int) -> str:
    return f"superseded-{version}-{_FORMAT}"


def _list(lake: Lake, paths: Iterable[str]) -> str:
    return f"[{', '.join(quoted(str(lake.local / 'documents' / path)) for path in paths)}]"
