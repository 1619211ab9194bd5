"""Ingesting one WordPress site: every stream, by full scan or increment, with deletions and proof of completeness.

A stream goes through the same phases every time. First what changed: everything in id order when nothing is known,
what was modified since the watermark otherwise. Then what is there: the hundred newest publications and the total are
compared with the lake; only if they disagree are all ids swept, what is missing fetched, and what is gone confirmed
one by one. An increment that finds nothing new costs two requests a stream.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urljoin

from flows.batches import Batch, Gone, ahead
from flows.names import Missing
from flows.pipeline import Pipeline
from flows.readers.files import JSON
from flows.rows.moments import moment, naive, zone
from flows.wordpress.api import WordPress, as_parameter
from flows.wordpress.crawl import OVERLAP, Crawler, Page, ParameterIgnored
from flows.wordpress.doctor import login
from flows.wordpress.pace import crawl_delay_s
from flows.wordpress.streams import Stream, chosen, streams_of
from schemas.errors import BlockedSourceError, SourceError, TransientSourceError
from schemas.keys import cursor_id, from_micros, micros, public_count_id, watermark_id
from schemas.records import RawRecord, Rejection
from warehouse.commit import mark, watermark
from warehouse.heads import document_heads, public_ids
from warehouse.ledger import StreamRun

log = logging.getLogger(__name__)

_GONE_CODES = {"rest_post_invalid_id", "rest_no_route"}
_HIDDEN_STATUSES = {401, 403}


@dataclass(frozen=True)
class Options:
    """What of a site to ingest. ``since`` and ``until`` bound the publication time, closed-open."""

    kinds: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    full: bool = False


class SiteIngest:
    """One site in one run."""

    def __init__(self, api: WordPress, pipeline: Pipeline, options: Options) -> None:
        """Prepare; nothing is asked of the site yet."""
        self.api, self.pipeline, self.options = api, pipeline, options
        self.lake, self.settings = pipeline.lake, pipeline.settings
        self.crawler = Crawler(api, per_page=min(100, pipeline.settings.per_page), poisoned=self._poisoned)
        self._by_kind: dict[str, Stream] = {}
        self._context: dict[str, Any] = {}
        self._poison: dict[str, dict[str, Rejection]] = {}

    def run(self) -> None:
        """Ingest the chosen streams one after the other. A stream that is refused ends only itself.

        Raises:
            UsageError: a chosen stream does not exist.
            LakeError: the lake cannot be written.
        """
        streams, taxonomies, problems = streams_of(self.api)
        self._by_kind = {stream.kind: stream for stream in streams}
        zone_of_site = (self.api.index.get("timezone_string"), self.api.index.get("gmt_offset"))
        self._context = {"zone": zone_of_site, "taxonomies": taxonomies}
        self._respect_robots()
        if self.api.client.credentials is not None:
            self._log_in()
        self.pipeline.fetch_names = self._fetch_names
        selected = chosen(streams, self.options.kinds)
        try:
            for stream in selected:
                self._stream(stream, problems)
        finally:
            self.pipeline.fetch_names = None

    def _respect_robots(self) -> None:
        """Keep the Crawl-delay of the host's robots.txt; a host without one has none."""
        client = self.api.client
        try:
            answer = client.get(urljoin(self.api.root, "/robots.txt"), tries=0, accept="text/plain")
        except SourceError:
            return
        if answer.status == 200:
            delay = crawl_delay_s(answer.body.decode("utf-8", "replace"), self.settings.user_agent)
            client.slow_down(self.api.root, delay)

    def _log_in(self) -> None:
        """Ask for drafts, private and raw content if the server saw the credentials.

        Raises:
            BlockedSourceError: it did not; going on would quietly leave out what was asked for.
        """
        seen = login(self.api)
        if not seen.startswith("seen"):
            raise BlockedSourceError(
                f"{self.api.root} did not accept the login ({seen}).",
                remedy="Mend PRESSLAKE_USER and PRESSLAKE_APP_PASSWORD, or unset them to read what is public.",
            )
        self.crawler.authorised = {"context": "edit", "status": "any"}

    def _stream(self, stream: Stream, problems: list[str]) -> None:
        run = self.pipeline.stream(self.api.site, stream.name)
        run.begin()
        before = (self.api.client.traffic.requests, self.api.client.traffic.bytes)
        try:
            if stream.table == "documents" and problems:
                run.reasons.extend(problems)
            self._ingest(stream, run)
        except TransientSourceError as error:
            run.incomplete("partial", str(error))
        except SourceError as error:
            run.incomplete("blocked", str(error))
        finally:
            if self.api.polluted:
                run.reasons.append(f"{self.api.polluted} polluted answers were salvaged")
                self.api.polluted = 0
            run.requests = self.api.client.traffic.requests - before[0]
            run.bytes = self.api.client.traffic.bytes - before[1]
            run.end()

    # -- what changed -----------------------------------------------------------------------------------------------

    def _ingest(self, stream: Stream, run: StreamRun) -> None:
        known = watermark(self.lake, self.api.site, stream.kind, stream.table) if stream.is_dated else None
        run.watermark_before = run.watermark_after = known
        windowed = self.options.since is not None or self.options.until is not None
        if windowed:
            self._window(stream, run)
        elif known is None or self.options.full:
            self._full(stream, run)
        else:
            self._increment(stream, run, known)
        if stream.table == "documents" and not windowed and run.completeness == "complete":
            self._reconcile(stream, run)

    def _window(self, stream: Stream, run: StreamRun) -> None:
        """Ingest what was published in the window; the watermark stays, as later edits may be unknown."""
        if not stream.has_offset:
            self._whole_list(stream, run)
            return
        params: dict[str, Any] = {}
        # The server compares its local time: ask for more and keep what lies in the window by UTC.
        if self.options.since:
            params["after"] = as_parameter(self.options.since - OVERLAP)
        if self.options.until:
            params["before"] = as_parameter(self.options.until + OVERLAP)
        self._take(stream, run, (self._inside(page) for page in self.crawler.by_id(stream, **params)))

    def _inside(self, page: Page) -> Page:
        site_zone = zone(*self._context["zone"])
        kept = []
        for payload, value in page.records:
            published, _ = moment(value.get("date_gmt"), value.get("date"), site_zone)
            after = published is None or self.options.since is None or published >= self.options.since
            if after and (published is None or self.options.until is None or published < self.options.until):
                kept.append((payload, value))
        return replace(page, records=kept)

    def _full(self, stream: Stream, run: StreamRun) -> None:
        if not stream.is_dated:
            self._whole_list(stream, run)
            return
        started, position = self._cursor(stream)
        if position != (0, 0):
            log.info("%s %s: going on after id %s", self.api.site, stream.name, position[1])
        newest = self._take(stream, run, self.crawler.by_id(stream, position), started=started)
        # What was edited behind the walk is newer than its start.
        with suppress(ParameterIgnored):
            newest = max(newest, self._take(stream, run, self.crawler.modified_since(stream, started)))
        self._finish(stream, run, min(newest, datetime.now(UTC)))

    def _cursor(self, stream: Stream) -> tuple[datetime, tuple[int, int]]:
        """Return when the unfinished full scan began and where it stands; now and the beginning if there is none."""
        parts = {
            part: mark(self.lake, cursor_id(self.api.site, stream.kind, part), stream.table)
            for part in ("offset", "id", "started")
        }
        if not parts["started"] or self.options.full:
            return datetime.now(UTC), (0, 0)
        return from_micros(parts["started"]), (parts["offset"] or 0, parts["id"] or 0)

    def _whole_list(self, stream: Stream, run: StreamRun) -> None:
        self._take(stream, run, self.crawler.by_id(stream))

    def _increment(self, stream: Stream, run: StreamRun, known: datetime) -> None:
        try:
            newest = self._take(stream, run, self.crawler.modified_since(stream, known))
        except ParameterIgnored as why:
            run.reasons.append(f"{why}: compared all modification times instead")
            newest = self._compare_all(stream, run)
        self._finish(stream, run, min(newest, datetime.now(UTC)))

    def _compare_all(self, stream: Stream, run: StreamRun) -> datetime:
        """Fetch what has another modification time than in the lake: for sites without ``modified_after``."""
        there, _ = self.crawler.sweep(stream)
        ids = [str(id_) for id_ in there]
        heads = document_heads(self.lake.table("documents"), ((self.api.site, stream.kind, id_) for id_ in ids))
        different = []
        for id_, stated in there.items():
            head, modified = heads.get((self.api.site, stream.kind, str(id_))), naive(stated)
            if head is None or modified is None or head["modified_at"] != modified.replace(tzinfo=UTC):
                different.append(id_)
        return self._take(stream, run, self.crawler.of_ids(stream, different), is_part=True)

    def _finish(self, stream: Stream, run: StreamRun, newest: datetime) -> None:
        """Raise the watermark to what is known to be complete, and forget the cursor of a full scan."""
        marks = {cursor_id(self.api.site, stream.kind, part): 0 for part in ("offset", "id", "started")}
        marks = {id_: value for id_, value in marks.items() if mark(self.lake, id_, stream.table)}
        if newest > datetime.min.replace(tzinfo=UTC):
            marks[watermark_id(self.api.site, stream.kind)] = micros(newest)
        if marks:
            self.pipeline.process(Batch(marks=marks, marked=stream.table, stream=run))
        run.watermark_after = watermark(self.lake, self.api.site, stream.kind, stream.table)

    # -- what is there ----------------------------------------------------------------------------------------------

    def _reconcile(self, stream: Stream, run: StreamRun) -> None:
        """Compare what the site shows with the lake; fetch what is missing, bury what is confirmed gone."""
        probe = self.crawler.newest(stream)
        run.expected = probe.total
        site, kind = self.api.site, stream.kind
        heads = document_heads(self.lake.table("documents"), ((site, kind, str(id_)) for id_ in probe.ids))
        unseen = [i for i in probe.ids if (h := heads.get((site, kind, str(i)))) is None or h["deleted_at"] is not None]
        if unseen:
            self._take(stream, run, self.crawler.of_ids(stream, unseen), is_part=True)
        if probe.total is not None and probe.total == self._public(stream):
            return
        there, total = self.crawler.sweep(stream)
        run.expected = total if total is not None else run.expected
        here = public_ids(self.lake.table("documents"), site, kind)
        known = here | self._rejected(kind)
        missing = sorted(id_ for id_ in there if str(id_) not in known)
        self._take(stream, run, self.crawler.of_ids(stream, missing), is_part=True)
        # What a stream that is not complete does not show may be there all the same.
        if run.completeness == "complete":
            self._bury(stream, run, sorted(here - {str(id_) for id_ in there}))
        accounted = self._rejected(kind) | public_ids(self.lake.table("documents"), site, kind)
        lost = [str(id_) for id_ in sorted(there) if str(id_) not in accounted]
        if lost:
            run.incomplete("partial", f"{len(lost)} listed by the site could not be fetched: {_some(lost)}", lost)
        hidden = (total or 0) - len(there)
        if hidden > 0:
            run.reasons.append(f"the site counts {hidden} more than it shows")

    def _rejected(self, kind: str) -> set[str]:
        return {r.id for r in self.pipeline.rejected if r.site == self.api.site and r.kind == kind}

    def _public(self, stream: Stream) -> int:
        return mark(self.lake, public_count_id(self.api.site, stream.kind)) or 0

    def _bury(self, stream: Stream, run: StreamRun, absent: Iterable[str]) -> None:
        """Confirm each absent document by its own address, and mark it deleted only on a clear answer."""
        gone: list[Gone] = []
        unclear: list[str] = []
        for id_ in absent:
            how = self._confirmed(stream, id_)
            if how is None:
                unclear.append(id_)
            elif how != "public":
                gone.append(Gone(self.api.site, stream.kind, id_, how))
        if gone:
            # Who locks everybody out refuses the address of a document that is still there, too.
            self.crawler.page(stream, per_page=1, _fields="id")
            self.pipeline.process(Batch(gone=gone, stream=run))
        if unclear:
            run.incomplete("partial", f"absent from the list but not confirmed gone: {_some(unclear)}", unclear)

    def _confirmed(self, stream: Stream, id_: str) -> str | None:
        """Return ``deleted``, ``hidden`` (private, draft or trash) or ``public``; None when the answer is unclear."""
        try:
            value = self.api.object(f"{stream.route}/{id_}", {"_fields": "id,status,type"})
        except BlockedSourceError as error:
            if error.status == 404 and error.code in _GONE_CODES:
                return "deleted"
            return "hidden" if error.status in _HIDDEN_STATUSES and error.code == "rest_forbidden" else None
        except SourceError:
            return None
        return "public" if value.get("status") in ("publish", None) else "hidden"

    # -- records ----------------------------------------------------------------------------------------------------

    def _take(
        self, stream: Stream, run: StreamRun, pages: Iterator[Page], *, started: datetime | None = None,
        is_part: bool = False,
    ) -> datetime:  # fmt: skip
        """Commit pages as they come; return the newest modification time among them.

        ``started``: this is a full scan, so keep its place. ``is_part``: totals of these pages say nothing.
        """
        newest = datetime.min.replace(tzinfo=UTC)
        batch = Batch(stream=run, marked=stream.table)
        size = seen = 0
        try:
            for page in ahead(pages):
                for payload, value in page.records:
                    batch.records.append(self._record(stream, page, payload, value))
                    size += len(payload)
                    modified = naive(value.get("modified_gmt"))
                    newest = max(newest, modified.replace(tzinfo=UTC)) if modified else newest
                seen += len(page.records)
                if page.listing.total is not None and not is_part and (started or not stream.is_dated):
                    run.expected = page.listing.total
                if started and page.position:
                    batch.marks = self._place(stream, page.position, started)
                if len(batch.records) >= self.settings.batch_records or size >= self.settings.batch_bytes:
                    self._commit(batch)
                    batch, size = Batch(stream=run, marked=stream.table), 0
        except (SourceError, ParameterIgnored):
            self._commit(batch)
            raise
        self._commit(batch)
        if not stream.is_dated and run.expected is not None and run.expected > seen:
            run.reasons.append(f"the site counts {run.expected - seen} more than it shows")
        return newest

    def _commit(self, batch: Batch) -> None:
        if batch.stream is not None:
            batch.rejections.extend(self._poison.pop(batch.stream.stream, {}).values())
        if batch.fetched or batch.marks:
            self.pipeline.process(batch)

    def _place(self, stream: Stream, position: tuple[int, int], started: datetime) -> dict[str, int]:
        place = {"offset": position[0], "id": position[1], "started": micros(started)}
        return {cursor_id(self.api.site, stream.kind, part): value for part, value in place.items()}

    def _record(self, stream: Stream, page: Page, payload: bytes, value: Mapping[str, Any]) -> RawRecord:
        answer = page.listing.answer
        return RawRecord(
            site=self.api.site,
            kind=str(value.get("type") or stream.kind) if stream.table == "documents" else stream.kind,
            id=str(value["id"]),
            payload=payload,
            source="rest",
            fetched_at=answer.fetched_at if answer else datetime.now(UTC),
            table=stream.table,
            url=value.get("link") or None,
            http_status=answer.status if answer else None,
            etag=answer.headers.get("ETag") if answer else None,
            content_type=JSON,
            given_source=self.pipeline.source,
            context=self._context,
        )

    def _poisoned(self, stream: Stream, id_: str, error: SourceError) -> None:
        """Remember a record that no request can fetch, under its id or the place it has in id order."""
        self._poison.setdefault(stream.name, {})[id_] = Rejection(
            site=self.api.site, kind=stream.kind, id=id_, reason="server_error", source="rest", url=error.url,
            message=f"The server fails on this record alone: {error.message}", given_source=self.pipeline.source,
        )  # fmt: skip

    def _fetch_names(self, site: str, missing: Missing) -> None:
        """Fetch entities that documents refer to and the lake does not know; what is refused stays without name."""
        for table, wanted in missing.items():
            by_kind: dict[str, list[int]] = {}
            for taxonomy, id_ in wanted:
                kind = taxonomy or {"authors": "author", "media": "attachment"}[table]
                if id_.isdigit():
                    by_kind.setdefault(kind, []).append(int(id_))
            for kind, ids in by_kind.items():
                stream = self._by_kind.get(kind)
                if stream is not None and site == self.api.site:
                    self._fetch_entities(stream, sorted(ids))

    def _fetch_entities(self, stream: Stream, ids: list[int]) -> None:
        run = self.pipeline.stream(self.api.site, stream.name)
        try:
            for page in self.crawler.of_ids(stream, ids):
                records = [self._record(stream, page, payload, value) for payload, value in page.records]
                if records:
                    self.pipeline.process(Batch(records=records, stream=run, marked=stream.table))
            self._commit(Batch(stream=run, marked=stream.table))
        except SourceError as error:
            log.info("%s: names of %s stay unknown: %s", self.api.site, stream.name, error)


def _some(ids: list[str], most: int = 10) -> str:
    more = f" and {len(ids) - most} more" if len(ids) > most else ""
    return ", ".join(ids[:most]) + more
