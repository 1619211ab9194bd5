"""From local files to raw records: what a file is, is told by its content, never by its name alone."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

from flows.readers import wxr
from flows.readers.localfiles import BROKEN_ARCHIVE, Found, chunks, find, legible
from flows.readers.payload import UTF16_MARKS, Slices, decode, decode_text, in_utf8, lines, slices
from flows.rows.entities import table_of
from flows.rows.posts import site_of
from schemas.errors import RecordError
from schemas.keys import canonical_site
from schemas.records import RawRecord, Rejection
from schemas.sources import Source

JSON, WXR_ITEM, WXR_HEADER = "application/json", "application/x-wxr-item", "application/x-wxr-header"
HTML, MARKDOWN, TEXT = "text/html", "text/markdown", "text/plain"
FEED_ITEM = "application/x-feed-item"
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
    """What a local source needs to know: ``site`` replaces the folder's name for documents without a site."""

    site: str | None
    max_bytes: int


Read = RawRecord | Rejection


def read(source: Source, options: FileOptions) -> Iterator[Read]:
    """Return every record in the files a source names, and a rejection for each that cannot be one.

    Raises:
        SourceError: the source names no file at all.
    """
    for found in find(source):
        reader = _FileReader(source, options, found)
        try:
            yield from reader.records()
        except RecordError as error:
            yield reader.rejection(error)
        except (OSError, ValueError, RuntimeError, *BROKEN_ARCHIVE) as error:
            why = getattr(error, "strerror", None) or str(error) or type(error).__name__
            yield reader.rejection(RecordError("unreadable_file", f"{found.where} cannot be read to its end: {why}."))


