"""Extraction again from the lake's own raw records, without network: same pipeline, other batches.

Only what stands is renewed, and only from the very record it was made of: nothing deleted comes back, no older record
overwrites a newer one, and watermarks stay where they are.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import unquote

from flows.batches import Batch, ahead, gathered
from flows.jobs import UNTRACKED, Outcome, Tracking, Watch, perform, published
from flows.pipeline import Pipeline
from flows.readers import wxr
from flows.readers.files import JSON, WXR_HEADER, WXR_ITEM, read_piece
from flows.readers.payload import decode
from flows.readers.restobjects import table_of
from flows.settings import Settings
from flows.sharding import Shard
from schemas.columns import Row
from schemas.errors import RecordError, UsageError
from schemas.records import RawRecord, Rejection
from warehouse.lake import Lake
from warehouse.ledger import StreamRun, new_run_id
from warehouse.origins import headers, newest_rejections, origins, raw_rows, sites

_STREAMS = {
    "post": "posts", "page": "pages", "attachment": "media", "author": "authors", "comment": "comments",
    "category": "categories", "post_tag": "tags", "document": "files",
}  # fmt: skip
_FILES = ("file", "wxr", "page")


def replay(
    settings: Settings, site: str | None = None, since: datetime | None = None, tracking: Tracking = UNTRACKED
) -> Outcome:
    """Extract again what the lake holds; ``since``: only of records fetched from then on.

    Raises:
        UsageError: there is no lake, or it does not know the site.
        LakeError: the lake cannot be read or written; what was committed stays.
    """
    lake = _opened(settings)
    known = sites(lake)
    if site is not None and site not in known:
        raise UsageError(f"The lake knows no site {site}.", remedy="See presslake status.")
    outcome = Outcome(new_run_id(), lake.root)
    with published(lake, outcome):
        for name in known if site is None else [site]:
            action = partial(_site, site=name, since=since)
            tracking.part(name, outcome, partial(_renew, lake, outcome, settings, action, tracking.watch))
    return outcome


def _renew(
    lake: Lake, outcome: Outcome, settings: Settings, action: Callable[[Pipeline], None], watch: Watch | None = None
) -> None:
    pipeline = Pipeline(lake, outcome.run_id, settings, command="replay", source="raw", watch=watch, renews=True)
    perform(pipeline, outcome, partial(action, pipeline))


def replay_shard(settings: Settings, site: str | None, since: datetime | None, shard: Shard, outcome: Outcome) -> None:
    """Extract a part of the lake again as a part of the run of ``outcome``; publishing is left to the caller.

    Raises:
        LakeError: the lake cannot be read or written; what was committed stays.
    """
    lake = Lake.open(settings.lake)
    for name in sites(lake) if site is None else [site]:
        _renew(lake, outcome, settings, partial(_part, site=name, since=since, shard=shard))


def _part(pipeline: Pipeline, site: str, since: datetime | None, shard: Shard) -> None:
    lake, made = pipeline.lake, origins(pipeline.lake, site)
    documents, hashes = (None, made.named) if shard.names else (made.documents, made.comments)
    records = _records(_Contexts(lake, site), raw_rows(lake, site, documents, hashes, since))
    # That a record made a document is known here; by itself it may look like one of an entity.
    chosen = records if shard.names else filter(shard.holds, records)
    _take(pipeline, _Streams(Counter()), chosen)
    for run in pipeline.streams.values():
        run.expected = run.counts.fetched


def _opened(settings: Settings) -> Lake:
    """Open a lake that exists, and bring its tables up to this release."""
    Lake.open(settings.lake)
    return Lake.open(settings.lake, create=True)


def _site(pipeline: Pipeline, site: str, since: datetime | None) -> None:
    lake, made = pipeline.lake, origins(pipeline.lake, site)
    contexts, streams = _Contexts(lake, site), _Streams(made.stated)
    # First what documents take names from, or they would learn of a changed name only at the next replay.
    _take(pipeline, streams, _records(contexts, raw_rows(lake, site, None, made.named, since)))
    _take(pipeline, streams, _records(contexts, raw_rows(lake, site, made.documents, made.comments, since)))
    stated = streams.stated()
    for name, count in stated.items():
        fetched = pipeline.stream(site, name).counts.fetched
        if fetched < count and since is None:
            gap = f"{count - fetched} documents have no raw record to read again"
            pipeline.stream(site, name).incomplete("partial", gap)
    for run in pipeline.streams.values():
        run.expected = run.counts.fetched if since else max(stated[run.stream], run.counts.fetched)


def _take(pipeline: Pipeline, streams: _Streams, records: Iterable[RawRecord]) -> None:
    """Take records of one site to the lake, stream by stream."""
    settings = pipeline.settings
    for batch in ahead(gathered(records, most=settings.batch_records, most_bytes=settings.batch_bytes), depth=1):
        parts: dict[str, list[RawRecord]] = defaultdict(list)
        for record in batch.records:
            parts[streams.of(record)].append(record)
        for name, part in parts.items():
            run = pipeline.stream(part[0].site, name)
            run.expected = streams.stated()[name] or None
            pipeline.feed(Batch(part, stream=run))
            run.bytes += sum(len(record.payload) for record in part)
    pipeline.settle()


class _Streams:
    """Tells which stream a record came in by: the API's own name for its kind, or ``files``."""

    def __init__(self, stated: Mapping[tuple[str, str], int]) -> None:
        self._names, self._stated = dict(_STREAMS), stated

    def stated(self) -> Counter[str]:
        """Return how many documents the lake holds of each stream, by the names that are known so far."""
        counts: Counter[str] = Counter()
        for (kind, source), count in self._stated.items():
            counts[self.known(kind, source)] += count
        return counts

    def known(self, kind: str, source: str) -> str:
        return "files" if source in _FILES else self._names.get(kind, kind)

    def of(self, record: RawRecord) -> str:
        if record.source == "rest" and record.kind not in self._names:
            bases = {taxonomy: base for base, taxonomy in (record.context.get("taxonomies") or {}).items()}
            self._names[record.kind] = bases.get(record.kind) or _base(record) or record.kind
        return self.known(record.kind, record.source)


