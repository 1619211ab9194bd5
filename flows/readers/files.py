"""From local files to raw records: what a file is, is told by its content, never by its name alone."""

from __future__ import annotations

import codecs
import io
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from flows.readers import feeds, wxr
from flows.readers.localfiles import BROKEN_ARCHIVE, WARC_BEGIN, Found, chunks, find, legible
from flows.readers.packages import text_bytes
from flows.readers.payload import UTF16_MARKS, Slices, decode, decode_text, in_utf8, lines, slices
from flows.readers.restobjects import site_of, table_of
from flows.readers.xmltext import children, decode_xml, split
from schemas.errors import RecordError
from schemas.keys import canonical_site
from schemas.records import RawRecord, Rejection
from schemas.sources import Source

if TYPE_CHECKING:
    from flows.readers import warc

JSON, WXR_ITEM, WXR_HEADER = "application/json", "application/x-wxr-item", "application/x-wxr-header"
HTML, MARKDOWN, TEXT = "text/html", "text/markdown", "text/plain"
FEED_ITEM, FEED, WARC = "application/x-feed-item", "application/rss+xml", "application/warc"
_ENTITY_KINDS = {"documents": "post", "authors": "author", "media": "attachment", "comments": "comment"}
_BINARY = {
    b"%PDF-": "a PDF", b"\x89PNG": "a PNG image", b"\xff\xd8\xff": "a JPEG image", b"GIF8": "a GIF image",
    b"PK\x03\x04": "an office document or e-book", b"\x7fELF": "a program", b"SQLite format 3": "a SQLite database",
    b"PAR1": "a Parquet file", b"\xd0\xcf\x11\xe0": "an old office document", b"ID3": "an MP3 file",
}  # fmt: skip
# Notes begin with brackets, too: ``[ ] buy ink``, ``[[Harbour]]``, ``{note}``.
_JSON_START = re.compile(rb"^\s*(?:\{\s*(?:\"|\}\s*$)|\[\s*(?:\{\s*[\"}]|\]\s*$|\[\s*(?:\{\s*[\"}]|\]\s*[],])))")
_PAGE_START = re.compile(rb"<(?:!doctype\s+html|html|head|body)[\s>/]", re.IGNORECASE)
_FRAGMENT_START = re.compile(
    rb"<(?:article|section|main|header|div|p|h[1-6]|table|ul|ol|dl|blockquote|figure|pre|br|hr|img|a|b|strong|em|span)[\s>/]",
    re.IGNORECASE,
)
_XML_START = re.compile(rb"^\s*<(?:\?xml|rss|feed|rdf|svg|kml|gpx|opml)", re.IGNORECASE)
# Post types that hold a site's machinery, not what it published.
INTERNAL_KINDS = frozenset(
    ("nav_menu_item", "revision", "customize_changeset", "custom_css", "oembed_cache", "user_request", "wp_block",
     "wp_template", "wp_template_part", "wp_global_styles", "wp_navigation", "wp_font_family", "wp_font_face")
)  # fmt: skip


@dataclass(frozen=True)
class FileOptions:
    """What a local source needs to know: ``site`` replaces the folder's name for documents without a site.

    ``left_out`` counts what is no document and was never meant to be one, such as the requests in a web archive.
    """

    site: str | None
    max_bytes: int
    left_out: Counter[str] = field(default_factory=Counter)


Read = RawRecord | Rejection


def read(source: Source, options: FileOptions) -> Iterator[Read]:
    """Return every record in the files a source names, and a rejection for each that cannot be one.

    Raises:
        SourceError: the source names no file at all.
    """
    for found in find(source):
        reader = _FileReader(legible(source.given), options, found)
        try:
            yield from reader.records()
        except RecordError as error:
            yield reader.rejection(error)
        except (OSError, ValueError, RuntimeError, *BROKEN_ARCHIVE) as error:
            why = getattr(error, "strerror", None) or str(error) or type(error).__name__
            yield reader.rejection(RecordError("unreadable_file", f"{found.where} cannot be read to its end: {why}."))


