"""From RSS 2.0 items to rows: what a feed tells of an article (RSS 2.0, and the content and Dublin Core modules)."""

from __future__ import annotations

import email.utils
from datetime import UTC, datetime
from typing import Any

from lxml import etree

from flows.extraction.fragments import EXTRACTOR, extract_fragment, plain_inline
from flows.readers.wxr import children, named
from flows.rows.posts import document_row
from schemas.columns import Row
from schemas.errors import RecordError
from schemas.records import RawRecord


def item_row(record: RawRecord) -> Row:
    """Return the ``documents`` row of a feed's item; a feed without full text gives its summary.

    Raises:
        RecordError: the item is not well-formed.
    """
    try:
        item = etree.fromstring(record.payload, etree.XMLParser(resolve_entities=False, no_network=True, recover=True))
    except etree.XMLSyntaxError as error:
        raise RecordError("invalid_xml", f"The feed's item is not well-formed: {error.msg}.") from error
    fields = children(item)
    published = _moment(fields.get("pubDate"))
    return document_row(
        record,
        title=plain_inline(fields.get("title", "")),
        extracted=extract_fragment(fields.get("content:encoded") or fields.get("description", ""), base_url=record.url),
        declared_language=None,
        extractor=EXTRACTOR,
        url=fields.get("link") or None,
        excerpt=plain_inline(fields.get("description", "")) or None,
        published_at=published,
        date_quality="ok" if published else "missing",
        authors=[{"id": None, "name": fields["dc:creator"], "slug": None}] if fields.get("dc:creator") else [],
        terms=[_term(element) for element in named(item, "category")],
    )


def _term(element: Any) -> Row:
    # WordPress's feeds mix categories and tags without saying which is which.
    return {"taxonomy": "category", "id": None, "name": plain_inline("".join(element.itertext())), "slug": None}


def _moment(text: str | None) -> datetime | None:
    try:
        value = email.utils.parsedate_to_datetime(text or "")
    except (TypeError, ValueError):
        return None
    return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC)
