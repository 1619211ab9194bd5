"""From what stands in the lake back to the raw records it was made of, in a stream: the input of replay."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from deltalake import DeltaTable

from schemas.columns import Row
from warehouse.heads import among, scan
from warehouse.lake import Lake, dataset

# Payloads of a few hundred records at a time; decoding further ahead would only hold more of them.
_ROWS = 256


@dataclass(frozen=True, slots=True)
class Origins:
    """What a site's current rows were made of.

    ``documents`` names the records of documents that are not deleted, as one string each (see ``_names``), ``stated``
    how many there are by (kind, source). ``named`` and ``comments`` hold the hashes behind authors, terms and media,
    and behind comments.
    """

    documents: pa.Array
    stated: Counter[tuple[str, str]]
    named: pa.Array
    comments: pa.Array


def sites(lake: Lake) -> list[str]:
    """Return every site of which the lake holds a document or an entity, by name."""
    found: set[str] = set()
    for name in ("documents", "authors", "terms", "media", "comments"):
        for batch in dataset(lake.table(name)).to_batches(columns=["site"]):
            found.update(pc.unique(batch.column("site")).to_pylist())
    return sorted(found)


def origins(lake: Lake, site: str) -> Origins:
    """Return what a site's current rows were made of."""
    columns = ("kind", "id", "source", "document_version", "deleted_at", "_raw_sha256")
    versions = scan(lake.table("documents"), columns, [site], None).sort_by("document_version")
    versions = versions.append_column("position", pa.array(range(versions.num_rows), pa.int64()))
    newest = versions.group_by(["kind", "id"]).aggregate([("position", "max")]).column("position_max")
    current = versions.take(newest)
    current = current.filter(pc.is_null(current.column("deleted_at")))
    counted = current.group_by(["kind", "source"]).aggregate([([], "count_all")]).to_pylist()
    return Origins(
        _names(current.column("kind"), current.column("id"), current.column("_raw_sha256")),
        Counter({(row["kind"], row["source"]): row["count_all"] for row in counted}),
        _hashes(lake, site, ("authors", "terms", "media")),
        _hashes(lake, site, ("comments",)),
    )


def _hashes(lake: Lake, site: str, names: Iterable[str]) -> pa.Array:
    found = [scan(lake.table(name), ("deleted_at", "_raw_sha256"), [site], None) for name in names]
    kept = [table.filter(pc.is_null(table.column("deleted_at"))).column("_raw_sha256") for table in found]
    return pc.unique(pa.chunked_array([chunk for column in kept for chunk in column.chunks], pa.string()))


def _names(kind: pa.ChunkedArray, id_: pa.ChunkedArray, sha256: pa.ChunkedArray) -> pa.Array:
    joined = pc.binary_join_element_wise(kind, id_, sha256, "\0", null_handling="replace", null_replacement="")
    return joined.combine_chunks() if isinstance(joined, pa.ChunkedArray) else joined


def raw_rows(
    lake: Lake, site: str, documents: pa.Array | None, hashes: pa.Array, since: datetime | None = None
) -> Iterator[tuple[Row, bool]]:
    """Return the rows of ``raw`` that made documents or are among ``hashes``, and whether they made a document.

    They come in the order in which they are stored, a few at a time, however many there are.
    """
    where = among([site])
    if since is not None:
        where &= ds.field("fetched_at") >= pa.scalar(since, pa.timestamp("us", tz="UTC"))
    for batch in _streamed(lake.table("raw"), where):
        names = _names(batch.column("kind"), batch.column("id"), batch.column("raw_sha256"))
        made = pc.is_in(names, documents) if documents is not None else pa.array([False] * batch.num_rows)
        wanted = pc.or_(made, pc.is_in(batch.column("raw_sha256"), hashes))
        rows = batch.filter(wanted).to_pylist()
        yield from zip(rows, made.filter(wanted).to_pylist(), strict=True)


def headers(lake: Lake, site: str) -> dict[str, bytes]:
    """Return the headers of a site's exports by their hashes."""
    where = among([site], ["header"]) & (ds.field("kind") == "wxr_header")
    return {
        row["raw_sha256"]: row["payload"] for batch in _streamed(lake.table("raw"), where) for row in batch.to_pylist()
    }


def newest_rejections(lake: Lake, site: str | None) -> Iterator[Row]:
    """Return the newest rejection of each record in quarantine, the record with it."""
    where = None if site is None else ds.field("site") == site
    table = lake.table("quarantine")
    keys = ["site", "kind", "id"]
    narrow = dataset(table).to_table(columns=[*keys, "run_id"], filter=where).to_pylist()
    newest = {tuple(row[key] for key in keys): row["run_id"] for row in sorted(narrow, key=lambda row: row["run_id"])}
    for batch in _streamed(table, where):
        for row in batch.to_pylist():
            if newest[tuple(row[key] for key in keys)] == row["run_id"]:
                yield row


def _streamed(table: DeltaTable, where: ds.Expression | None) -> Iterator[pa.RecordBatch]:
    """Return rows a few at a time. Row group by row group: a scan of the whole table reads a gigabyte ahead."""
    stored_rows = dataset(table)
    for fragment in stored_rows.get_fragments(filter=where):
        for group in fragment.split_by_row_group(filter=where, schema=stored_rows.schema):
            yield from group.to_batches(schema=stored_rows.schema, filter=where, batch_size=_ROWS)
