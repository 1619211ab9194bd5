"""What the lake knows of a batch's keys: one narrow read that costs the same however much text the lake holds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from deltalake import DeltaTable

from schemas.columns import Row
from schemas.keys import site_bucket

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
    return table.to_pyarrow_dataset().to_table(columns=list(columns), filter=among(sites, ids))


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
    """Return state and source of each known entity among ``keys`` (tuples in the order of ``key_columns``)."""
    wanted = set(keys)
    if not wanted:
        return {}
    position = list(key_columns).index("id")
    found = scan(
        table,
        (*key_columns, "source", "_state_sha256"),
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


def current_documents(table: DeltaTable, keys: Iterable[Key]) -> pa.Table:
    """Return the whole newest row of each known (site, kind, id) among ``keys``."""
    heads = document_heads(table, keys)
    if not heads:
        return table.to_pyarrow_dataset().schema.empty_table()
    names = table.to_pyarrow_dataset().schema.names
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
    return rows.filter(pc.fill_null(newest, False))


def public_ids(table: DeltaTable, site: str, kind: str) -> set[str]:
    """Return the ids of a kind's documents that are public as far as the lake knows."""
    found = scan(table, ("kind", "id", "document_version", "deleted_at"), [site], None)
    found = found.filter(pc.equal(found.column("kind"), kind))
    newest: dict[str, tuple[int, bool]] = {}
    columns = (found.column(name).to_pylist() for name in ("id", "document_version"))
    for id_, version, is_public in zip(*columns, pc.is_null(found.column("deleted_at")).to_pylist(), strict=True):
        if id_ not in newest or version > newest[id_][0]:
            newest[id_] = (version, is_public)
    return {id_ for id_, (_, is_public) in newest.items() if is_public}


def known_urls(table: DeltaTable, site: str) -> set[str]:
    """Return the addresses of all documents of a site, whatever their state."""
    found = scan(table, ("url",), [site], None)
    return {url for url in pc.unique(found.column("url")).to_pylist() if url}