class _FileReader:
    """Reads one file. Keeps what every record of it shares."""

    def __init__(self, source: Source, options: FileOptions, found: Found) -> None:
        self.source, self.options, self.found = source, options, found
        self.site = options.site or found.folder
        self.given = legible(source.given)
        self.now = datetime.now(UTC)

    def records(self) -> Iterator[Read]:
        found = self.found
        if found.error:
            raise found.error
        kind = sniff(found.head, found.path)
        if kind == JSON:
            yield from self._json()
        elif kind == WXR_ITEM:
            yield from self._export()
        else:
            yield self._record(found.path, self._whole(), "document", kind)

    def rejection(self, error: RecordError, payload: bytes | None = None, id_: str | None = None) -> Rejection:
        return Rejection(
            site=self.site, kind="document", id=id_ or self.found.path, reason=error.reason, message=error.message,
            rule=error.rule, source="file", url=self.found.where, payload=payload, given_source=self.given,
        )  # fmt: skip

    def _whole(self) -> bytes:
        with self.found.open() as stream:
            data: bytes = stream.read(self.options.max_bytes + 1)
        if len(data) > self.options.max_bytes:
            raise RecordError(
                "too_large",
                f"{self.found.where} is larger than {self.options.max_bytes} bytes. Split it, write it as"
                " newline-delimited JSON, or raise PRESSLAKE_MAX_FILE_BYTES.",
            )
        return data

    def _record(self, id_: str, payload: bytes, kind: str, content_type: str, **more: Any) -> RawRecord:
        values = {"site": self.site, "source": "file", "url": self.found.where, **more}
        return RawRecord(
            kind=kind, id=id_, payload=payload, fetched_at=self.now, content_type=content_type,
            given_source=self.given, **values,
        )  # fmt: skip

    def _json(self) -> Iterator[Read]:
        head = self.found.head.lstrip(b"\xef\xbb\xbf \r\n\t")
        first = head.split(b"\n", 1)[0]
        # UTF-16 begins with its mark, so it is read whole.
        if head.startswith(b"{") and _is_object(first) and len(head) > len(first) + 1:
            # Newline-delimited: one line at a time, however long the file is.
            with self.found.open() as stream:
                for number, line in enumerate(lines(chunks(stream)), start=1):
                    yield from self._sliced(slices(line), f"{self.found.path}#line-{number}")
            return
        yield from self._sliced(slices(self._whole()), self.found.path)

    def _sliced(self, found: Slices, id_: str) -> Iterator[Read]:
        for position, payload in enumerate(found.records, start=1):
            yield from self._object(payload, f"{id_}#{position}" if len(found.records) > 1 else id_)
        if found.broken:
            yield self.rejection(found.broken, found.rest, id_=f"{id_}#rest" if found.records else id_)

    def _object(self, payload: bytes, id_: str) -> Iterator[Read]:
        value = decode(payload)
        inner = _wrapped(value)
        if inner is not None:
            yield from self._sliced(slices(_list_inside(payload, inner)), id_)
            return
        if isinstance(value, list) and value and all(table_of(entry) for entry in value):
            yield from self._sliced(slices(payload), id_)
            return
        table = table_of(value)
        if table is None:
            said = value.get("code") if isinstance(value, dict) else None
            what = f"a WordPress error ({said})" if said and "message" in value else "JSON, but no WordPress object"
            yield self.rejection(RecordError("not_wordpress_json", f"{id_} holds {what}."), payload, id_=id_)
            return
        own = value.get("type") if table == "documents" else value.get("taxonomy")
        kind = own or _ENTITY_KINDS[table]
        number = value["id"]
        try:
            site = site_of(value) or self.site
        except ValueError as error:
            yield self.rejection(RecordError("wrong_shape", f"{id_} names no site: {error}."), payload, id_=id_)
            return
        if isinstance(number, bool) or not isinstance(number, int | str) or number == "":
            yield self.rejection(RecordError("wrong_shape", f"{id_} has no id: {number!r}."), payload, id_=id_)
            return
        yield self._record(str(number), payload, str(kind), JSON, site=site, table=table)

    def _export(self) -> Iterator[Read]:
        """Read an export twice: first its header and attachments, so that posts find their images by name."""
        header, site, number = wxr.Header(), self.site, 0
        for only_media in (True, False):
            with self.found.open() as stream:
                for number, raw in enumerate(wxr.split(in_utf8(chunks(stream)))):
                    if number == 0:
                        if only_media:
                            header = wxr.parse_header(raw)
                            site = canonical_site(header.base_url) if header.base_url else self.site
                            yield self._part(raw, site, header)
                        continue
                    if (b">attachment<" in raw or b"[attachment]" in raw) == only_media:
                        yield from self._item(raw, site, header, number)
        if number == 0 and header.base_url is None:
            raise RecordError(
                "truncated_xml", f"{self.found.where} breaks off before its first item. Export or copy it again."
            )

    def _part(self, raw: bytes, site: str, header: wxr.Header) -> RawRecord:
        return self._record(
            "header", raw, "wxr_header", WXR_HEADER, site=site, source="wxr", table="", context={"header": header}
        )

    def _item(self, raw: bytes, site: str, header: wxr.Header, number: int) -> Iterator[Read]:
        try:
            fields = wxr.children(wxr.parse_item(raw, header.root))
        except RecordError as error:
            yield self.rejection(error, raw, id_=f"{self.found.path}#item-{number}")
            return
        kind, status = fields.get("wp:post_type", "post"), fields.get("wp:status", "publish")
        public = status == "publish" or (kind == "attachment" and status == "inherit")
        if not public or kind in INTERNAL_KINDS:
            return
        yield self._record(
            fields.get("wp:post_id") or f"item-{number}", raw, kind, WXR_ITEM, site=site, source="wxr",
            table="media" if kind == "attachment" else "documents", context={"header": header},
        )  # fmt: skip


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
    if b"\x00" in head[:8192] and not wxr.is_wxr(head):
        raise RecordError("binary_file", f"{path} is a binary file, not text. Convert it to HTML or text first.")
    if _JSON_START.match(head):
        return JSON
    if wxr.is_wxr(head):
        return WXR_ITEM
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
