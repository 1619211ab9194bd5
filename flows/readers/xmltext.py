"""XML as blogs really write it: with forbidden characters, bare ampersands and prefixes of any name."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from lxml import etree

from flows.readers.payload import decode_text
from schemas.errors import RecordError

_CDATA, _CDATA_END = b"<![CDATA[", b"]]>"
_LARGEST_PIECE = 256 * 1024 * 1024
# XML 1.0 §2.2 allows tab, line feed and carriage return below U+0020 and nothing else there.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_REFERENCE = re.compile(r"&#(?:x0*([0-9a-fA-F]{1,6})|0*([0-9]{1,7}));|&#x?[0-9a-fA-F]{8,};")
_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")
_FALSE_CLAIM = re.compile(rb"^(\s*<\?xml[^>]*?)encoding\s*=\s*[\"']utf-?(?:16|32)[^\"'>]*[\"']", re.IGNORECASE)
_BARE_AMPERSAND = re.compile(r"&(?!(?:amp|lt|gt|quot|apos|#\d+|#x[0-9a-fA-F]+);)")
# Their prefixes differ from one program and version to the next; these are what the rest of the house calls them.
_PREFIXES = (
    ("/excerpt/", "excerpt"), ("wordpress.org/export", "wp"), ("modules/content", "content"), ("purl.org/dc", "dc"),
    ("www.w3.org/2005/Atom", "atom"), ("purl.org/rss/1.0/", ""),
)  # fmt: skip


def split(chunks: Iterable[bytes], tag: str = "item", most: int = _LARGEST_PIECE) -> Iterator[bytes]:
    """Return the header (all before the first piece) and then each piece (an element ``tag``), byte for byte.

    A piece that breaks off comes without its closing tag: the last one of a stream that is cut, and one that never
    ends or is larger than ``most``; reading then goes on at the next one that begins like a piece.

    Raises:
        RecordError: behind the last piece, the document's own end is missing; or it has no pieces for ``most`` bytes.
    """
    opening, closing = re.compile(rb"<%b[\s>]" % tag.encode()), b"</%b>" % tag.encode()
    again = re.compile(rb"<%b[^<>]*>\s*<title" % tag.encode())
    buffer, begin, seen = bytearray(), 0, 0
    is_inside, is_header, is_end, is_closed = False, True, False, True
    pieces = iter(chunks)
    while True:
        if is_inside:
            end, seen = _end(buffer, seen, closing)
            if end is None and (is_end or len(buffer) - begin > most):
                found = again.search(buffer, begin + 1)
                end = found.start() if found else len(buffer)
            if end is not None:
                yield bytes(buffer[begin:end])
                # One that was cut tells of the document's missing end by itself.
                is_closed = is_end and not buffer.endswith(closing, begin, end)
                begin, seen, is_inside = end, end, False
                continue
        else:
            start = opening.search(buffer, seen)
            if start is not None:
                if is_header:
                    yield bytes(buffer[: start.start()])
                begin = seen = start.start()
                is_inside, is_header = True, False
                continue
            is_closed = is_closed or b"</" in buffer[seen:]
            seen = max(seen, len(buffer) - len(closing))
        if is_end:
            break
        del buffer[: begin if is_header or is_inside else seen]
        seen, begin = (seen - begin, 0) if is_header or is_inside else (0, 0)
        if is_header and len(buffer) > most:
            raise RecordError("too_large", f"There is no <{tag}> in its first {len(buffer)} bytes.")
        piece = next(pieces, None)
        is_end = piece is None
        buffer += piece or b""
    if is_header:
        yield bytes(buffer)
    elif not is_closed:
        raise RecordError("truncated_xml", f"It breaks off after a whole <{tag}>. Export or copy it again.")


def _end(buffer: bytearray, position: int, closing: bytes) -> tuple[int | None, int]:
    """Return where the piece ends, or None and how far is known to be inside it; CDATA may quote its closing tag."""
    while True:
        end = buffer.find(closing, position)
        opening = buffer.find(_CDATA, position, end if end >= 0 else len(buffer))
        if opening >= 0:
            cdata_end = buffer.find(_CDATA_END, opening)
            if cdata_end < 0:
                return None, opening
            position = cdata_end + len(_CDATA_END)
        elif end >= 0:
            return end + len(closing), position
        else:
            return None, max(position, len(buffer) - len(_CDATA))


def parse_piece(text: str, root: str, tag: str) -> Any:
    """Return the element of one piece of a document whose root element begins as ``root``.

    Raises:
        RecordError: it is not well-formed, even after its bare ampersands are mended.
    """
    if not text.rstrip().endswith(f"</{tag}>"):
        raise RecordError("truncated_xml", f"The document breaks off inside this <{tag}>. Export or copy it again.")
    end = f"</{root[1:].split(None, 1)[0].rstrip('>')}>"
    try:
        return parse(root + text + end)[0]
    except RecordError:
        return parse(root + ampersands(text) + end)[0]


def decode_xml(data: bytes) -> str:
    """Return a document as text, in the encoding it is in rather than the one it claims."""
    from flows.extraction.charsets import decode_html

    # Some programs declare the UTF-16 that they had in memory; read as ASCII, it cannot be true.
    return decode_html(_FALSE_CLAIM.sub(rb"\1", data, count=1))


def clean(raw: bytes) -> str:
    """Return bytes as text without the characters XML forbids."""
    text = _FORBIDDEN.sub("", decode_text(raw))
    return _REFERENCE.sub(_permitted, text) if "&#" in text else text


def _permitted(reference: re.Match[str]) -> str:
    """Return a reference to a character as it is; nothing for one that XML forbids, or that there is not."""
    number = int(reference[1], 16) if reference[1] else int(reference[2] or -1)
    return reference[0] if 0 <= number <= sys.maxunicode and not _FORBIDDEN.match(chr(number)) else ""


def ampersands(text: str) -> str:
    """Return the text with its bare ampersands escaped, which also makes HTML's named entities plain text."""
    parts = re.split(r"(<!\[CDATA\[.*?\]\]>)", text, flags=re.DOTALL)
    return "".join(p if p.startswith("<![CDATA[") else _BARE_AMPERSAND.sub("&amp;", p) for p in parts)


