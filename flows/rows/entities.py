"""From REST objects to the rows of ``authors``, ``terms``, ``media`` and ``comments``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from html import unescape
from typing import Any
from urllib.parse import unquote

from flows.extraction.fragments import extract_fragment, plain_inline
from flows.readers.restobjects import rendered, table_of
from flows.rows.moments import moment, zone
from flows.rows.posts import _embedded_terms, _id, _size, embedded
from schemas.columns import Row
from schemas.keys import entity_state, site_bucket
from schemas.records import RawRecord
from schemas.tables import TABLES


def entity_row(table: str, record: RawRecord, value: Mapping[str, Any]) -> Row:
    """Return the row of an entity table from a REST object."""
    columns, mapped = _MAPPERS[table](value, record)
    extra = {key: entry for key, entry in value.items() if key not in mapped}
    row = {
        "site_bucket": site_bucket(record.site), "site": record.site, "id": str(value["id"]), "source": record.source,
        "extra": json.dumps(extra, ensure_ascii=False, separators=(",", ":")) if extra else None,
        "_source": record.given_source, "_raw_sha256": record.sha256, "_ingested_at": record.fetched_at, **columns,
    }  # fmt: skip
    row["_state_sha256"] = entity_state(TABLES[table], row)
    return row


def embedded_rows(record: RawRecord, value: Mapping[str, Any]) -> Iterable[tuple[str, Row]]:
    """Return the (table, row) of each whole entity that a post embeds."""
    groups = (*embedded(value, "author"), *_embedded_terms(value), *embedded(value, "wp:featuredmedia"))
    for entry in groups:
        table = table_of(entry)
        if table is not None and table != "documents":
            yield table, entity_row(table, record, entry)


def _author(value: Mapping[str, Any], _: RawRecord) -> tuple[Row, set[str]]:
    avatars = value.get("avatar_urls")
    sizes = (
        sorted(avatars, key=lambda size: int(size) if str(size).isdigit() else 0) if isinstance(avatars, dict) else []
    )
    return {
        # WordPress stores display names escaped and shows them as they are.
        "name": unescape(str(value["name"])) if value.get("name") else None,
        "slug": unquote(str(value["slug"])) if value.get("slug") else None,
        "url": value.get("link") or value.get("url") or None,
        "description": plain_inline(str(value.get("description") or "")) or None,
        "avatar_url": avatars[sizes[-1]] if sizes and isinstance(avatars, dict) else None,
    }, {"id", "name", "slug", "link", "description", "_links"}


def _term(value: Mapping[str, Any], _: RawRecord) -> tuple[Row, set[str]]:
    return {
        "taxonomy": str(value.get("taxonomy")),
        "name": plain_inline(str(value.get("name") or "")),
        "slug": unquote(str(value["slug"])) if value.get("slug") else None,
        "parent": _id(value.get("parent")),
        "description": plain_inline(str(value.get("description") or "")) or None,
        "url": value.get("link") or None,
        "documents_stated": value.get("count"),
    }, {"id", "taxonomy", "name", "slug", "parent", "description", "link", "count", "_links"}


def _media(value: Mapping[str, Any], record: RawRecord) -> tuple[Row, set[str]]:
    details = value.get("media_details") if isinstance(value.get("media_details"), dict) else {}
    site_zone = zone(*record.context["zone"]) if record.context.get("zone") else None
    return {
        "url": value.get("source_url") or None,
        "page_url": value.get("link") or None,
        "title": plain_inline(rendered(value.get("title"))) or None,
        "alt": value.get("alt_text") or None,
        "caption": plain_inline(rendered(value.get("caption"))) or None,
        "mime_type": value.get("mime_type") or None,
        "width": _size(details.get("width")),  # type: ignore[union-attr]
        "height": _size(details.get("height")),  # type: ignore[union-attr]
        "document_id": _id(value.get("post")),
        "author_id": _id(value.get("author")),
        "published_at": moment(value.get("date_gmt"), value.get("date"), site_zone)[0],
        "modified_at": moment(value.get("modified_gmt"), value.get("modified"), site_zone)[0],
    }, {
        "id", "source_url", "link", "title", "alt_text", "caption", "mime_type", "post", "author", "date", "date_gmt",
        "modified", "modified_gmt", "_links",
    }  # fmt: skip


def _comment(value: Mapping[str, Any], record: RawRecord) -> tuple[Row, set[str]]:
    site_zone = zone(*record.context["zone"]) if record.context.get("zone") else None
    link = value.get("link") or None
    return {
        "document_id": _id(value.get("post")),
        "parent": _id(value.get("parent")),
        "author_id": _id(value.get("author")),
        "author_name": value.get("author_name") or None,
        "author_url": value.get("author_url") or None,
        "text": extract_fragment(rendered(value.get("content")), base_url=link).text,
        "published_at": moment(value.get("date_gmt"), value.get("date"), site_zone)[0],
        "status": value.get("status"),
        "type": value.get("type"),
        "url": link,
    }, {
        "id", "post", "parent", "author", "author_name", "author_url", "content", "date", "date_gmt", "status", "type",
        "link", "_links",
    }  # fmt: skip


_MAPPERS = {"authors": _author, "terms": _term, "media": _media, "comments": _comment}
