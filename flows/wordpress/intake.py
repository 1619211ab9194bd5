"""How the records of a site's streams reach the lake: gathered into batches, with the marks that come true with them."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from functools import cached_property
from typing import Any

from deltalake import DeltaTable

from flows.batches import Batch, Gone, ahead
from flows.names import Missing
from flows.pipeline import Pipeline
from flows.readers.files import JSON
from flows.readers.payload import decode
from flows.rows.moments import moment, naive, zone
from flows.wordpress.api import WordPress
from flows.wordpress.crawl import Crawler, Page, ParameterIgnored
from flows.wordpress.streams import Stream
from schemas.errors import RecordError, SourceError
from schemas.keys import cursor_id, micros, sha256_hex
from schemas.records import RawRecord, Rejection
from schemas.tables import TABLES
from warehouse.commit import watermark_in
from warehouse.heads import public
from warehouse.ledger import StreamRun

log = logging.getLogger(__name__)

_ID = re.compile(rb'\{\s*"id"\s*:\s*(\d{1,19})\s*[,}]')
NEVER = datetime.min.replace(tzinfo=UTC)
_FRESH_S = 5.0


@dataclass
class Taken:
    """What a walk brought in: the newest modification time among it, and its ids."""

    newest: datetime = NEVER
    ids: set[int] = field(default_factory=set)


class Intake:
    """The way of one site's records to the lake, in one run."""

    def __init__(self, api: WordPress, pipeline: Pipeline) -> None:
        """Prepare; nothing is asked of the site yet."""
        self.api, self.pipeline = api, pipeline
        self.lake, self.settings = pipeline.lake, pipeline.settings
        self.crawler = Crawler(api, per_page=min(100, self.settings.per_page), poisoned=self._poisoned)
        self.crawler.always = _every_language(api)
        self.streams: dict[str, Stream] = {}
        self.taxonomies: dict[str, str] = {}
        self.recounted: dict[str, dict[str, int]] = {}
        self._zone = (api.index.get("timezone_string") or None, api.index.get("gmt_offset"))
        self._poison: dict[str, dict[str, Rejection]] = {}
        self._snapshots: dict[str, tuple[int, float, DeltaTable]] = {}

    @property
    def site(self) -> str:
        """The site's name in the lake."""
        return self.api.site

    @cached_property
    def _context(self) -> dict[str, Any]:
        """What every record needs to be told; one value, which is told once for many records."""
        return {"zone": self._zone, "taxonomies": self.taxonomies}

    @property
    def zone(self) -> tzinfo | None:
        """The site's time zone, as far as it tells."""
        return zone(*self._zone)

    @property
    def zone_setting(self) -> object:
        """What stands for the zone in the site's settings; None when it does not tell. Summer time is no change."""
        name, offset = self._zone
        return name if name is not None else offset

    def modified(self, value: Mapping[str, Any]) -> datetime | None:
        """Return when a record was last modified, in UTC; None where it does not tell."""
        return moment(value.get("modified_gmt"), value.get("modified"), self.zone)[0]

    def known(
        self, stream: Stream, ids: Iterable[int] | None = None, after: datetime | None = None
    ) -> dict[str, datetime | None]:
        """Return id → modification time of what the lake takes to be public (among ``ids``, modified ``after``)."""
        among = None if ids is None else [str(id_) for id_ in ids]
        return public(self.table(stream.table), TABLES[stream.table], self.site, stream.kind, among, after)

    def table(self, name: str) -> DeltaTable:
        """Return a snapshot of a table: what this run wrote is in it, what others wrote a moment ago may not be.

        To open a table takes as long as a request, and an increment without news asks for dozens of facts.
        """
        batches, opened, snapshot = self._snapshots.get(name, (-1, 0.0, None))
        if snapshot is None or batches != self.pipeline.batches or time.monotonic() - opened > _FRESH_S:
            snapshot = self.lake.table(name)
            self._snapshots[name] = self.pipeline.batches, time.monotonic(), snapshot
        return snapshot

    def mark(self, stream: Stream, id_: str) -> int | None:
        """Return a mark of the table that holds a stream."""
        return self.marks(stream, [id_])[id_]

    def marks(self, stream: Stream, ids: Iterable[str]) -> dict[str, int | None]:
        """Return some marks of the table that holds a stream."""
        snapshot = self.table(stream.table)
        return {id_: snapshot.transaction_version(id_) for id_ in ids}

    def watermark(self, stream: Stream) -> datetime | None:
        """Return the newest modification time committed of a stream; None before the first."""
        return watermark_in(self.table(stream.table), self.site, stream.kind)

    def note(self, stream: Stream, run: StreamRun, marks: Mapping[str, int]) -> None:
        """Set the marks that differ from what is stored, in a commit of their own."""
        stored = self.marks(stream, marks)
        due = {id_: value for id_, value in marks.items() if stored[id_] != value}
        if due:
            self.pipeline.process(Batch(marks=due, marked=stream.table, stream=run))

    def bury(self, stream: Stream, run: StreamRun, gone: list[Gone]) -> None:
        """Mark as deleted what is confirmed gone."""
        self.pipeline.process(Batch(gone=gone, marked=stream.table, stream=run))

    def rejected(self, kind: str) -> set[str]:
        """Return the ids of a kind that this run put in quarantine."""
        return {r.id for r in self.pipeline.rejected if r.site == self.site and r.kind == kind}

    def take(
        self, stream: Stream, run: StreamRun, pages: Iterator[Page], *, started: datetime | None = None,
        is_part: bool = False,
    ) -> Taken:  # fmt: skip
        """Commit pages as they come.

        ``started``: this is a full scan, so keep its place. ``is_part``: totals of these pages say nothing.
        """
        taken, seen = Taken(), set[str]()
        batch = Batch(stream=run, marked=stream.table)
        size = 0
        try:
            for page in ahead(pages, idle=self.pipeline.settle):
                for payload, value in page.records:
                    batch.records.append(self._record(stream, page, payload, value))
                    size += len(payload)
                    taken.ids.add(int(value["id"]))
                    modified = naive(value.get("modified_gmt"))
                    taken.newest = max(taken.newest, modified.replace(tzinfo=UTC)) if modified else taken.newest
                for odd in page.listing.odd:
                    batch.rejections += self._odd(stream, page, odd, seen)
                if page.listing.total is not None and not is_part and (started or not stream.is_dated):
                    run.expected = page.listing.total
                if started and (page.listing.total or 0) > self.settings.batch_records:
                    self.pipeline.prepare()
                if started and page.position:
                    batch.marks = self._place(stream, page.position, started)
                if len(batch.records) >= self.settings.batch_records or size >= self.settings.batch_bytes:
                    self._feed(batch)
                    batch, size = Batch(stream=run, marked=stream.table), 0
        except (SourceError, ParameterIgnored):
            self._feed(batch)
            self.pipeline.settle()
            raise
        self._feed(batch)
        self.pipeline.settle()
        return taken

    def _feed(self, batch: Batch) -> None:
        self._add_poison(batch)
        if batch.fetched or batch.marks:
            self.pipeline.feed(batch)

    def _add_poison(self, batch: Batch) -> None:
        if batch.stream is not None:
            batch.rejections.extend(self._poison.pop(batch.stream.stream, {}).values())

    def _place(self, stream: Stream, position: tuple[int, int], started: datetime) -> dict[str, int]:
        place = {"offset": position[0], "id": position[1], "started": micros(started)}
        return {cursor_id(self.site, stream.kind, part): value for part, value in place.items()}

    def _record(self, stream: Stream, page: Page, payload: bytes, value: Mapping[str, Any]) -> RawRecord:
        answer = page.listing.answer
        return RawRecord(
            site=self.site,
            kind=str(value.get("type") or stream.kind) if stream.table == "documents" else stream.kind,
            id=str(value["id"]),
            payload=payload,
            source="rest",
            fetched_at=answer.fetched_at if answer else datetime.now(UTC),
            table=stream.table,
            url=link if isinstance(link := value.get("link"), str) and link else None,
            http_status=answer.status if answer else None,
            etag=answer.headers.get("ETag") if answer else None,
            content_type=JSON,
            given_source=self.pipeline.source,
            context=self._context,
        )

    def _odd(self, stream: Stream, page: Page, payload: bytes, seen: set[str]) -> list[Rejection]:
        """Return the rejection of an entry that cannot be read or has no id, once for all pages that show it."""
        digest = sha256_hex(payload)
        if digest in seen:
            return []
        seen.add(digest)
        id_, reason = f"without-id-{digest[:16]}", "wrong_shape"
        message = "The list holds an entry that has no id of WordPress's."
        try:
            decode(payload)
        except RecordError as error:
            reason, message = error.reason, error.message
            id_ = found[1].decode() if (found := _ID.match(payload)) else id_
        url = page.listing.answer.url if page.listing.answer else None
        return [
            Rejection(
                site=self.site, kind=stream.kind, id=id_, reason=reason, message=message, source="rest", url=url,
                content_type=JSON, payload=payload, given_source=self.pipeline.source,
            )
        ]  # fmt: skip

    def _poisoned(self, stream: Stream, id_: str, error: SourceError) -> None:
        """Remember a record that no request can fetch, under its id or the place it has in id order."""
        self._poison.setdefault(stream.name, {})[id_] = Rejection(
            site=self.site, kind=stream.kind, id=id_, reason="server_error", source="rest", url=error.url,
            message=f"The server fails on this record alone: {error.message}", given_source=self.pipeline.source,
        )  # fmt: skip

    def fetch_names(self, site: str, missing: Missing) -> None:
        """Fetch entities that documents refer to and the lake does not know; what is refused stays without name."""
        for table, wanted in missing.items():
            by_kind: dict[str, list[int]] = {}
            for taxonomy, id_ in wanted:
                kind = taxonomy or {"authors": "author", "media": "attachment"}[table]
                if id_.isdigit():
                    by_kind.setdefault(kind, []).append(int(id_))
            for kind, ids in by_kind.items():
                stream = self.streams.get(kind)
                if stream is not None and site == self.site:
                    self._fetch_entities(stream, sorted(ids))

    def _fetch_entities(self, stream: Stream, ids: list[int]) -> None:
        run = self.pipeline.stream(self.site, stream.name)
        try:
            for page in self.crawler.of_ids(stream, ids):
                records = [self._record(stream, page, payload, value) for payload, value in page.records]
                if records:
                    self.pipeline.process(Batch(records=records, stream=run, marked=stream.table))
            poisoned = Batch(stream=run, marked=stream.table)
            self._add_poison(poisoned)
            if poisoned.rejections:
                self.pipeline.process(poisoned)
        except SourceError as error:
            log.info("%s: names of %s stay unknown: %s", self.site, stream.name, error)


def _every_language(api: WordPress) -> dict[str, str]:
    """Return what makes the lists hold every language: WPML's show the default one, Polylang's show all."""
    namespaces = api.index.get("namespaces") or ()
    return {"lang": "all"} if any(str(name).startswith("wpml/") for name in namespaces) else {}
