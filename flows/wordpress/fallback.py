"""What the API does not tell: pages of a closed site, or of types kept out of it, through sitemap and feed.

Rows keep the post's own id where the page tells it, so that they merge under the same key when the API opens again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

from lxml import etree

from flows.batches import ahead, gathered
from flows.pipeline import Pipeline
from flows.readers.feeds import post_id
from flows.readers.files import FEED_ITEM, HTML
from flows.wordpress import sitemaps
from flows.wordpress.api import WordPress
from flows.wordpress.retrieval import Answer, Client
from schemas.errors import NotNowError, SourceError
from schemas.keys import bare_address, canonical_site
from schemas.records import Counts, RawRecord, Rejection
from warehouse.heads import etags, known_urls
from warehouse.ledger import StreamRun

_MOST_FEED_PAGES = 200
# Bounded repetitions: pages are hostile, and an expression must not go over the same text again and again.
# A page tells its post's id in one of these; the API link is the surest.
_ID_SIGNS = (
    re.compile(rb"/wp/v2/(?P<base>[\w-]+)/(?P<id>\d+)"),
    re.compile(rb"<link[^<>]{1,500}rel=[\"']shortlink[\"'][^<>]{1,500}[?&](?:p|page_id)=(?P<id>\d+)"),
    re.compile(rb"<body[^<>]{1,2000}class=[\"'][^\"'<>]{0,2000}\b(?:postid|page-id)-(?P<id>\d+)"),
    re.compile(rb"<article[^<>]{1,2000}id=[\"']post-(?P<id>\d+)"),
)
_KIND_SIGNS = (
    re.compile(rb"<body[^<>]{1,2000}class=[\"'][^\"'<>]{0,2000}\bsingle-(?P<kind>(?!post\b|format)[a-z][\w-]*)"),
    re.compile(rb"<article[^<>]{1,2000}class=[\"'][^\"'<>]{0,2000}\btype-(?P<kind>[a-z][\w-]*)"),
)
# A list of documents that got into a sitemap all the same.
_ARCHIVE = re.compile(rb"<body[^<>]{1,2000}class=[\"'][^\"'<>]{0,2000}(?<![\w-])(?:archive|search|error404)(?![\w-])")


def ingest_closed(client: Client, pipeline: Pipeline, address: str, why: SourceError, stream: str = "posts") -> None:
    """Ingest a site whose API is closed: the pages of its sitemap or, failing that, its feed, as the stream named.

    Raises:
        SourceError: there is neither; the original reason.
    """
    parts = urlsplit(address)
    base = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}/"
    reader = PageReader(client, pipeline, base, canonical_site(address))
    run = pipeline.stream(reader.site, stream)
    run.begin()
    listed = sitemaps.listed(client, base)
    # What was never read comes first, so that runs with a small budget get through the site in the end.
    known = _known(pipeline, reader.site)
    ordered = sorted(listed.addresses, key=lambda entry: (bare_address(entry) in known, entry))
    reader.take(reader.pages(ordered) if ordered else reader.feed(), run)
    if not (run.counts.fetched or reader.stopped or reader.is_feed_unmodified):
        del pipeline.streams[reader.site, stream]
        raise why
    run.expected = len(ordered) or None
    way = "the pages of its sitemap" if ordered else "its feed"
    run.incomplete("partial", f"the API is closed, so the site was read through {way}: {why.message}")
    if listed.left_out:
        run.incomplete("partial", listed.left_out)


def ingest_unlisted(api: WordPress, pipeline: Pipeline) -> bool:
    """Compare the site's sitemap with the lake, and read the pages that the API did not list; False without one.

    Post types that a plug-in keeps out of the API come in this way. The ledger's stream ``sitemap`` tells how many
    addresses there are, and names those that could not be read; addresses that are gone are no gap.
    """
    base = str(api.index.get("home") or f"https://{api.site}").rstrip("/") + "/"
    # A site may call itself by a name that we did not reach it by; only what we reached is compared.
    if canonical_site(base) != api.site:
        return False
    listed = sitemaps.listed(api.client, base)
    if not listed.addresses:
        return False
    run = pipeline.stream(api.site, "sitemap")
    run.begin()
    run.expected = len(listed.addresses)
    known = _known(pipeline, api.site)
    missing = sorted(address for address in listed.addresses if bare_address(address) not in known)
    reader = PageReader(api.client, pipeline, base, api.site)
    reader.take(reader.pages(missing, gone_is_gap=False), run)
    if reader.gone:
        run.reasons.append(f"{reader.gone} listed addresses are gone")
    if listed.left_out:
        run.incomplete("partial", listed.left_out)
    return True


def _known(pipeline: Pipeline, site: str) -> set[str]:
    """Return the addresses of a site's documents, as ``bare_address`` compares them."""
    return {bare_address(url) for url in known_urls(pipeline.lake.table("documents"), site)}


