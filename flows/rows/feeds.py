"""From a feed's items to rows: RSS 2.0 and 1.0 with their content and Dublin Core modules, and Atom (RFC 4287)."""

from __future__ import annotations

import email.utils
import json
from datetime import UTC, datetime
from html import escape
from typing import Any

from lxml import etree

from flows.extraction.fragments import EXTRACTOR, extract_fragment, plain_inline
from flows.readers.feeds import link_of
from flows.readers.xmltext import children, clean, named, parse_leniently, parse_piece
from flows.rows.moments import judged
from flows.rows.posts import document_row
from schemas.columns import Row
from schemas.errors import RecordError
from schemas.records import RawRecord

_MAPPED = {
    "title", "link", "pubDate", "description", "author", "category", "content:encoded", "dc:creator", "dc:date",
    "dc:subject", "dc:language", "atom:title", "atom:link", "atom:content", "atom:summary", "atom:author",
    "atom:category", "atom:published", "atom:updated",
}  # fmt: skip


def item_row(record: RawRecord) -> Row:
    """Return the ``documents`` row of a feed's item; a feed without full text gives its summary.

    ``record.context`` may hold the ``root`` tag of the feed, for its namespaces, and its ``language``.

    Raises:
        RecordError: the item is not well-formed.
    """
    item = _element(record)
    fields = children(item)
    is_atom = any(key.startswith("atom:") and key != "atom:link" for key in fields)
    columns = _atom(item, fields) if is_atom else _rss(item, fields)
    summary, content = columns.pop("summary"), columns.pop("content")
    published = columns["published_at"]
    extra = {key: value.strip() for key, value in fields.items() if key and key not in _MAPPED and value.strip()}
    return document_row(
        record,
        title=plain_inline(columns.pop("title")),
        extracted=extract_fragment(content or summary, base_url=columns["url"] or record.url),
        extractor=EXTRACTOR,
        excerpt=plain_inline(summary) or None,
        declared_language=columns.pop("language") or record.context.get("language"),
        date_quality=judged(published, "ok" if published else "missing", record.fetched_at),
        extra=json.dumps(extra, ensure_ascii=False) if extra else None,
        **columns,
    )


def _element(record: RawRecord) -> Any:
    text = clean(record.payload)
    if record.context.get("root"):
        return parse_piece(text, record.context["root"], "entry" if text.startswith("<entry") else "item")
    found = parse_leniently(text)
    if found is None:
        raise RecordError("invalid_xml", "The feed's item is not well-formed XML.")
    return found


def _rss(item: Any, fields: dict[str, str]) -> Row:
    # An RSS author is an address with the name in brackets; Dublin Core's creator is the name.
    authors = ["".join(e.itertext()) for e in named(item, "dc:creator")] or [
        email.utils.parseaddr("".join(e.itertext()))[0] or "".join(e.itertext()) for e in named(item, "author")
    ]
    return {
        "title": fields.get("title", ""),
        "content": fields.get("content:encoded", ""),
        "summary": fields.get("description", ""),
        "url": fields.get("link", "").strip() or None,
        "published_at": _moment(fields.get("pubDate")) or _moment(fields.get("dc:date")),
        "authors": _authors(authors),
        "terms": _terms("".join(e.itertext()) for kind in ("category", "dc:subject") for e in named(item, kind)),
        "language": fields.get("dc:language"),
    }


def _atom(item: Any, fields: dict[str, str]) -> Row:
    published, updated = _moment(fields.get("atom:published")), _moment(fields.get("atom:updated"))
    return {
        "title": _construct(item, "atom:title"),
        "content": _construct(item, "atom:content"),
        "summary": _construct(item, "atom:summary"),
        "url": link_of(item) or None,
        "published_at": published or updated,
        "modified_at": updated,
        "authors": _authors(children(e).get("atom:name", "") for e in named(item, "atom:author")),
        "terms": _terms(e.get("label") or e.get("term") or "" for e in named(item, "atom:category")),
        "language": item.get("{http://www.w3.org/XML/1998/namespace}lang"),
    }


def _construct(item: Any, kind: str) -> str:
    """Return an Atom text construct as HTML."""
    found = named(item, kind)
    if not found:
        return ""
    element, form = found[0], found[0].get("type", "text")
    if form == "xhtml":
        return "".join(etree.tostring(child, encoding="unicode", with_tail=False) for child in element)
    text = "".join(element.itertext())
    return text if form in ("html", "text/html") else escape(text, quote=False)


def _authors(names: Any) -> list[Row]:
    return [{"id": None, "name": plain_inline(name), "slug": None} for name in names if plain_inline(name)]


def _terms(names: Any) -> list[Row]:
    # Feeds mix categories and tags without saying which is which.
    return [
        {"taxonomy": "category", "id": None, "name": plain_inline(name), "slug": None}
        for name in names
        if plain_inline(name)
    ]


def _moment(text: str | None) -> datetime | None:
    for read in (datetime.fromisoformat, email.utils.parsedate_to_datetime):
        try:
            value = read((text or "").strip())
            return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC)
        except (TypeError, ValueError, OverflowError):
            continue
    return None
