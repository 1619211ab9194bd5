"""WordPress's export format (WXR 1.0 to 1.2), streamed item by item, so that a broken item costs only itself.

The export is split by bytes before any XML parser sees it: exact raw records, any size, and control characters,
which WordPress lets through and XML forbids, are taken out per item.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from lxml import etree

from flows.readers.payload import decode_text
from schemas.errors import RecordError

_CDATA, _CDATA_END = b"<![CDATA[", b"]]>"
_ITEM = re.compile(rb"<item[\s>]")
_ITEM_END = b"</item>"
# XML 1.0 §2.2 allows tab, line feed and carriage return below U+0020 and nothing else there.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_FORBIDDEN_REF = re.compile(r"&#(?:x0*(?:[0-8bcBC]|[eEfF]|1[0-9a-fA-F])|0*(?:[0-8]|1[124-9]|2\d|3[01]));")
_BARE_AMPERSAND = re.compile(r"&(?!(?:amp|lt|gt|quot|apos|#\d+|#x[0-9a-fA-F]+);)")
_ROOT = re.compile(r"<rss\b[^>]*>", re.DOTALL)
_DEFAULT_ROOT = (
    '<rss version="2.0" xmlns:excerpt="http://wordpress.org/export/1.2/excerpt/"'
    ' xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:dc="http://purl.org/dc/elements/1.1/"'
    ' xmlns:wp="http://wordpress.org/export/1.2/">'
)


@dataclass(frozen=True)
class Header:
    """What stands before the items: the site, its authors by login, its terms by (taxonomy, slug)."""

    root: str = _DEFAULT_ROOT
    base_url: str | None = None
    authors: dict[str, dict[str, str]] = field(default_factory=dict)
    terms: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)


def is_wxr(head: bytes) -> bool:
    """Tell by the beginning of a file whether it is a WordPress export."""
    # A text that only talks about exports is none.
    is_rss = head.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"<") and b"<rss" in head
    return is_rss and (b"wordpress.org/export/" in head or b"<wp:wxr_version" in head)


def split(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Return the header (all before the first item) and then each item, byte for byte.

    An item that the end of the stream cuts off comes last, without its closing tag.
    """
    buffer, begin, seen = b"", 0, 0
    is_inside, is_header = False, True
    pieces = iter(chunks)
    while True:
        if is_inside:
            end, seen = _item_end(buffer, seen)
            if end is not None:
                yield buffer[begin:end]
                begin, seen, is_inside = end, end, False
                continue
        else:
            start = _ITEM.search(buffer, seen)
            if start is not None:
                if is_header:
                    yield buffer[: start.start()]
                begin = seen = start.start()
                is_inside, is_header = True, False
                continue
            seen = max(seen, len(buffer) - len(b"<item"))
        piece = next(pieces, None)
        if piece is None:
            break
        buffer, seen, begin = buffer[begin:] + piece, seen - begin, 0
    if is_inside or is_header:
        yield buffer[begin:]


def _item_end(buffer: bytes, position: int) -> tuple[int | None, int]:
    """Return where the item ends, or None and how far is known to be inside it; CDATA may quote ``</item>``."""
    while True:
        end = buffer.find(_ITEM_END, position)
        opening = buffer.find(_CDATA, position, end if end >= 0 else len(buffer))
        if opening >= 0:
            closing = buffer.find(_CDATA_END, opening)
            if closing < 0:
                return None, opening
            position = closing + len(_CDATA_END)
        elif end >= 0:
            return end + len(_ITEM_END), position
        else:
            return None, max(position, len(buffer) - len(_CDATA))


def parse_header(raw: bytes) -> Header:
    """Return what the header tells; one that is not well-formed is read as far as it can be."""
    text = clean(raw)
    match = _ROOT.search(text)
    root = match[0] if match else _DEFAULT_ROOT
    channel = text[match.end() :] if match else ""
    try:
        tree = _parse(f"{root}{_closed(channel)}</rss>")
    except RecordError:
        tree = _parse_leniently(f"{root}{_ampersands(_closed(channel))}</rss>")
    if tree is None:
        return Header(root)
    header = Header(root, _base_url(tree))
    for element in tree.iter():
        _entity(header, element)
    return header