class PageReader:
    """Reads a site's pages and feed as raw records.

    ``gone`` counts addresses that answered 404 or 410, ``unmodified`` those that had not changed since they were
    last read; ``stopped`` says why reading ended before its time.
    """

    def __init__(self, client: Client, pipeline: Pipeline, base: str, site: str) -> None:
        """Prepare; nothing is asked of the site yet."""
        self.client, self.pipeline, self.base, self.site = client, pipeline, base, site
        self.gone = self.unmodified = 0
        self.is_feed_unmodified = False
        self.stopped = ""

    def take(self, read: Iterator[RawRecord | Rejection], run: StreamRun) -> None:
        """Take what is read to the lake as the stream ``run``."""
        settings = self.pipeline.settings
        with self.client.counted(run):
            batches = gathered(read, most=settings.batch_records, most_bytes=settings.batch_bytes)
            for batch in ahead(batches, idle=self.pipeline.settle):
                batch.stream = run
                self.pipeline.feed(batch)
            self.pipeline.settle()
        run.counts += Counts(fetched=self.unmodified, unchanged=self.unmodified)
        if self.stopped:
            run.incomplete("partial", self.stopped)
        run.end()

    def pages(self, addresses: list[str], *, gone_is_gap: bool = True) -> Iterator[RawRecord | Rejection]:
        """Return the page at each address, or a rejection that says why it is none.

        A server that gave an ETag is asked only for what changed.
        """
        known = self._etags("sitemap")
        for address in addresses:
            try:
                answer = self.client.get(address, accept="text/html, */*;q=0.5", etag=known.get(address))
            except NotNowError as error:
                self.stopped = str(error)
                return
            except SourceError as error:
                yield self._unread(address, str(error))
                continue
            if answer.status == 304:
                self.unmodified += 1
                continue
            if answer.status in (404, 410) and not gone_is_gap:
                self.gone += 1
                continue
            if answer.status != 200 or "html" not in answer.content_type:
                yield self._unread(address, f"It answered HTTP {answer.status} {answer.content_type}.")
                continue
            if _ARCHIVE.search(answer.body[:200_000]):
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

    def feed(self) -> Iterator[RawRecord]:
        """Return the items of the feed, page by page, until nothing new comes; none if it has not changed.

        WordPress gives one ETag for all its feeds, made from the newest modification or publication (4.7 to 7.1). A
        publication dated ahead freezes it, so it is worth nothing until then.
        """
        seen: set[str] = set()
        etag = next(iter(self._etags("feed").values()), None)
        for number in range(1, _MOST_FEED_PAGES + 1):
            try:
                answer = sitemaps.quietly(self.client, urljoin(self.base, f"?feed=rss2&paged={number}"), etag)
            except NotNowError as error:
                self.stopped = str(error)
                return
            if answer is not None and answer.status == 304:
                self.is_feed_unmodified = True
                return
            etag = None
            tree = sitemaps.parsed(answer.body) if answer else None
            items = tree.xpath("//item") if tree is not None else []
            fresh = [item for item in items if _guid(item) not in seen]
            if not fresh or answer is None:
                return
            for item in fresh:
                seen.add(_guid(item))
                yield self._record(
                    "post", post_id(_guid(item)) or _guid(item), etree.tostring(item, encoding="utf-8"), "feed",
                    FEED_ITEM, answer.fetched_at, url=item.findtext("link"), etag=_lasting_etag(answer),
                )  # fmt: skip

    def _etags(self, source: str) -> dict[str, str]:
        return etags(self.pipeline.lake.table("raw"), self.site, source)

    def _record(
        self, kind: str, id_: str, payload: bytes, source: str, content_type: str, fetched_at: datetime, **more: Any
    ) -> RawRecord:
        return RawRecord(
            site=self.site, kind=kind, id=id_, payload=payload, source=source, content_type=content_type,
            fetched_at=fetched_at, given_source=self.pipeline.source, **more,
        )  # fmt: skip


def _lasting_etag(answer: Answer) -> str | None:
    try:
        lasts = parsedate_to_datetime(answer.headers.get("Last-Modified", "")) <= answer.fetched_at
    except (TypeError, ValueError):
        return None
    return answer.headers.get("ETag") if lasts else None


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
