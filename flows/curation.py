"""From raw record to curated rows: the one place that knows which reader a record needs. Pure: no lake, no network."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from flows.readers import wxr
from flows.readers.files import FEED_ITEM, HTML, JSON, MARKDOWN, WXR_HEADER, WXR_ITEM, document_stem
from flows.readers.packages import DOCX, EPUB, read_package
from flows.readers.payload import decode, decode_text
from flows.rows import wxritems
from flows.rows.entities import embedded_rows, entity_row
from flows.rows.posts import document_row, post_row
from schemas.columns import Row
from schemas.errors import RecordError
from schemas.records import RawRecord

TEXT_EXTRACTOR = "plaintext 2"
MARKDOWN_EXTRACTOR = "markdown 2"
# The worst fragments of this size that we could think of take well under a second.
_TAME_BYTES = 64 * 1024


@dataclass(slots=True)
class Curated:
    """What a record became: its own ``row`` for ``table`` (or an error) and the entities it carried along.

    ``editorial`` is the part of ``extra`` that editors set; it counts for the document's state.
    """

    table: str
    row: Row | None = None
    error: RecordError | None = None
    editorial: Any = None
    entities: list[tuple[str, Row]] = field(default_factory=list)


def curate(record: RawRecord) -> Curated:
    """Return what a raw record becomes. Never raises: whatever goes wrong with one record is its ``error``."""
    try:
        return _READERS.get(record.content_type or "", _text)(record)
    except RecordError as error:
        return failed(record, error)
    except MemoryError:
        return failed(record, RecordError("extraction_crashed", "Extraction needs more memory than it may take."))
    except Exception as error:  # the one broad catch: a record must never end a run
        message = f"{type(error).__name__}: {str(error)[:300]}"
        return failed(record, RecordError("extraction_failed", f"Extraction failed: {message}"))


def failed(record: RawRecord, error: RecordError) -> Curated:
    """Return what a record becomes that could not be extracted."""
    return Curated(record.table, error=error)


def is_tame(record: RawRecord) -> bool:
    """Tell whether a record can be extracted at once: its size alone keeps time and memory within bounds.

    Pages and packages go through libraries that promise neither, whatever their size.
    """
    return record.content_type not in (HTML, EPUB, DOCX) and len(record.payload) <= _TAME_BYTES


def _json(record: RawRecord) -> Curated:
    value = decode(record.payload)
    if not isinstance(value, dict):
        raise RecordError("wrong_shape", f"The record is {type(value).__name__}, not an object.")
    entities = list(embedded_rows(record, value)) if record.table in ("", "documents") else []
    if not record.table:
        return Curated("", entities=entities)
    if record.table != "documents":
        return Curated(record.table, entity_row(record.table, record, value))
    row, editorial = post_row(record, value)
    return Curated("documents", row, editorial=editorial, entities=entities)


def _wxr_header(record: RawRecord) -> Curated:
    header = _header(record)
    return Curated("", entities=list(wxritems.header_rows(record, header)))


def _wxr_item(record: RawRecord) -> Curated:
    header = _header(record)
    item = wxr.parse_item(record.payload, header.root)
    comments = [("comments", row) for row in wxritems.comment_rows(record, item)]
    if not record.table:
        return Curated("", entities=comments)
    if record.table == "media":
        return Curated("media", wxritems.media_row(record, item), entities=comments)
    row, editorial = wxritems.item_row(record, item, header)
    return Curated("documents", row, editorial=editorial, entities=comments)


def _header(record: RawRecord) -> wxr.Header:
    given = record.context.get("header")
    if isinstance(given, wxr.Header):
        return given
    return wxr.parse_header(record.payload) if record.content_type == WXR_HEADER else wxr.Header()


def _html(record: RawRecord) -> Curated:
    # Trafilatura takes most of a second to import: only those who bring pages pay for it.
    from flows.extraction.pages import decode_html, extract_page

    html = decode_html(record.payload, record.context.get("content_type"))
    page = extract_page(html, url=record.context.get("url"), now=record.fetched_at)
    image = page.image_url
    row = document_row(
        record,
        title=page.title or document_stem(record.id),
        extracted=page.extracted,
        declared_language=page.language,
        extractor=page.extractor,
        url=page.url,
        excerpt=page.excerpt,
        published_at=page.published_at,
        modified_at=page.modified_at,
        date_quality=page.date_quality,
        authors=[{"id": None, "name": name, "slug": None} for name in page.authors],
        terms=[],
        featured_image={"id": None, "url": image} if image else None,
    )
    return Curated("documents", _with_text(row))


def _markdown(record: RawRecord) -> Curated:
    from flows.extraction.plaintext import extract_markdown
    from flows.rows.frontmatter import columns_of

    found = extract_markdown(decode_text(record.payload), fallback_title=document_stem(record.id))
    row = document_row(
        record, title=found.title, extracted=found.extracted, extractor=MARKDOWN_EXTRACTOR,
        **columns_of(found.metadata, record.fetched_at),
    )  # fmt: skip
    return Curated("documents", _with_text(row))


def _package(record: RawRecord) -> Curated:
    from flows.extraction.fragments import EXTRACTOR, extract_fragment, plain_inline
    from flows.rows.frontmatter import columns_of

    package = read_package(record.payload, record.content_type or "")
    html, title = package.html, package.metadata.get("title")
    heading = re.match(r"\s*<h1[^>]*>(.*?)</h1>", html, re.DOTALL)
    if heading and plain_inline(heading[1]) == (title or plain_inline(heading[1])):
        # The title is not repeated in the text.
        html, title = html[heading.end() :], plain_inline(heading[1])
    row = document_row(
        record, title=title or document_stem(record.id), extracted=extract_fragment(html), extractor=EXTRACTOR,
        **columns_of(package.metadata, record.fetched_at),
    )  # fmt: skip
    return Curated("documents", _with_text(row))


def _text(record: RawRecord) -> Curated:
    from flows.extraction.plaintext import extract_plain_text

    found = extract_plain_text(decode_text(record.payload), fallback_title=document_stem(record.id))
    row = document_row(
        record, title=found.title, extracted=found.extracted, declared_language=None, extractor=TEXT_EXTRACTOR,
        authors=[], terms=[],
    )  # fmt: skip
    return Curated("documents", _with_text(row))


def _with_text(row: Row) -> Row:
    """Refuse a document that says nothing; a post may be empty, a file or page should hold something.

    Raises:
        RecordError: there is no text, and no title but the file's name.
    """
    if not row["text"].strip() and row["title"].strip() in ("", document_stem(row["id"])):
        raise RecordError("no_text", "No text was found in it.")
    return row


def _feed_item(record: RawRecord) -> Curated:
    from flows.rows.feeds import item_row

    return Curated("documents", _with_text(item_row(record)))


_READERS = {
    FEED_ITEM: _feed_item,
    JSON: _json,
    WXR_ITEM: _wxr_item,
    WXR_HEADER: _wxr_header,
    HTML: _html,
    MARKDOWN: _markdown,
    EPUB: _package,
    DOCX: _package,
}
