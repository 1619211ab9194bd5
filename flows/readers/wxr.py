"""WordPress's export format (WXR 1.0 to 1.2), streamed item by item, so that a broken item costs only itself.

The export is split by bytes before any XML parser sees it (``xmltext.split``): exact raw records, any size, and
control characters, which WordPress lets through and XML forbids, are taken out per item.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from flows.readers.xmltext import ampersands, children, clean, name, parse, parse_leniently, parse_piece
from schemas.errors import RecordError
from schemas.keys import sha256_hex

_ROOT = re.compile(r"<rss\b[^<>]*>", re.DOTALL)
_DEFAULT_ROOT = (
    '<rss version="2.0" xmlns:excerpt="http://wordpress.org/export/1.2/excerpt/"'
    ' xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:dc="http://purl.org/dc/elements/1.1/"'
    ' xmlns:wp="http://wordpress.org/export/1.2/">'
)


@dataclass(frozen=True)
class Header:
    """What stands before the items: the site, its authors by login, its terms by (taxonomy, slug).

    ``sha256`` names the raw record it was read from.
    """

    root: str = _DEFAULT_ROOT
    base_url: str | None = None
    authors: dict[str, dict[str, str]] = field(default_factory=dict)
    terms: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    sha256: str = ""


def is_wxr(head: bytes) -> bool:
    """Tell by the beginning of a file whether it is a WordPress export."""
    # A text that only talks about exports is none.
    is_rss = head.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"<") and b"<rss" in head
    return is_rss and (b"wordpress.org/export/" in head or b"<wp:wxr_version" in head)


def parse_header(raw: bytes) -> Header:
    """Return what the header tells; one that is not well-formed is read as far as it can be."""
    text = clean(raw)
    match = _ROOT.search(text)
    root = match[0] if match else _DEFAULT_ROOT
    channel = text[match.end() :] if match else ""
    try:
        tree = parse(f"{root}{_closed(channel)}</rss>")
    except RecordError:
        tree = parse_leniently(f"{root}{ampersands(_closed(channel))}</rss>")
    if tree is None:
        return Header(root, sha256=sha256_hex(raw))
    header = Header(root, _base_url(tree), sha256=sha256_hex(raw))
    for element in tree.iter():
        _entity(header, element)
    return header


def _closed(channel: str) -> str:
    return channel + ("</channel>" if "<channel" in channel else "")


def _base_url(tree: Any) -> str | None:
    found = {name(element): (element.text or "").strip() for element in tree.iter() if isinstance(element.tag, str)}
    return found.get("wp:base_blog_url") or found.get("link") or found.get("wp:base_site_url") or None


def _entity(header: Header, element: Any) -> None:
    """Keep an author, category, tag or term of the header."""
    kind = name(element)
    if kind == "wp:author":
        fields = children(element)
        if fields.get("wp:author_login"):
            header.authors[fields["wp:author_login"]] = fields
    elif kind in ("wp:category", "wp:tag", "wp:term"):
        fields = children(element)
        taxonomy = {"wp:category": "category", "wp:tag": "post_tag"}.get(kind) or fields.get("wp:term_taxonomy", "")
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
    return parse_piece(clean(raw), root, "item")