def read_piece(piece: RawRecord, max_bytes: int) -> Iterator[Read]:
    """Read again what no record could be made of: a part of a JSON file, or an item of an export."""
    found = Found(piece.id, piece.site, b"", lambda: io.BytesIO(piece.payload), where=piece.url or "")
    reader = _FileReader(piece.given_source, FileOptions(None, max_bytes), found)
    if piece.content_type == WXR_ITEM:
        yield from reader.item(piece.payload, piece.context.get("header") or wxr.Header(), piece.id)
    else:
        yield from reader.sliced(slices(piece.payload), piece.id)


class _FileReader:
    """Reads one file. Keeps what every record of it shares."""

    def __init__(self, given: str | None, options: FileOptions, found: Found) -> None:
        self.given, self.options, self.found = given, options, found
        self.site = options.site or found.folder
        # What all records share; a web archive holds many sites and times.
        self.about: dict[str, Any] = {"fetched_at": datetime.now(UTC), "url": found.where}

    def records(self) -> Iterator[Read]:
        found = self.found
        if found.error:
            raise found.error
        kind = found.kind or sniff(found.head, found.path)
        readers = {JSON: self._json, WXR_ITEM: self._export, FEED: self._feed, WARC: self._archive}
        yield from readers[kind]() if kind in readers else self._document(kind)

    def rejection(
        self, error: RecordError, payload: bytes | None = None, id_: str | None = None, **more: Any
    ) -> Rejection:
        values = {"source": "file", "url": self.about["url"], **more}
        return Rejection(
            site=self.site, kind="document", id=id_ or self.found.path, reason=error.reason, message=error.message,
            rule=error.rule, payload=payload, given_source=self.given, **values,
        )  # fmt: skip

    def _document(self, kind: str) -> Iterator[Read]:
        payload = self._whole()
        if self.found.kind and text_bytes(payload) > self.options.max_bytes:
            raise self._too_large("unpacks to more than")
        yield self._record(self.found.path, payload, "document", kind)

    def _whole(self) -> bytes:
        with self.found.open() as stream:
            data: bytes = stream.read(self.options.max_bytes + 1)
        if len(data) > self.options.max_bytes:
            raise self._too_large("is larger than")
        return data

    def _too_large(self, how: str) -> RecordError:
        return RecordError(
            "too_large",
            f"{self.found.where} {how} {self.options.max_bytes} bytes. Split it, write it as newline-delimited JSON,"
            " or raise PRESSLAKE_MAX_FILE_BYTES.",
        )

    def _record(self, id_: str, payload: bytes, kind: str, content_type: str, **more: Any) -> RawRecord:
        values = {"site": self.site, "source": "file", **self.about, **more}
        return RawRecord(
            kind=kind, id=id_, payload=payload, content_type=content_type, given_source=self.given, **values
        )

    def _json(self) -> Iterator[Read]:
        head = self.found.head.lstrip(b"\xef\xbb\xbf \r\n\t")
        first = head.split(b"\n", 1)[0]
        # UTF-16 begins with its mark, so it is read whole.
        if head.startswith(b"{") and _is_object(first) and len(head) > len(first) + 1:
            # Newline-delimited: one line at a time, however long the file is.
            with self.found.open() as stream:
                for number, line in enumerate(lines(chunks(stream), self.options.max_bytes), start=1):
                    yield from self.sliced(slices(line), f"{self.found.path}#line-{number}")
            return
        yield from self.sliced(slices(self._whole()), self.found.path)

    def sliced(self, found: Slices, id_: str) -> Iterator[Read]:
        for position, payload in enumerate(found.records, start=1):
            yield from self._object(payload, f"{id_}#{position}" if len(found.records) > 1 else id_)
        if found.broken:
            id_ = f"{id_}#rest" if found.records else id_
            yield self.rejection(found.broken, found.rest, id_, content_type=JSON)

    def _object(self, payload: bytes, id_: str) -> Iterator[Read]:
        value = decode(payload)
        inner = _wrapped(value)
        if inner is not None:
            yield from self.sliced(slices(_list_inside(payload, inner)), id_)
            return
        if isinstance(value, list) and value and all(table_of(entry) for entry in value):
            yield from self.sliced(slices(payload), id_)
            return
        table = table_of(value)
        if table is None:
            said = value.get("code") if isinstance(value, dict) else None
            what = f"a WordPress error ({said})" if said and "message" in value else "JSON, but no WordPress object"
            yield self.rejection(
                RecordError("not_wordpress_json", f"{id_} holds {what}."), payload, id_, content_type=JSON
            )
            return
        own = value.get("type") if table == "documents" else value.get("taxonomy")
        kind = own or _ENTITY_KINDS[table]
        number = value["id"]
        try:
            site = site_of(value) or self.site
        except ValueError as error:
            yield self.rejection(
                RecordError("wrong_shape", f"{id_} names no site: {error}."), payload, id_, content_type=JSON
            )
            return
        if isinstance(number, bool) or not isinstance(number, int | str) or number == "":
            yield self.rejection(
                RecordError("wrong_shape", f"{id_} has no id: {number!r}."), payload, id_, content_type=JSON
            )
            return
        yield self._record(str(number), payload, str(kind), JSON, site=site, table=table)

    def _export(self) -> Iterator[Read]:
        """Read an export twice: first its header and attachments, so that posts find their images by name."""
        header, number = wxr.Header(), 0
        for only_media in (True, False):
            with self.found.open() as stream:
                try:
                    for number, raw in enumerate(split(in_utf8(chunks(stream)), most=self.options.max_bytes)):
                        if number == 0:
                            if only_media:
                                header = wxr.parse_header(raw)
                                self.site = canonical_site(header.base_url) if header.base_url else self.site
                                yield self._record(
                                    "header", raw, "wxr_header", WXR_HEADER, source="wxr", table="",
                                    context={"header": header},
                                )  # fmt: skip
                        elif (b">attachment<" in raw or b"[attachment]" in raw) == only_media:
                            yield from self.item(raw, header, f"{self.found.path}#item-{number}")
                except RecordError as error:
                    if not only_media:
                        yield self.rejection(error)
        if number == 0 and header.base_url is None:
            raise RecordError(
                "truncated_xml", f"{self.found.where} breaks off before its first item. Export or copy it again."
            )

    def item(self, raw: bytes, header: wxr.Header, id_: str) -> Iterator[Read]:
        try:
            fields = children(wxr.parse_item(raw, header.root))
        except RecordError as error:
            yield self.rejection(
                error, raw, id_, source="wxr", content_type=WXR_ITEM,
                context={"header": header},
            )  # fmt: skip
            return
        kind, status = fields.get("wp:post_type", "post"), fields.get("wp:status", "publish")
        public = status == "publish" or (kind == "attachment" and status == "inherit")
        if not public or kind in INTERNAL_KINDS:
            return
        yield self._record(
            fields.get("wp:post_id") or id_.rpartition("#")[2], raw, kind, WXR_ITEM, source="wxr",
            table="media" if kind == "attachment" else "documents", context={"header": header},
        )  # fmt: skip

    def _feed(self) -> Iterator[Read]:
        for number, item in enumerate(feeds.items(decode_xml(self._whole())), start=1):
            id_ = f"{self.found.path}#item-{number}"
            if isinstance(item, feeds.Item):
                yield self._record(
                    item.id or id_, item.payload, item.kind, FEED_ITEM, site=item.site or self.site, source="feed",
                    url=item.url or self.found.where, context=item.context,
                )  # fmt: skip
            else:
                yield self.rejection(*item, id_=id_, source="feed")

    def _archive(self) -> Iterator[Read]:
        from flows.readers import warc

        with self.found.open() as stream:
            for number, read in enumerate(warc.captures(stream, max_bytes=self.options.max_bytes), start=1):
                id_ = f"{self.found.path}#record-{number}"
                if isinstance(read, warc.LeftOut):
                    self.options.left_out[read.why] += 1
                elif isinstance(read, warc.Broken):
                    url = read.url or self.found.where
                    yield self.rejection(read.error, read.payload, id_, source="page", url=url)
                else:
                    yield from self._captured(read, id_)

    def _captured(self, capture: warc.Capture, id_: str) -> Iterator[Read]:
        """Return the page that was archived, under its address; or the records that the site's API answered."""
        try:
            parts = urlsplit(capture.url)
            self.site = self.options.site or canonical_site(f"{parts.scheme}://{parts.netloc}")
        except ValueError as error:
            wrong = RecordError("wrong_shape", f"The record is of no address: {error}.")
            yield self.rejection(wrong, capture.body, id_, source="page", url=capture.url)
            return
        fetched_at = capture.fetched_at or self.about["fetched_at"]
        self.about |= {
            "url": capture.url, "fetched_at": fetched_at, "http_status": capture.status, "etag": capture.etag,
        }  # fmt: skip
        if "json" in capture.content_type.lower():
            if holds_wordpress(capture.body):
                yield from self.sliced(slices(capture.body), capture.url)
            else:
                self.options.left_out["other data"] += 1
            return
        context = {"url": capture.url, "content_type": capture.content_type}
        yield self._record(capture.url, capture.body, "document", HTML, source="page", context=context)


