"""Feeds saved as files: RSS 2.0 and older, RSS 1.0 (RDF) and Atom, cut into their items."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from flows.readers.xmltext import ampersands, children, clean, name, named, parse_leniently, parse_piece, split
from schemas.errors import RecordError
from schemas.keys import canonical_site

_ROOT = re.compile(r"<(?:rss|feed|rdf:RDF|\w+:feed)\b[^<>]*>", re.IGNORECASE)
# Possessive, as every expression over hostile text must not try the same thing twice.
_HEAD_ROOT = re.compile(rb"^(?>\s+|<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^>]*>)*+<(rss|feed|rdf:RDF)[\s>]", re.DOTALL | re.I)
_NAMESPACES = (b"www.w3.org/2005/Atom", b"purl.org/rss/", b"netscape.com/rdf/simple")
_POST_ID = re.compile(r"[?&](?:p|page_id)=(\d+)")


@dataclass(frozen=True, slots=True)
class Item:
    """One item: its bytes, and what the feed around it says. ``kind`` is post where WordPress made the feed."""

    payload: bytes
    site: str | None
    kind: str
    id: str | None
    url: str | None
    context: dict[str, str]


def is_feed(head: bytes) -> bool:
    """Tell by the beginning of a file whether it is a feed."""
    found = _HEAD_ROOT.match(head)
    # Other vocabularies have feeds and descriptions of resources, too.
    return found is not None and (found[1].lower() == b"rss" or any(uri in head for uri in _NAMESPACES))


def items(text: str) -> Iterator[Item | tuple[RecordError, bytes]]:
    """Return each item of a feed, and the error and bytes of each that is none.

    Raises:
        RecordError: the feed breaks off.
    """
    tag = "entry" if re.search(r"<feed\b", text[:4096], re.IGNORECASE) else "item"
    pieces = split([text.encode("utf-8", "replace")], tag)
    header = clean(next(pieces, b""))
    match = _ROOT.search(header)
    root = match[0] if match else "<rss>"
    about = _about(header[match.end() :] if match else "", root)
    for raw in pieces:
        try:
            yield _item(raw, root, about)
        except RecordError as error:
            yield error, raw


def _about(channel: str, root: str) -> dict[str, str]:
    """Return the address and language that the feed gives for itself."""
    tree = parse_leniently(root + ampersands(channel))
    if tree is None:
        return {}
    outer = next((child for child in tree if name(child) == "channel"), tree)
    fields = children(outer)
    found = {"link": fields.get("link", "").strip() or link_of(outer), "language": fields.get("language", "").strip()}
    return {key: value for key, value in found.items() if value}


def _item(raw: bytes, root: str, about: dict[str, str]) -> Item:
    element = parse_piece(clean(raw), root, "entry" if raw.startswith(b"<entry") else "item")
    fields = children(element)
    url = fields.get("link", "").strip() or link_of(element) or None
    guid = (fields.get("guid") or fields.get("atom:id") or element.get(_RDF_ABOUT) or "").strip()
    post = post_id(guid)
    context = {"root": root, **({"language": about["language"]} if "language" in about else {})}
    return Item(
        payload=raw,
        site=_site(about.get("link") or url),
        kind="post" if post else "document",
        id=post or guid or url,
        url=url,
        context=context,
    )


def post_id(guid: str) -> str | None:
    """Return the id of the post that a feed's guid names, as WordPress makes them; None for any other guid."""
    match = _POST_ID.search(guid)
    return match[1] if match else None


_RDF_ABOUT = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}about"


def link_of(element: Any) -> str:
    """Return the address that an Atom element is about, resolved; empty when it says none."""
    from urllib.parse import urljoin

    for link in named(element, "atom:link"):
        if link.get("rel", "alternate") == "alternate" and link.get("href"):
            href = str(link.get("href")).strip()
            try:
                return urljoin(str(link.base or ""), href)
            except ValueError:  # what is no address stays as it is written
                return href
    return ""


def _site(url: str | None) -> str | None:
    try:
        return canonical_site(url) if url and "://" in url else None
    except ValueError:
        return None