def _base(record: RawRecord) -> str | None:
    """Return what the API calls the list that a record stands in, by its own links."""
    with suppress(RecordError, LookupError, TypeError):
        return str(unquote(decode(record.payload)["_links"]["collection"][0]["href"]).rpartition("/")[2])
    return None


class _Contexts:
    """Gives records back what their surroundings said."""

    def __init__(self, lake: Lake, site: str) -> None:
        self._lake, self._site = lake, site
        self._headers: dict[str, wxr.Header] | None = None

    def of(self, row: Row) -> dict[str, Any]:
        context: dict[str, Any] = json.loads(row["context"] or "{}")
        if row["content_type"] == WXR_HEADER:
            context["header"] = wxr.parse_header(row["payload"])
        elif "header" in context:
            if self._headers is None:
                self._headers = {key: wxr.parse_header(raw) for key, raw in headers(self._lake, self._site).items()}
            context["header"] = self._headers.get(context["header"], wxr.Header())
        return context


def _records(contexts: _Contexts, rows: Iterable[tuple[Row, bool]]) -> Iterator[RawRecord]:
    for row, made_document in rows:
        table = "documents" if made_document else _entity_table(row)
        yield _record(row, contexts.of(row), table, row["fetched_at"])


def _record(row: Row, context: dict[str, Any], table: str, fetched_at: datetime) -> RawRecord:
    return RawRecord(
        site=row["site"], kind=row["kind"], id=row["id"], payload=row["payload"], source=row["source"],
        fetched_at=fetched_at, table=table, url=row["url"], http_status=row.get("http_status"), etag=row.get("etag"),
        content_type=row["content_type"], given_source=row["_source"], context=context,
    )  # fmt: skip


def _entity_table(row: Row) -> str:
    """Return the entity table a record belongs to; none for one that only carries entities."""
    if row["content_type"] == WXR_ITEM:
        return "media" if row["kind"] == "attachment" else ""
    table = _table(row) if row["content_type"] == JSON else None
    return "" if table in (None, "documents") else str(table)


def _table(row: Row) -> str | None:
    try:
        return table_of(decode(row["payload"]))
    except RecordError:
        return None


def replay_quarantine(settings: Settings, site: str | None = None, tracking: Tracking = UNTRACKED) -> Outcome:
    """Try the records in quarantine again; their rows there stay as history.

    Raises:
        UsageError: there is no lake.
        LakeError: the lake cannot be read or written; what was committed stays.
    """
    lake = _opened(settings)
    outcome = Outcome(new_run_id(), lake.root)
    with published(lake, outcome):
        pipeline = Pipeline(
            lake, outcome.run_id, settings, command="quarantine replay", source="quarantine", watch=tracking.watch
        )
        perform(pipeline, outcome, partial(_quarantined, pipeline, site))
    return outcome


def _quarantined(pipeline: Pipeline, site: str | None) -> None:
    settings, lost = pipeline.settings, Counter[str]()
    tried = _tried_again(pipeline.lake, site, settings.max_file_bytes, lost)
    for batch in gathered(tried, most=settings.batch_records, most_bytes=settings.batch_bytes):
        pipeline.feed(batch)
    pipeline.settle()
    for name, count in lost.items():
        run: StreamRun = pipeline.stream(name, "files")
        run.reasons.append(f"{count} rejections hold no record to try again: ingest their source once more")
    for run in pipeline.streams.values():
        run.expected = run.counts.fetched


def _tried_again(lake: Lake, site: str | None, most: int, lost: Counter[str]) -> Iterator[RawRecord | Rejection]:
    contexts: dict[str, _Contexts] = {}
    for row in newest_rejections(lake, site):
        if row["payload"] is None or row["content_type"] is None:
            lost[row["site"]] += 1
            continue
        context = contexts.setdefault(row["site"], _Contexts(lake, row["site"])).of(row)
        table = (_table(row) if row["content_type"] == JSON else _entity_table(row)) or "documents"
        record = _record(row, context, table, row["rejected_at"])
        if record.kind == "document" and record.content_type in (JSON, WXR_ITEM):
            # Its reader refused it, so that nobody knows yet which records it holds.
            yield from (replace(read, fetched_at=record.fetched_at) if isinstance(read, RawRecord) else read
                        for read in read_piece(record, most))  # fmt: skip
        else:
            yield record
