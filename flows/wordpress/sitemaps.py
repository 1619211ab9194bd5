"""What a site lists for search engines: the addresses in its sitemaps, however they are nested or packed."""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any
from urllib.parse import urljoin, urlsplit

from lxml import etree

from flows.readers.xmltext import clean, parse_leniently
from flows.wordpress.retrieval import Answer, Client
from schemas.errors import NotNowError, SourceError

_USUAL = ("wp-sitemap.xml", "sitemap_index.xml", "sitemap.xml", "?sitemap=index")
# Some plug-ins list a thousand documents a file.
_MOST = 2000
_MOST_ADDRESSES = 1_000_000
# The protocol allows 50 MB for one sitemap, unpacked.
_MOST_BYTES = 64 * 1024 * 1024
# Archives of terms, authors and dates list documents; they are none themselves.
_NOT_DOCUMENTS = re.compile(
    r"wp-sitemap-(taxonomies|users)-|[?&]sitemap=(taxonomies|users)|(category|tag|author|post_tag)-sitemap"
)


@dataclass(slots=True)
class Listed:
    """The addresses of documents that a site's sitemaps list; ``left_out`` says which are not among them, if any."""

    addresses: set[str] = field(default_factory=set)
    left_out: str = ""


def listed(client: Client, base: str) -> Listed:
    """Return what the sitemaps of the site whose home is ``base`` list; nothing where there are none.

    Sitemaps are those of robots.txt and, if it names none, the usual ones. The home page is left out: it lists
    documents and is none itself.
    """
    found: set[str] = set()
    left_out = ""
    pending = _from_robots(client, base) or [urljoin(base, name) for name in _USUAL]
    seen: set[str] = set()
    while pending:
        if len(seen) >= _MOST or len(found) > _MOST_ADDRESSES:
            left_out = f"of its sitemaps {len(seen)} were read, which list {len(found)} addresses; there are more"
            break
        address = pending.pop(0)
        if address in seen:
            continue
        seen.add(address)
        tree = xml(client, address)
        if tree is None:
            continue
        inside = list(_locations(tree, address))
        if etree.QName(tree).localname == "sitemapindex":
            # What will not be read is not held: sitemaps that list each other would multiply.
            inner = (entry for entry in inside if entry not in seen and not _NOT_DOCUMENTS.search(entry))
            pending = [*islice(dict.fromkeys(inner), _MOST + 1), *pending][: _MOST + 1]
        else:
            found |= {entry for entry in inside if urlsplit(entry).netloc == urlsplit(base).netloc}
    return Listed(found - {base, base.rstrip("/")}, left_out)


def _from_robots(client: Client, base: str) -> list[str]:
    named = re.findall(r"^[ \t]*sitemap:[ \t]*(\S+)", client.robots(base), re.IGNORECASE | re.MULTILINE)
    # One robots.txt serves all installations of a host; another's sitemap says nothing of this one.
    return [entry for entry in named if entry.startswith(base) and not _NOT_DOCUMENTS.search(entry)]


def _locations(tree: Any, address: str) -> Iterator[str]:
    for text in tree.xpath("//*[local-name()='loc']/text()"):
        # What is no address leads nowhere.
        with suppress(ValueError):
            yield urljoin(address, text.strip())


def xml(client: Client, address: str) -> Any:
    """Return the root of a sitemap or feed; None when there is none at the address."""
    answer = quietly(client, address)
    return None if answer is None else parsed(answer.body)


def parsed(body: bytes) -> Any:
    """Return the root of a sitemap's or feed's bytes, gzip'd or not; None when they are neither."""
    if body.startswith(b"\x1f\x8b"):
        try:
            with gzip.GzipFile(fileobj=io.BytesIO(body)) as packed:
                body = packed.read(_MOST_BYTES + 1)
        except (OSError, EOFError, zlib.error):
            return None
        if len(body) > _MOST_BYTES:
            return None
    tree = parse_leniently(clean(body))
    known = ("urlset", "sitemapindex", "rss", "feed")
    return tree if tree is not None and etree.QName(tree).localname in known else None


def quietly(client: Client, address: str, etag: str | None = None) -> Answer | None:
    """Return the answer of an address that need not exist; None unless it is there (or unchanged since ``etag``)."""
    try:
        answer = client.get(address, tries=1, accept="*/*", etag=etag)
    except NotNowError:
        raise
    except SourceError:
        return None
    return answer if answer.status in (200, 304) else None
