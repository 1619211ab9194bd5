"""Readers fed with anything: only our own errors come out, nothing whole is lost, nothing is made up."""

from __future__ import annotations

import codecs
import gzip
import io
import json
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from encodings.aliases import aliases
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from localinputs import EXPORT, NOTE, POSTS
from packages import chapter, docx, epub, paragraph
from webarchives import page, record

from flows.extraction.charsets import decode_html
from flows.readers import feeds, warc
from flows.readers.files import FileOptions, read, sniff
from flows.readers.packages import DOCX, EPUB, package_kind, read_package, text_bytes
from flows.readers.payload import decode, decode_text, in_utf8, lines, salvage, slices
from flows.readers.wxr import is_wxr, parse_header, parse_item
from flows.readers.xmltext import clean, decode_xml, parse, parse_leniently, split
from schemas.errors import RecordError
from schemas.records import RawRecord, Rejection
from schemas.sources import Source

FEED = (
    b'<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom" xml:base="https://f.example/"><entry><title>A'
    b'</title><link href="/a"/><id>a</id></entry><entry><title>B</title><link href="/b"/></entry></feed>'
)
ARCHIVE = record("https://w.example/a", page("A")) + record("https://w.example/b", page("B"))
BOOK = epub({"one.xhtml": chapter("One", "<p>The tide is out.</p>")})
LETTER = docx(paragraph("The tide is out."))
SEEDS = (
    POSTS, EXPORT, FEED, ARCHIVE, gzip.compress(ARCHIVE), BOOK, LETTER, NOTE, page("P"), b"---\ntitle: T\n---\n# T\n",
    b"\xff\xfe" + POSTS.decode().encode("utf-16-le"), b'{"id": 1}\n{"id": 2}\n',
)  # fmt: skip
# What parsers stumble over, to be put anywhere.
BITS = st.sampled_from([
    b"<", b">", b"&", b"]]>", b"<![CDATA[", b"<item>", b"</item>", b"<!--", b"<?", b"<!DOCTYPE a [<!ENTITY x 'y'>]>",
    b"&x;", b"&#0;", b"&#xD800;", b"\x00", b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\xc3", b"[", b"{",
    b"]", b"}", b'"', b"\\", b"\\ud800", b"\\u", b",", b"1e999", b"-", b"9" * 30, b"WARC/1.0\r\n", b"Content-Length: 9",
    b"\r\n\r\n", b"\n\n", b"\x1f\x8b\x08", b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", b"http://[", b"charset=idna",
    b"charset=punycode", b"encoding='utf-16'", b"encoding='unicode_escape'", b"rel='x'", b"href='http://['", b"\x85", b"  ",
    b"<link href='http://[::'/>", b"?p=1", b"<a:b xmlns:a='u'>", b"xmlns='", b"\xf4\x90\x80\x80", b"---\n", b"%PDF-",
])  # fmt: skip
GARBAGE = st.lists(st.binary(max_size=12) | BITS, max_size=6).map(b"".join)


@st.composite
def damaged(draw: st.DrawFn, *seeds: bytes) -> bytes:
    """Return one of the seeds with pieces cut out, put in, doubled or changed; or garbage."""
    data = draw(st.sampled_from(seeds) if seeds else GARBAGE)
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        until = min(len(data), at + draw(st.integers(0, 40)))
        way = draw(st.integers(0, 2))
        data = data[:at] + (draw(GARBAGE) if way == 0 else data[at:until] * way) + data[at if way == 0 else until :]
    return data


def cut(data: bytes, cuts: list[int]) -> list[bytes]:
    """Return the data in pieces that end at these places."""
    edges = [0, *sorted(place % (len(data) + 1) for place in cuts), len(data)]
    return [data[start:end] for start, end in zip(edges, edges[1:], strict=False)]


CUTS = st.lists(st.integers(0, 1 << 20), max_size=6)
OBJECTS = st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=9) | st.none(), min_size=2, max_size=4)
usual = settings(max_examples=80, deadline=None)
seldom = settings(max_examples=25, deadline=None)


# -- JSON --------------------------------------------------------------------------------------------------------------


@usual
@given(damaged(POSTS, SEEDS[10], SEEDS[11]) | GARBAGE)
def test_whatever_is_sliced_was_there_and_decodes(data: bytes) -> None:
    with suppress(RecordError):
        decode(data)
    found = slices(data)
    whole = decode_text(data).encode("utf-8", "surrogatepass") if data[:2] in (b"\xff\xfe", b"\xfe\xff") else data
    position = 0
    for one in found.records:
        position = whole.index(one, position) + len(one)  # in their order, none overlapping another
        decode(one)
    assert whole.endswith(found.rest) or found.rest.strip() in whole
    assert found.broken is not None or not found.rest


