"""What the lake knows of a batch's keys: one narrow read that costs the same however much text the lake holds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from deltalake import DeltaTable

from schemas.columns import Row, Table
from schemas.keys import site_bucket
from warehouse.lake import dataset

Key = tuple[str, ...]

_DOCUMENT_HEAD = (
    "document_version", "valid_from", "modified_at", "source", "first_seen_at", "deleted_at", "_raw_sha256",
    "_state_sha256",
)  # fmt: skip


def among(sites: Iterable[str], ids: Iterable[str] | None = None) -> ds.Expression:
    """Return the filter for rows of these sites (and ids, if given); it lets files be skipped by their statistics."""
    sites = sorted(set(sites))
    here = ds.field("site_bucket").isin(sorted({site_bucket(site) for site in sites})) & ds.field("site").isin(sites)
    return here if ids is None else here & ds.field("id").isin(pa.array(sorted(set(ids)), pa.string()))


def scan(table: DeltaTable, columns: Sequence[str], sites: Iterable[str], ids: Iterable[str] | None) -> pa.Table:
    """Return ``columns`` of the rows of these sites (and ids, if given)."""
    sites, ids = set(sites), None if ids is None else set(ids)
    return files_of(table, sites, ids).to_table(columns=list(columns), filter=among(sites, ids))


def files_of(table: DeltaTable, sites: Iterable[str], ids: Iterable[str] | None = None) -> ds.Dataset:
    """Return the files of a table that may hold rows of these sites (and ids, if given)."""
    return dataset(table, holding(sites, ids))


def holding(sites: Iterable[str], ids: Iterable[str] | None = None) -> dict[str, set[str]]:
    """Return what rows of these sites (and ids, if given) hold, by which files are told apart by their statistics."""
    sites = set(sites)
    found = {"site": sites, "site_bucket": {site_bucket(site) for site in sites}}
    return found if ids is None else {**found, "id": set(ids)}


def document_heads(table: DeltaTable, keys: Iterable[Key]) -> dict[Key, Row]:
    """Return the newest version's narrow columns for each known (site, kind, id) among ``keys``."""
    wanted = set(keys)
    if not wanted:
        return {}
    found = scan(table, ("site", "kind", "id", *_DOCUMENT_HEAD), {k[0] for k in wanted}, {k[2] for k in wanted})
    heads: dict[Key, Row] = {}
    for row in found.to_pylist():
        key = (row["site"], row["kind"], row["id"])
        if key in wanted and (key not in heads or row["document_version"] > heads[key]["document_version"]):
            heads[key] = row
    return heads


def entity_heads(table: DeltaTable, key_columns: Sequence[str], keys: Iterable[Key]) -> dict[Key, Row]:
    """Return state, source and lineage of each known entity among ``keys`` (tuples in the order of ``key_columns``)."""
    wanted = set(keys)
    if not wanted:
        return {}
    position = list(key_columns).index("id")
    found = scan(
        table,
        (*key_columns, "source", "deleted_at", "_raw_sha256", "_state_sha256"),
        {key[0] for key in wanted},
        {key[position] for key in wanted},
    )
    rows = ((tuple(row[name] for name in key_columns), row) for row in found.to_pylist())
    return {key: row for key, row in rows if key in wanted}


def landed(table: DeltaTable, keys: Iterable[Key]) -> set[tuple[str, str, str, str]]:
    """Return the (site, kind, id, raw_sha256) already in ``raw`` for these (site, kind, id)."""
    wanted = set(keys)
    if not wanted:
        return set()
    found = scan(table, ("site", "kind", "id", "raw_sha256"), {k[0] for k in wanted}, {k[2] for k in wanted})
    columns = (found.column(name).to_pylist() for name in ("site", "kind", "id", "raw_sha256"))
    return set(zip(*columns, strict=True))


def newest_fetches(raw: DeltaTable, keys: Iterable[Key]) -> dict[Key, datetime]:
    """Return when the newest record of each known (site, kind, id) among ``keys`` was fetched."""
    wanted = set(keys)
    if not wanted:
        return {}
    found = scan(raw, ("site", "kind", "id", "fetched_at"), {k[0] for k in wanted}, {k[2] for k in wanted})
    rows = found.sort_by("fetched_at").to_pylist()
    newest: dict[Key, datetime] = {(row["site"], row["kind"], row["id"]): row["fetched_at"] for row in rows}
    return {key: newest[key] for key in wanted if key in newest}


