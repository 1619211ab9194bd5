"""When a WordPress keeps its API closed: its sitemap's pages, else its feed. Less than the API tells, and marked so.

Rows keep the post's own id where the page tells it, so that they merge under the same key when the API opens again.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

from lxml import etree

from flows.batches import ahead, gathered
from flows.pipeline import Pipeline
from flows.readers.files import FEED_ITEM, HTML
from flows.readers.wxr import clean
from flows.wordpress.retrieval import Answer, Client
from schemas.errors import BlockedSourceError, SourceError
from schemas.keys import canonical_site
from schemas.records import RawRecord, Rejection

_USUAL_SITEMAPS = ("wp-sitemap.xml", "sitemap_index.xml", "sitemap.xml", "?sitemap=index")
_MOST_SITEMAPS = 500
_MOST_FEED_PAGES = 200
# A page tells its post's id in one of these; the API link is the surest.
_ID_SIGNS = (
    re.compile(rb"/wp/v2/(?P<base>[\w-]+)/(?P<id>\d+)"),
    re.compile(rb"<link[^>]+rel=[\"']shortlink[\"'][^>]+[?&](?:p|page_id)=(?P<id>\d+)"),
    re.compile(rb"<body[^>]+class=[\"'][^\"']*\b(?:postid|page-id)-(?P<id>\d+)"),
    re.compile(rb"<article[^>]+id=[\"']post-(?P<id>\d+)"),
)
_KIND_SIGNS = (
    re.compile(rb"<body[^>]+class=[\"'][^\"']*\bsingle-(?P<kind>(?!post\b|format)[a-z][\w-]*)"),
    re.compile(rb"<article[^>]+class=[\"'][^\"']*\btype-(?P<kind>[a-z][\w-]*)"),
)
# Archives of terms, authors and dates list documents; they are none themselves.
_NOT_DOCUMENTS = re.compile(r"wp-sitemap-(taxonomies|users)-|(category|tag|author|post_tag)-sitemap")


class PageIngest:
    """Ingests a site without its API, in one run; ``why`` is what closed it."""

    def __init__(self, client: Client, pipeline: Pipeline, address: str, why: BlockedSourceError) -> None:
        """Prepare; nothing is asked of the site yet."""
        parts = urlsplit(address)
        self.client, self.pipeline, self.why = client, pipeline, why
        self.base = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}/"
        self.site = canonical_site(address)

    def run(self) -> None:
        """Ingest pages or, failing that, the feed.

        Raises:
            BlockedSourceError: there is neither; the original reason.
        """
        run = self.pipeline.stream(self.site, "posts")
        run.begin()
        # The home page lists documents and is none; a static one is in the sitemap under its own address, too.
        addresses = sorted(self._sitemap_addresses() - {self.base, self.base.rstrip("/")})
        settings = self.pipeline.settings
        read: Iterator[RawRecord | Rejection] = self._pages(addresses) if addresses else self._feed()
        for batch in ahead(gathered(read, most=settings.batch_records, most_bytes=settings.batch_bytes)):
            batch.stream = run
            self.pipeline.process(batch)
        run.requests, run.bytes = self.client.traffic.requests, self.client.traffic.bytes
        run.end()
        if not run.counts.fetched:
            del self.pipeline.streams[self.site, "posts"]
            raise self.why
        run.expected = len(addresses) or None
        way = "the pages of its sitemap" if addresses else "its feed"
        run.incomplete("partial", f"the API is closed, so the site was read through {way}: {self.why.message}")

    # -- sitemap ----------------------------------------------------------------------------------------------------

    def _sitemap_addresses(self) -> set[str]:
        found: set[str] = set()
        pending = [*self._from_robots(), *(urljoin(self.base, name) for name in _USUAL_SITEMAPS)]
        seen: set[str] = set()
        while pending and len(seen) < _MOST_SITEMAPS:
            address = pending.pop(0)
            if address in seen or _NOT_DOCUMENTS.search(address):
                continue
            seen.add(address)
            tree = self._xml(address)
            if tree is None:
                continue
            inside = [text.strip() for text in tree.xpath("//*[local-name()='loc']/text()")]
            if etree.QName(tree).localname == "sitemapindex":
                pending = [urljoin(address, entry) for entry in inside] + pending
            else:
                found |= {entry for entry in inside if urlsplit(entry).netloc == urlsplit(self.base).netloc}
        return found

    def _from_robots(self) -> list[str]:
        answer = self._quietly(urljoin(self.base, "/robots.txt"))
        text = answer.body.decode("utf-8", "replace") if answer else ""
        return re.findall(r"^\s*sitemap:\s*(\S+)", text, re.IGNORECASE | re.MULTILINE)

    def _xml(self, address: str) -> Any:
        answer = self._quietly(address)
        if answer is None:
            return None
        body = answer.body
        if body.startswith(b"\x1f\x8b"):
            try:
                body = gzip.decompress(body)
            except (OSError, EOFError, zlib.error):
                return None
        parser = etree.XMLParser(recover=True, resolve_entities=False, no_network=True, huge_tree=True)
        try:
            tree = etree.fromstring(clean(body).encode(), parser)
        except etree.XMLSyntaxError:
            return None
        known = ("urlset", "sitemapindex", "rss", "feed")
        return tree if tree is not None and etree.QName(tree).localname in known else None

    def _quietly(self, address: str) -> Answer | None:
        try:
            answer = self.client.get(address, tries=1, accept="*/*")
        except SourceError:
            return None
        return answer if answer.status == 200 else None

    # -- pages and feed ---------------------------------------------------------------------------------------------

    def _pages(self, addresses: list[str]) -> Iterator[RawRecord | Rejection]:
        for address in addresses:
            try:
                answer = self.client.get(address, accept="text/html, */*;q=0.5")
            except SourceError as error:
                yield self._unread(address, str(error))
                continue
            if answer.status != 200 or "html" not in answer.content_type:
                yield self._unread(address, f"It answered HTTP {answer.status} {answer.content_type}.")
                continue
            kind, id_ = identity(answer.body, address)
            yield self._record(
                kind, id_, answer.body, "sitemap", HTML, answer.fetched_at, url=answer.url, http_status=answer.status,
                etag=answer.headers.get("ETag"), context={"url": answer.url},
            )  # fmt: skip

    def _unread(self, address: str, why: str) -> Rejection:
        return Rejection(
            site=self.site, kind="post", id=address, reason="page_not_read", message=why, source="sitemap", url=address,
            given_source=self.pipeline.source,
        )  # fmt: skip

    def _feed(self) -> Iterator[RawRecord]:
        seen: set[str] = set()
        for number in range(1, _MOST_FEED_PAGES + 1):
            answer = self._quietly(urljoin(self.base, f"?feed=rss2&paged={number}"))
            tree = self._xml(answer.url) if answer else None
            items = tree.xpath("//item") if tree is not None else []
            fresh = [item for item in items if _guid(item) not in seen]
            if not fresh or answer is None:
                return
            for item in fresh:
                seen.add(_guid(item))
                match = re.search(r"[?&](?:p|page_id)=(\d+)", _guid(item))
                payload = etree.tostring(item, encoding="utf-8")
                id_ = match[1] if match else _guid(item)
                yield self._record(
                    "post", id_, payload, "feed", FEED_ITEM, answer.fetched_at, url=item.findtext("link")
                )

    def _record(
        self, kind: str, id_: str, payload: bytes, source: str, content_type: str, fetched_at: datetime, **more: Any
    ) -> RawRecord:
        return RawRecord(
            site=self.site, kind=kind, id=id_, payload=payload, source=source, content_type=content_type,
            fetched_at=fetched_at, given_source=self.pipeline.source, **more,
        )  # fmt: skip


def _guid(item: Any) -> str:
    return str(item.findtext("guid") or item.findtext("link") or "")


def identity(page: bytes, address: str) -> tuple[str, str]:
    """Return kind and id of the post that a WordPress page shows; the address's path where it does not tell."""
    head = page[:200_000]
    kind = next((m["kind"].decode() for sign in _KIND_SIGNS if (m := sign.search(head))), None)
    for sign in _ID_SIGNS:
        match = sign.search(head)
        if match:
            base = match.groupdict().get("base")
            if kind is None:
                is_page = base == b"pages" or b"page-id-" in head
                kind = "page" if is_page else "post"
            return kind, match["id"].decode()
    return kind or "page", urlsplit(address).path or "/"