def sniff(head: bytes, path: str) -> str:
    """Return the media type of a file by its first bytes.

    Raises:
        RecordError: it is empty, binary, or of a format that is not read.
    """
    if head.startswith(UTF16_MARKS):
        head = decode_text(head).encode("utf-8", "replace")
    head = head.removeprefix(codecs.BOM_UTF8)
    if not head.strip(b" \r\n\t\x00"):
        raise RecordError("empty_file", f"{path} is empty.")
    for magic, name in _BINARY.items():
        if head.startswith(magic):
            raise RecordError("binary_file", f"{path} is {name}, not text. Convert it to HTML or text first.")
    # Exports hold whatever the database held; their reader takes such characters out.
    if b"\x00" in head[:8192] and not (wxr.is_wxr(head) or feeds.is_feed(head) or head.startswith(WARC_BEGIN)):
        raise RecordError("binary_file", f"{path} is a binary file, not text. Convert it to HTML or text first.")
    if head.startswith(WARC_BEGIN):
        return WARC
    if _JSON_START.match(head):
        return JSON
    if wxr.is_wxr(head):
        return WXR_ITEM
    if feeds.is_feed(head):
        return FEED
    is_page = head.lstrip().startswith(b"<") and _PAGE_START.search(head[:4096])
    if _XML_START.match(head) and not is_page:
        raise RecordError("unsupported_format", f"{path} is XML of a kind that is not read. Convert it to HTML.")
    from flows.extraction.plaintext import looks_like_markdown

    # Markdown may begin with HTML of its own, and many a README does.
    start = re.sub(rb"^(?:\s*<!--.*?-->)*\s*", b"", head, flags=re.DOTALL)
    if is_page or (_FRAGMENT_START.match(start) and not looks_like_markdown("", path)):
        return HTML
    return MARKDOWN if looks_like_markdown(decode_text(head), path) else TEXT


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(decode(line), dict)
    except RecordError:
        return False