def current_documents(table: DeltaTable, keys: Iterable[Key]) -> pa.Table:
    """Return the whole newest row of each known (site, kind, id) among ``keys``."""
    heads = document_heads(table, keys)
    if not heads:
        return files_of(table, ()).schema.empty_table()
    names = files_of(table, ()).schema.names
    rows = scan(table, names, {k[0] for k in heads}, {k[2] for k in heads})
    newest = pa.array(
        [
            heads.get((site, kind, id_), {}).get("document_version") == version
            for site, kind, id_, version in zip(
                *(rows.column(n).to_pylist() for n in ("site", "kind", "id", "document_version")), strict=True
            )
        ],
        pa.bool_(),
    )
    return rows.filter(newest)


def public(
    table: DeltaTable,
    declared: Table,
    site: str,
    kind: str,
    ids: Iterable[str] | None = None,
    after: datetime | None = None,
) -> dict[str, datetime | None]:
    """Return id → modification time of what is public of a kind, as far as the lake knows.

    ``ids`` and ``after`` (a modification time) leave out the rest without reading it. Entities of other sources than
    the live site are left out: an export tells of drafts' terms and held comments.
    """
    names = {column.name for column in declared.columns}
    optional = ("kind", "taxonomy", "document_version", "modified_at")
    columns = ["id", "source", "deleted_at", *(name for name in optional if name in names)]
    ids = None if ids is None else set(ids)
    where = among([site], ids)
    for name in ("kind", "taxonomy"):
        where = where & (ds.field(name) == kind) if name in columns else where
    if after is not None:
        where = where & (ds.field("modified_at") > pa.scalar(after, pa.timestamp("us", "UTC")))
    found = files_of(table, [site], ids).to_table(columns=columns, filter=where)
    is_document = declared.name == "documents"
    if is_document:
        found = found.sort_by("document_version")
    newest = {row["id"]: row for row in found.to_pylist()}
    return {
        id_: row.get("modified_at")
        for id_, row in newest.items()
        if row["deleted_at"] is None and (is_document or row["source"] == "rest")
    }


def stated_counts(terms: DeltaTable, site: str, taxonomy: str) -> dict[str, int]:
    """Return term id → how many documents the site states for it, for the terms of a taxonomy that state it."""
    rows = scan(terms, ("taxonomy", "id", "documents_stated"), [site], None).to_pylist()
    stated = {row["id"]: row["documents_stated"] for row in rows if row["taxonomy"] == taxonomy}
    return {id_: count for id_, count in stated.items() if count is not None}


def members(
    documents: DeltaTable, site: str, terms: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], dict[str, set[str]]]:
    """Return (taxonomy, term id) → kind → ids of the public documents that have the term."""
    found: dict[tuple[str, str], dict[str, set[str]]] = {term: defaultdict(set) for term in terms}
    rows = scan(documents, ("kind", "id", "document_version", "deleted_at", "terms"), [site], None)
    newest = {(row["kind"], row["id"]): row for row in rows.sort_by("document_version").to_pylist()}
    for (kind, id_), row in newest.items():
        for term in row["terms"] or () if row["deleted_at"] is None else ():
            if (term["taxonomy"], term["id"]) in found:
                found[term["taxonomy"], term["id"]][kind].add(id_)
    return found


def current_entities(table: DeltaTable, declared: Table, keys: Iterable[Key]) -> list[Row]:
    """Return the whole row of each known entity among ``keys`` (tuples in the order of the table's key)."""
    wanted = set(keys)
    position = declared.key.index("id")
    found = scan(table, declared.schema().names, {key[0] for key in wanted}, {key[position] for key in wanted})
    return [row for row in found.to_pylist() if tuple(row[name] for name in declared.key) in wanted]


def etags(raw: DeltaTable, site: str, source: str) -> dict[str, str]:
    """Return address → ETag of the newest answer read from a site through ``source``, the last read first."""
    found = scan(raw, ("url", "etag", "source", "fetched_at"), [site], None)
    found = found.filter(pc.and_(pc.equal(found.column("source"), source), pc.is_valid(found.column("url"))))
    newest: dict[str, str | None] = {}
    for row in found.sort_by([("fetched_at", "descending")]).select(["url", "etag"]).to_pylist():
        newest.setdefault(row["url"], row["etag"])
    return {url: etag for url, etag in newest.items() if etag}


def known_urls(table: DeltaTable, site: str) -> set[str]:
    """Return the addresses of all documents of a site, whatever their state."""
    found = scan(table, ("url",), [site], None)
    return {url for url in pc.unique(found.column("url")).to_pylist() if url}