def _closed(channel: str) -> str:
    return channel + ("</channel>" if "<channel" in channel else "")


def _base_url(tree: Any) -> str | None:
    found = {_name(element): (element.text or "").strip() for element in tree.iter() if isinstance(element.tag, str)}
    return found.get("wp:base_blog_url") or found.get("link") or found.get("wp:base_site_url") or None


def _entity(header: Header, element: Any) -> None:
    """Keep an author, category, tag or term of the header."""
    name = _name(element)
    if name == "wp:author":
        fields = children(element)
        if fields.get("wp:author_login"):
            header.authors[fields["wp:author_login"]] = fields
    elif name in ("wp:category", "wp:tag", "wp:term"):
        fields = children(element)
        taxonomy = {"wp:category": "category", "wp:tag": "post_tag"}.get(name) or fields.get("wp:term_taxonomy", "")
        slug = fields.get("wp:category_nicename") or fields.get("wp:tag_slug") or fields.get("wp:term_slug") or ""
        label = fields.get("wp:cat_name") or fields.get("wp:tag_name") or fields.get("wp:term_name") or slug
        parent = fields.get("wp:category_parent") or fields.get("wp:term_parent") or ""
        if taxonomy and slug:
            header.terms[taxonomy, slug] = {
                "id": fields.get("wp:term_id", ""), "name": label, "parent": parent,
                "description": next((v for k, v in fields.items() if k.endswith("_description")), ""),
            }  # fmt: skip


def parse_item(raw: bytes, root: str) -> Any:
    """Return the item's element.

    Raises:
        RecordError: it is not well-formed, even after forbidden characters and bare ampersands are mended.
    """
    text = clean(raw)
    if not text.rstrip().endswith("</item>"):
        raise RecordError("truncated_xml", "The export breaks off inside this item. Export or copy it again.")
    try:
        return _parse(f"{root}{text}</rss>")[0]
    except RecordError:
        return _parse(f"{root}{_ampersands(text)}</rss>")[0]


def clean(raw: bytes) -> str:
    """Return an export's bytes as text without the characters XML forbids."""
    text = _FORBIDDEN.sub("", decode_text(raw))
    return _FORBIDDEN_REF.sub("", text) if "&#" in text else text


def _ampersands(text: str) -> str:
    parts = re.split(r"(<!\[CDATA\[.*?\]\]>)", text, flags=re.DOTALL)
    return "".join(p if p.startswith("<![CDATA[") else _BARE_AMPERSAND.sub("&amp;", p) for p in parts)


def _parse(text: str) -> Any:
    # No entities, no DTD, no network: an export has no use for them and an attacker has.
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True, load_dtd=False)
    try:
        return etree.fromstring(text.encode("utf-8"), parser)
    except etree.XMLSyntaxError as error:
        raise RecordError("invalid_xml", f"The item is not well-formed XML: {error.msg}.") from error


def _parse_leniently(text: str) -> Any:
    parser = etree.XMLParser(recover=True, resolve_entities=False, no_network=True, huge_tree=True, load_dtd=False)
    return etree.fromstring(text.encode("utf-8"), parser)


def _name(element: Any) -> str:
    """Return ``prefix:local`` with the prefixes of WXR whatever the document calls them and whatever its version."""
    if not isinstance(element.tag, str):
        return ""
    qname = etree.QName(element)
    uri = qname.namespace or ""
    if not uri:
        return str(qname.localname)
    for part, prefix in (("/excerpt/", "excerpt"), ("wordpress.org/export", "wp"), ("modules/content", "content"),
                         ("purl.org/dc", "dc")):  # fmt: skip
        if part in uri:
            return f"{prefix}:{qname.localname}"
    return str(qname.localname)


def children(element: Any) -> dict[str, str]:
    """Return the text of each child element by its name; the first of equal names counts."""
    found: dict[str, str] = {}
    for child in element:
        found.setdefault(_name(child), "".join(child.itertext()))
    return found


def named(element: Any, name: str) -> list[Any]:
    """Return the child elements of that name."""
    return [child for child in element if _name(child) == name]
