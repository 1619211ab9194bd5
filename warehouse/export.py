"""Corpora out: the current documents as one file, or as a folder of Markdown files.

The same lake gives the same bytes: columns stand in declared order, rows by site, kind and id, and nothing
of the clock or the machine gets in.

Memory stays bounded. DuckDB's own sort does not keep to its limit when rows are wide (measured: 50,000
documents of 25 kB ended with out of memory at 1 GB), so keys and sizes are sorted first, which is little;
they say where to cut the order into parts of some megabytes. One pass over the documents then deals them out
to temporary files, a part each, and the parts are sorted one after the other.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import tempfile
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from schemas.dictionary import sql_type
from schemas.errors import LakeError, UsageError
from schemas.tables import DOCUMENTS
from warehouse.formats import destination, dumps, moment, save
from warehouse.lake import Lake
from warehouse.query import Rows, connect, interruptible, run_query

FORMATS = ("jsonl", "csv", "parquet", "markdown")
_KEY = ("site", "kind", "id")
_PART_BYTES = 16 << 20
_MOST_PARTS = 200
_DEALT_ROWS = 512
_MARKER = ".presslake-export"
_MAX_NAME_BYTES = 120
_FRONT_MATTER = (
    "site", "kind", "id", "url", "slug", "status", "title", "excerpt", "language", "published_at",
    "modified_at", "date_quality", "authors", "terms", "featured_image", "word_count", "parent_id", "source",
)  # fmt: skip
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?$", re.IGNORECASE)
# YAML's double-quoted text is JSON's, but these may not stand in it bare.
_YAML_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def export(lake: Lake, *, where: str | None, format: str, output: str) -> int:
    """Write the current documents; return how many.

    Every column but the storage partition is there, in declared order. ``csv`` is safe for spreadsheets: text
    that begins with ``=``, ``+``, ``-``, ``@``, a tab or a return gets a leading apostrophe; numbers stay.
    ``markdown`` makes a folder of ``<site>/<kind>/<slug or id>.md`` with YAML front matter; it replaces an
    earlier export but never another folder.

    Args:
        lake: whose catalog is read.
        where: a condition in SQL over the columns of the view ``documents``.
        format: one of ``FORMATS``.
        output: file, or folder for ``markdown``.

    Raises:
        UsageError: ``where`` is not one condition, ``output`` cannot be there, or nothing was published.
        LakeError: the lake cannot be read or the disk failed.
    """
    if format not in FORMATS:
        raise UsageError(f"There is no export format {format}.", remedy=f"Choose one of {', '.join(FORMATS)}.")
    # Before the work, so that a wrong path is told at once.
    destination(output, lake.root)
    # One thread: the documents pass through one hand anyway, and each more would hold buffers of its own.
    with connect(lake, threads=1) as connection:
        return interruptible(connection, lambda: _save(connection, where, format, output, lake.root))


def _save(connection: duckdb.DuckDBPyConnection, where: str | None, format: str, output: str, lake_root: str) -> int:
    result = _Sorted(connection, _from(where))
    if format == "markdown":
        return _save_folder(result, output, lake_root)
    return save(result, format, output, lake_root=lake_root, is_spreadsheet_safe=format == "csv")


def _from(where: str | None) -> str:
    condition = ""
    if where is not None:
        try:
            # Parsed alone it must be one expression: it cannot close the parenthesis and go on.
            duckdb.SQLExpression(where)
        except duckdb.Error as error:
            raise UsageError(
                f"--where is not one condition: {str(error).splitlines()[0]}.",
                remedy="For example: --where \"site = 'example.com'\".",
            ) from error
        # On lines of its own, so that a comment at its end hides nothing.
        condition = f" WHERE (\n{where}\n)"
    return f" FROM documents{condition}"


class _Sorted:
    """The chosen documents in order, part by part."""

    columns = tuple(column.name for column in DOCUMENTS.columns if column.name != DOCUMENTS.partition)
    types = tuple(sql_type(column.type) for column in DOCUMENTS.columns if column.name != DOCUMENTS.partition)

    def __init__(self, connection: duckdb.DuckDBPyConnection, chosen: str) -> None:
        self._connection = connection
        self._chosen = chosen
        names = ", ".join(f'"{name}"' for name in self.columns)
        # Checked and bound now, so that a mistake is told before anything is written.
        self._documents = run_query(connection, f"SELECT {names}{chosen}")

    def rows(self, size: int = 256) -> Iterator[list[tuple[Any, ...]]]:
        with self.batches(min(size, 64)) as reader:
            for batch in reader:
                yield list(zip(*(column.to_pylist() for column in batch.columns), strict=True))

    @contextmanager
    def batches(self, size: int = 2048) -> Iterator[pa.RecordBatchReader]:
        edges = self._edges()
        with self._documents.batches(_DEALT_ROWS) as reader:
            parts = _parts(reader, edges) if edges else iter([reader.read_all()])
            ordered = (part.sort_by([(key, "ascending") for key in _KEY]) for part in parts)
            flat = (batch for part in ordered for batch in part.to_batches(max_chunksize=size))
            yield pa.RecordBatchReader.from_batches(reader.schema, flat)

    def _edges(self) -> list[tuple[Any, ...]]:
        """Return the keys with which parts two, three … begin."""
        weight = "strlen(text) + strlen(markdown) + coalesce(strlen(extra), 0) + 4096"
        sizes = f"SELECT site, kind, id, {weight} AS size{self._chosen}"
        sql = f"""
            WITH sizes AS ({sizes}
            ),
            cut AS (
                SELECT site, kind, id, (sum(size) OVER (ORDER BY site, kind, id))
                    // greatest({_PART_BYTES}, sum(size) OVER () // {_MOST_PARTS}) AS part
                FROM sizes
            ),
            firsts AS (SELECT *, lag(part, 1, part) OVER (ORDER BY site, kind, id) AS before FROM cut)
            SELECT site, kind, id FROM firsts WHERE part <> before ORDER BY site, kind, id
        """
        return [row for rows in run_query(self._connection, sql).rows() for row in rows]


def _parts(reader: pa.RecordBatchReader, edges: list[tuple[Any, ...]]) -> Iterator[pa.Table]:
    """Deal the rows out by key, then yield the parts in order, each in any order within."""
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with tempfile.TemporaryDirectory(prefix="presslake-export-") as folder, ExitStack() as stack:
        paths = [os.path.join(folder, str(number)) for number in range(len(edges) + 1)]
        writers = [stack.enter_context(pa.ipc.new_stream(p, reader.schema, options=options)) for p in paths]
        for batch in reader:
            chosen: dict[int, list[int]] = {}
            # Text compares by code point in Python and by byte in DuckDB and Arrow, which is the same order.
            for position, key in enumerate(zip(*(batch.column(name).to_pylist() for name in _KEY), strict=True)):
                chosen.setdefault(bisect_right(edges, key), []).append(position)
            for part, positions in chosen.items():
                writers[part].write_batch(batch.take(pa.array(positions, pa.int32())))
        stack.close()
        for path in paths:
            with pa.ipc.open_stream(path) as part:
                yield part.read_all()
            os.unlink(path)


# -- a folder of Markdown ----------------------------------------------------------------------------------


def _save_folder(result: Rows, output: str, lake_root: str) -> int:
    path = destination(output, lake_root)
    if path.exists() and not path.is_dir():
        raise UsageError(f"Cannot write {output}: it is a file.", remedy="Name a folder for markdown.")
    if path.is_dir() and any(path.iterdir()) and not (path / _MARKER).is_file():
        raise UsageError(f"Cannot write {output}: the folder holds other files.", remedy="Name a new or empty folder.")
    building = path.with_name(f".{path.name[:80]}.{os.getpid()}-{secrets.token_hex(3)}")
    try:
        building.mkdir()
        count = _write_folder(result, building)
        (building / _MARKER).write_text("Made by presslake export, which replaces this folder as a whole.\n")
        _swap(building, path)
    except PermissionError as error:
        raise UsageError(f"Cannot write {output}: permission denied.", remedy="Choose another place.") from error
    except OSError as error:
        raise LakeError(f"Cannot write {output}: {error.strerror or error}.", remedy="Nothing was replaced.") from error
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return count


def _swap(building: Path, path: Path) -> None:
    """Put the new folder in the place of the old, which is removed once the new one stands."""
    old = building.with_name(building.name + "-old")
    if path.exists():
        path.rename(old)
    try:
        building.rename(path)
    except OSError:
        if old.exists():
            old.rename(path)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _write_folder(result: Rows, root: Path) -> int:
    count, folded = 0, set[Path]()
    at = {name: position for position, name in enumerate(result.columns)}
    for rows in result.rows(64):
        for row in rows:
            document = {name: row[position] for name, position in at.items()}
            folder = root / safe_name(document["site"]) / safe_name(document["kind"])
            folder.mkdir(parents=True, exist_ok=True)
            _write_new(folder, document, front_matter(document) + _body(document["markdown"]), folded)
        count += len(rows)
    return count


def _body(markdown: str | None) -> str:
    return "\n" + markdown.rstrip("\n") + "\n" if markdown else ""


def _write_new(folder: Path, document: dict[str, Any], text: str, folded: set[Path]) -> None:
    """Write under the first free name; rows come in a fixed order, so names come out the same each time.

    ``folded`` holds, in small letters, the paths that have capitals: where letters' case is ignored those are taken.
    """
    digest = hashlib.sha256("\0".join((document["site"], document["kind"], document["id"])).encode()).hexdigest()
    stem = document["slug"] or document["id"]
    for suffix in ("", "-" + digest[:8], "-" + digest):
        name = safe_name(stem, suffix + ".md")
        small = folder / name.casefold()
        if small in folded or (small.name != name and small.exists()):
            continue
        try:
            with open(folder / name, "x", encoding="utf-8", newline="\n") as file:
                file.write(text)
        except FileExistsError:
            continue
        if small.name != name:
            folded.add(small)
        return
    raise LakeError(f"Cannot name the file of document {document['id']} of {document['site']}.")


def safe_name(text: str, suffix: str = "") -> str:
    """Return one path component for any text: no separators, outer dots, reserved names or excess length."""
    name = unicodedata.normalize("NFC", text)
    name = "".join("-" if unicodedata.category(c)[0] in "CZ" or c in '/\\:*?"<>|' else c for c in name)
    name = re.sub(r"-{2,}", "-", name).strip("-. ")
    if _RESERVED.match(name):
        name = "_" + name
    room = _MAX_NAME_BYTES - len(suffix.encode())
    name = name.encode()[:room].decode("utf-8", "ignore").rstrip("-. ")
    return (name or "untitled") + suffix


def front_matter(document: dict[str, Any]) -> str:
    """Return the YAML block of a document: text is quoted, moments are not, what is null is left out."""
    lines = [f"{name}: {_yaml(document[name])}\n" for name in _FRONT_MATTER if document[name] is not None]
    return "---\n" + "".join(lines) + "---\n"


def _yaml(value: Any) -> str:
    if isinstance(value, datetime):
        return moment(value)
    return _YAML_UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", dumps(value))