def holds_wordpress(payload: bytes) -> bool:
    """Tell whether a JSON text holds a WordPress object, or a list of them."""
    try:
        value = decode(payload)
    except RecordError:
        return False
    return _wrapped(value) is not None or any(
        table_of(entry) for entry in (value if isinstance(value, list) else [value])
    )


def _wrapped(value: Any) -> str | None:
    """Return the key under which an object wraps a list of WordPress objects, as exporters like to do."""
    if not isinstance(value, dict) or table_of(value):
        return None
    for key in ("posts", "pages", "items", "data", "results", "body"):
        inner = value.get(key)
        if isinstance(inner, list) and inner and all(table_of(entry) for entry in inner):
            return key
    return None


def _list_inside(payload: bytes, key: str) -> bytes:
    import msgspec

    try:
        return bytes(msgspec.json.decode(payload, type=dict[str, msgspec.Raw])[key])
    except (msgspec.DecodeError, UnicodeDecodeError):
        # What only the tolerant reader understands has no exact slices.
        return json.dumps(decode(payload)[key], ensure_ascii=False).encode()


def document_stem(path: str) -> str:
    """Return the name of a file without folders and ending, for documents that have no title.

    >>> document_stem("a/b/some_notes.txt")
    'some notes'
    """
    return re.sub(r"[_\s]+", " ", PurePosixPath(path.split("#")[0]).stem).strip() or path