@usual
@given(st.lists(OBJECTS, min_size=1, max_size=4), GARBAGE)
def test_garbage_behind_costs_no_record(values: list[dict[str, Any]], garbage: bytes) -> None:
    parts = [json.dumps(value).encode() for value in values]
    text = b"[" + b",".join(parts) + b"]"
    assert slices(text + b"\n" + garbage).records[: len(parts)] == parts


@usual
@given(st.lists(OBJECTS, min_size=1, max_size=4), st.text(max_size=30), st.text(max_size=30))
def test_what_is_salvaged_is_what_was_sent(values: list[dict[str, Any]], before: str, after: str) -> None:
    text = json.dumps(values, ensure_ascii=False)
    body = (before + text + after).encode("utf-8", "surrogatepass")
    found = salvage(body, list)
    if not set("[{<") & set(before):
        assert found is not None and json.loads(found[0]) == values
    elif found is not None:
        assert found[0].decode("utf-8", "surrogatepass") in decode_text(body)
        assert isinstance(json.loads(found[0], strict=False), list)


@usual
@given(GARBAGE, CUTS, st.integers(1, 200))
def test_lines_do_not_depend_on_chunks(data: bytes, cuts: list[int], most: int) -> None:
    expected = [line for line in data.split(b"\n") if line.strip()]
    assert list(lines(iter(cut(data, cuts)), 1 << 20)) == expected
    try:
        shown = list(lines(iter(cut(data, cuts)), most))
    except RecordError:
        assert max(map(len, data.split(b"\n"))) > most
    else:
        assert shown == expected


@usual
@given(damaged(SEEDS[10]) | GARBAGE, CUTS)
@example(SEEDS[10], [0, 1])
def test_utf_16_does_not_depend_on_chunks(data: bytes, cuts: list[int]) -> None:
    assert b"".join(in_utf8(cut(data, cuts))) == b"".join(in_utf8([data]))


# -- XML ---------------------------------------------------------------------------------------------------------------


@usual
@given(damaged(EXPORT, FEED), CUTS, st.sampled_from(["item", "entry"]))
def test_pieces_of_xml_are_its_bytes_whatever_the_chunks(data: bytes, cuts: list[int], tag: str) -> None:
    def pieces(chunks: list[bytes]) -> tuple[list[bytes], str | None]:
        found = []
        try:
            for piece in split(chunks, tag):
                found.append(piece)
        except RecordError as error:
            return found, error.reason
        return found, None

    found, _ = pieces([data])
    assert pieces(cut(data, cuts)) == (found, _)
    position = 0
    for piece in found:
        position = data.index(piece, position) + len(piece)


@usual
@given(damaged(EXPORT))
@example(EXPORT.replace(b'xmlns:wp="http', b'xmlns:wp="}http'))
@example(EXPORT.replace(b'xmlns:wp="http', b'xmlns:wp="&#xD800;http'))
def test_a_damaged_export_raises_nothing_of_the_parser_s(data: bytes) -> None:
    is_wxr(data)
    header, *items = _pieces(data)
    known = parse_header(header)
    for item in items:
        with suppress(RecordError):
            parse_item(item, known.root)


def _pieces(data: bytes) -> Iterator[bytes]:
    with suppress(RecordError):
        yield from split([data])


@usual
@given(st.lists(GARBAGE.filter(lambda g: b"<" not in g and b"&" not in g), min_size=1, max_size=3), GARBAGE)
def test_whole_items_stand_whatever_stands_before_the_export(texts: list[bytes], before: bytes) -> None:
    items = [b"<item><title>" + text + b"</title></item>" for text in texts]
    if not any(sign in before for sign in (b"<item", b"<![CDATA[")):
        found = list(_pieces(before + b"<rss><channel>" + b"\n".join(items) + b"</channel></rss>"))
        assert found[1:] == items


@usual
@given(damaged(FEED, EXPORT))
@example(FEED.replace(b'href="/a"', b'href="http://["'))
@example(EXPORT.replace(b'xmlns:wp="http', b'xmlns:wp="&#xD800;http'))
def test_a_damaged_feed_costs_only_the_items_that_are_damaged(data: bytes) -> None:
    feeds.is_feed(data)
    text = decode_xml(data)
    try:
        for item in feeds.items(text):
            payload = item.payload if isinstance(item, feeds.Item) else item[1]
            assert payload.decode() in text
    except RecordError as error:
        assert error.reason in ("truncated_xml", "too_large")


@usual
@given(damaged(*SEEDS[:3]) | GARBAGE)
@example(b"\xef\xbb\xbf\xef\xbb\xbf<?xml version='1.0' encoding='utf-7'?>+ADw-a/+AD4-")
def test_xml_of_any_bytes_is_read_or_refused(data: bytes) -> None:
    text = clean(data)
    parse_leniently(text)
    try:
        parse(text)
    except RecordError as error:
        assert error.reason == "invalid_xml"


# -- characters --------------------------------------------------------------------------------------------------------

LABELS = st.sampled_from([*sorted(set(aliases.values())), "idna", "punycode", "undefined"])