def parse(text: str) -> Any:
    """Return the root element.

    Raises:
        RecordError: it is not well-formed.
    """
    try:
        return etree.fromstring(_bytes(text), _parser(text))
    except etree.XMLSyntaxError as error:
        raise RecordError("invalid_xml", f"The item is not well-formed XML: {error.msg}.") from error


def parse_leniently(text: str) -> Any:
    """Return the root element of what can be read; None when that is nothing."""
    try:
        return etree.fromstring(_bytes(text), _parser(text, recover=True))
    except etree.XMLSyntaxError:  # an empty text is the one that nothing is recovered from
        return None


def _parser(text: str, *, recover: bool = False) -> Any:
    # No entities, no DTD, no network: a blog has no use for them and an attacker has. In attributes entities are
    # expanded all the same, so where some are declared the parser's own limits stay on.
    return etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree="<!ENTITY" not in text, recover=recover,
        encoding="utf-8",
    )  # fmt: skip


def _bytes(text: str) -> bytes:
    # What the declaration says of the encoding was true of the bytes that were decoded, not of these.
    return _DECLARATION.sub("", text, count=1).encode("utf-8", "replace")


def name(element: Any) -> str:
    """Return ``prefix:local`` with one prefix for each namespace, whatever the document calls it and its version."""
    if not isinstance(element.tag, str):
        return ""
    # By hand: lxml's own QName refuses what its parser let in.
    uri, _, local = element.tag.removeprefix("{").rpartition("}")
    if not uri:
        return str(local)
    prefix = next((prefix for part, prefix in _PREFIXES if part in uri), element.prefix or "")
    return f"{prefix}:{local}" if prefix else str(local)


def children(element: Any) -> dict[str, str]:
    """Return the text of each child element by its name; the first of equal names counts."""
    found: dict[str, str] = {}
    for child in element:
        found.setdefault(name(child), "".join(child.itertext()))
    return found


def named(element: Any, wanted: str) -> list[Any]:
    """Return the child elements of that name."""
    return [child for child in element if name(child) == wanted]
