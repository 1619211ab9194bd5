"""From WXR items to rows: the same columns as from REST, as far as an export tells them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from flows.extraction.fragments import EXTRACTOR, Extracted, extract_fragment, plain_inline
from flows.readers.wxr import Header
from flows.readers.xmltext import children, named
from flows.rows.moments import judged, moment
from flows.rows.posts import document_row
from schemas.columns import Row
from schemas.keys import entity_state, site_bucket
from schemas.records import RawRecord
from schemas.tables import TABLES

_MAPPED = {
    "title", "link", "pubDate", "dc:creator", "content:encoded", "excerpt:encoded", "category", "description",
    "wp:post_id", "wp:post_date", "wp:post_date_gmt", "wp:post_modified", "wp:post_modified_gmt", "wp:comment_status",
    "wp:post_name", "wp:status", "wp:post_parent", "wp:menu_order", "wp:post_type", "wp:post_password", "wp:is_sticky",
    "wp:comment", "wp:postmeta", "wp:attachment_url",
}  # fmt: skip
_PROTECTED = Extracted(text="", markdown="", headings=[], links=[], images=[])


def item_row(record: RawRecord, item: Any, header: Header) -> tuple[Row, Any]:
    """Return the ``documents`` row of an export's item, and what of ``extra`` an editor sets."""
    fields = children(item)
    meta = _meta(item)
    link = fields.get("link") or None
    is_protected = bool(fields.get("wp:post_password"))
    content = fields.get("content:encoded", "")
    published, quality = moment(fields.get("wp:post_date_gmt"), fields.get("wp:post_date"), None)
    modified, _ = moment(fields.get("wp:post_modified_gmt"), fields.get("wp:post_modified"), None)
    status = fields.get("wp:status") or None
    extra = {name: value for name, value in fields.items() if name not in _MAPPED and value}
    row = document_row(
        record,
        title=plain_inline(fields.get("title", "")),
        extracted=_PROTECTED if is_protected else extract_fragment(content, base_url=link, autop=True),
        declared_language=None,
        extractor=EXTRACTOR,
        url=link,
        slug=unquote(fields["wp:post_name"]) if fields.get("wp:post_name") else None,
        status=status,
        excerpt=None if is_protected else plain_inline(fields.get("excerpt:encoded", "")) or None,
        published_at=published,
        modified_at=modified,
        date_quality=judged(published, quality, record.fetched_at, is_scheduled=status == "future"),
        authors=_authors(fields.get("dc:creator", ""), header),
        terms=list(_terms(item, header)),
        featured_image=_featured(meta.get("_thumbnail_id")),
        is_protected=is_protected,
        is_sticky=fields.get("wp:is_sticky") == "1",
        comment_status=fields.get("wp:comment_status") or None,
        parent_id=_given(fields.get("wp:post_parent")),
        menu_order=_whole(fields.get("wp:menu_order")),
        extra=json.dumps({**extra, **({"meta": meta} if meta else {})}, ensure_ascii=False, separators=(",", ":")),
    )
    return row, None


def _given(value: str | None) -> str | None:
    return value if value and value != "0" else None


def _whole(value: str | None) -> int | None:
    return int(value) if value and value.lstrip("-").isdigit() else None


def _meta(item: Any) -> dict[str, str]:
    pairs = (children(entry) for entry in named(item, "wp:postmeta"))
    return {pair["wp:meta_key"]: pair.get("wp:meta_value", "") for pair in pairs if pair.get("wp:meta_key")}


def _featured(thumbnail_id: str | None) -> Row | None:
    if not _given(thumbnail_id):
        return None
    return {"id": thumbnail_id, "url": None, "alt": None, "caption": None, "width": None, "height": None}


def _authors(login: str, header: Header) -> list[Row]:
    if not login:
        return []
    known = header.authors.get(login, {})
    return [
        {"id": known.get("wp:author_id") or login, "name": known.get("wp:author_display_name") or None, "slug": login}
    ]


def _terms(item: Any, header: Header) -> Iterator[Row]:
    for element in named(item, "category"):
        taxonomy, slug = element.get("domain"), element.get("nicename")
        if taxonomy and slug:
            known = header.terms.get((taxonomy, slug), {})
            label = "".join(element.itertext()) or known.get("name", "")
            yield {
                "taxonomy": taxonomy,
                "id": known.get("id") or slug,
                "name": plain_inline(label),
                "slug": unquote(slug),
            }


def media_row(record: RawRecord, item: Any) -> Row:
    """Return the ``media`` row of an attachment item."""
    fields, meta = children(item), _meta(item)
    return _entity(
        "media",
        record,
        id=record.id,
        url=fields.get("wp:attachment_url") or None,
        page_url=fields.get("link") or None,
        title=plain_inline(fields.get("title", "")) or None,
        alt=meta.get("_wp_attachment_image_alt") or None,
        caption=plain_inline(fields.get("excerpt:encoded", "")) or None,
        document_id=_given(fields.get("wp:post_parent")),
        published_at=moment(fields.get("wp:post_date_gmt"), None, None)[0],
        modified_at=moment(fields.get("wp:post_modified_gmt"), None, None)[0],
    )


def comment_rows(record: RawRecord, item: Any) -> Iterator[Row]:
    """Return the approved comments of an item; held ones and trash were never public."""
    for element in named(item, "wp:comment"):
        fields = children(element)
        if fields.get("wp:comment_approved") != "1" or not fields.get("wp:comment_id"):
            continue
        yield _entity(
            "comments",
            record,
            id=fields["wp:comment_id"],
            document_id=record.id,
            parent=_given(fields.get("wp:comment_parent")),
            author_id=_given(fields.get("wp:comment_user_id")),
            author_name=fields.get("wp:comment_author") or None,
            author_url=fields.get("wp:comment_author_url") or None,
            text=extract_fragment(fields.get("wp:comment_content", ""), autop=True).text,
            published_at=moment(fields.get("wp:comment_date_gmt"), None, None)[0],
            status="approved",
            type=fields.get("wp:comment_type") or "comment",
        )


def header_rows(record: RawRecord, header: Header) -> Iterator[tuple[str, Row]]:
    """Return the authors and terms that the header lists, as (table, row)."""
    for login, fields in header.authors.items():
        yield "authors", _entity(
            "authors", record, id=fields.get("wp:author_id") or login,
            name=fields.get("wp:author_display_name") or login, slug=login,
        )  # fmt: skip
    ids = {key: term["id"] or key[1] for key, term in header.terms.items()}
    for (taxonomy, slug), term in header.terms.items():
        yield "terms", _entity(
            "terms", record, taxonomy=taxonomy, id=ids[taxonomy, slug], name=plain_inline(term["name"]),
            slug=unquote(slug), parent=ids.get((taxonomy, term["parent"])), description=term["description"] or None,
        )  # fmt: skip


def _entity(table: str, record: RawRecord, **columns: Any) -> Row:
    row = {
        "site_bucket": site_bucket(record.site), "site": record.site, "source": record.source,
        "_source": record.given_source, "_raw_sha256": record.sha256, "_ingested_at": record.fetched_at, **columns,
    }  # fmt: skip
    row["_state_sha256"] = entity_state(TABLES[table], row)
    return row