@usual
@given(GARBAGE, LABELS, st.booleans())
@example(b"a\xff" * 300, "idna", True)
@example(b"a\xff" * 300, "punycode", False)
@example(b"a\\x\xff", "unicode_escape", True)
@example(b"\x80", "base64_codec", False)
def test_whatever_encoding_a_page_claims_it_is_decoded(data: bytes, label: str, is_header: bool) -> None:
    claimed = data if is_header else b'<meta charset="%b">' % label.encode() + data
    text = decode_html(claimed, f"text/html; charset={label}" if is_header else None)
    assert isinstance(text, str)
    assert len(text) <= len(claimed) + 8


@usual
@given(st.text(max_size=60), LABELS)
def test_text_in_utf_8_stays_what_it_is_whatever_it_claims(text: str, label: str) -> None:
    if label.startswith(("iso2022", "hz", "utf_16", "utf_32", "utf_7")) or text.startswith("\ufeff"):
        return
    assert decode_html(text.encode("utf-8", "replace"), f"charset={label}") == text.encode("utf-8", "replace").decode()
    assert decode_html(codecs.BOM_UTF8 + text.encode("utf-8", "replace"), f"charset={label}")[:60] is not None


# -- archives and packages ---------------------------------------------------------------------------------------------


@usual
@given(damaged(ARCHIVE, gzip.compress(ARCHIVE)), GARBAGE)
def test_a_damaged_web_archive_keeps_its_whole_records(data: bytes, garbage: bytes) -> None:
    found = list(warc.captures(io.BytesIO(data), max_bytes=1 << 20))
    assert all(isinstance(one, warc.Capture | warc.Broken | warc.LeftOut) for one in found)
    behind = list(warc.captures(io.BytesIO(garbage.replace(b"\x1f", b"") + b"\r\n\r\n" + ARCHIVE), max_bytes=1 << 20))
    if b"WARC/" not in garbage:
        assert [one.url[-1] for one in behind if isinstance(one, warc.Capture)] == ["a", "b"]


@usual
@given(damaged(ARCHIVE), CUTS)
@example(b"W\x00" + ARCHIVE[1:], [64])
def test_records_of_a_web_archive_do_not_depend_on_chunks(data: bytes, cuts: list[int]) -> None:
    one, other = (list(warc.split(chunks, max_bytes=9999)) for chunks in (cut(data, cuts), [data]))
    assert list(map(repr, one)) == list(map(repr, other))


@seldom
@given(damaged(BOOK, LETTER))
def test_a_damaged_package_is_read_or_refused(data: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            kind = package_kind(archive.namelist())
    except Exception:
        kind = None
    for each in (kind,) if kind else (EPUB, DOCX):
        try:
            assert text_bytes(data) >= 0
            read_package(data, each)
        except RecordError as error:
            assert error.reason in ("broken_package", "encrypted", "nested_too_deep")


@seldom
@given(st.sampled_from(["one.xhtml", "book.opf", "container.xml", "document.xml", "core.xml"]), st.data())
def test_damaged_parts_of_a_package_are_read_or_refused(part: str, data: st.DataObject) -> None:
    whole = BOOK if part in ("one.xhtml", "book.opf", "container.xml") else LETTER
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(whole)) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            new.writestr(name, data.draw(damaged(old.read(name))) if name.endswith(part) else old.read(name))
    try:
        read_package(target.getvalue(), EPUB if whole is BOOK else DOCX)
    except RecordError as error:
        assert error.reason in ("broken_package", "encrypted", "invalid_xml")


# -- any file ----------------------------------------------------------------------------------------------------------


@usual
@given(damaged(*SEEDS) | GARBAGE)
def test_any_bytes_are_a_kind_of_file_or_refused(data: bytes) -> None:
    try:
        assert "/" in sniff(data, "a.txt")
    except RecordError as error:
        assert error.reason in ("empty_file", "binary_file", "unsupported_format")


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as made:
        yield Path(made)


@seldom
@given(data=damaged(*SEEDS) | GARBAGE)
@example(data=gzip.compress(gzip.compress(NOTE)))
@example(data=ARCHIVE.replace(b"https://w.example/a", b"http://["))
@example(data=b"PK\x03\x04")
def test_any_file_gives_records_or_says_why_not(folder: Path, data: bytes) -> None:
    path = folder / "a.bin"
    path.write_bytes(data)
    found = list(read(Source.parse(str(path)), FileOptions(None, 1 << 20)))
    for one in found:
        assert isinstance(one, RawRecord | Rejection)
        assert one.id and one.site
        if isinstance(one, Rejection):
            assert one.reason and one.message and "\n" not in one.message
    assert (
        found
        or data[:2] in (b"PK", b"\x1f\x8b")
        or data.lstrip(b"\xef\xbb\xbf \r\n\t")[:1] in (b"<", b"[", b"W", b"\xff")
    )
