"""The one path from source to lake: land raw, extract, validate, commit. Plain functions; Prefect only wraps them.

Order of durability: raw, entities, quarantine, documents with their marks. A crash anywhere leads to doing a batch
again, which finds its own rows and writes nothing twice.
"""

from __future__ import annotations

import logging
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import pyarrow as pa

from flows.batches import Batch
from flows.curation import Curated, curate, failed, is_tame
from flows.interrupts import uninterrupted
from flows.memory import give_back, settle_in
from flows.names import Missing, Names
from flows.removal import buried
from flows.settings import Settings
from flows.workers import Workers
from schemas.columns import Row
from schemas.errors import RecordError
from schemas.keys import document_state, fidelity
from schemas.records import Counts, RawRecord, Rejection
from schemas.rules import validate
from schemas.tables import TABLES
from warehouse.commit import (
    append_quarantine,
    commit_documents,
    commit_entities,
    land_raw,
    utcnow,
)
from warehouse.heads import document_heads, newest_fetches
from warehouse.lake import Lake
from warehouse.ledger import StreamRun
from warehouse.underway import Note

log = logging.getLogger(__name__)

# Starting processes costs more than to extract that much of tame records here.
_POOL_BYTES = 1024 * 1024

Fate = tuple[str, str]
"""A record's site and what became of it: new, changed, unchanged or rejected."""
Checked = tuple[pa.Table, list[RawRecord | None]]
"""Rows that obey the rules, and for each the record it is, or None when it rode along with another."""


@dataclass(frozen=True, slots=True)
class _UnderWay:
    """A batch that has landed: what of it is extracted, what cannot change anything, and what waits for the former."""

    batch: Batch
    fresh: list[RawRecord]
    unchanged: list[RawRecord]
    extracted: Callable[[], list[Curated]]


@dataclass
class Pipeline:
    """Takes batches to the lake for one run. Use as a context manager: it may hold worker processes.

    ``fetch_names(site, missing)`` may bring in entities that documents refer to and the lake does not know.
    ``gate(host)`` returns when a request to a host may start.
    """

    lake: Lake
    run_id: str
    settings: Settings
    command: str = "ingest"
    source: str = ""
    streams: dict[tuple[str, str], StreamRun] = field(default_factory=dict)
    rejected: list[Rejection] = field(default_factory=list)
    fetch_names: Callable[[str, Missing], None] | None = None
    renews: bool = False
    watch: Callable[[list[StreamRun]], None] | None = None
    gate: Callable[[str], None] | None = None
    since: datetime | None = None
    until: datetime | None = None

    def __post_init__(self) -> None:
        """Prepare; processes start with the first records that need them."""
        self._workers = Workers(
            curate, failed, count=self.settings.workers, timeout_s=self.settings.document_timeout_s,
            preload=["flows.curation"],
        )  # fmt: skip
        self._names = Names(self.lake)
        self._under_way: _UnderWay | None = None
        self.batches = 0  # how many have begun to be committed: what was read of the lake before is out of date
        self.note = Note(self.lake, self.run_id)
        self._began = utcnow(), time.monotonic()

    def __enter__(self) -> Pipeline:
        """Return itself."""
        settle_in()
        return self

    def prepare(self) -> None:
        """Get ready for many records, beside whatever is done until they come."""
        if self.settings.workers > 1:
            self._workers.prepare()

    def __exit__(self, *_: object) -> None:
        """Stop the workers without waiting for what is under way: who wants it has settled."""
        self._workers.stop()
        self.note.release()
        give_back()

    def stream(self, site: str, stream: str) -> StreamRun:
        """Return the ledger entry of a stream of this run, made at its first use."""
        key = (site, stream)
        if key not in self.streams:
            run = StreamRun(
                self.run_id, site, stream, self.command, self.source, window_since=self.since, window_until=self.until
            )
            # Local files show their site only once read: their stream began with the source.
            run.started_at, run.clock = self._began
            self.streams[key] = run
            self._jot()
        return self.streams[key]

    def process(self, batch: Batch) -> None:
        """Take one batch to the lake and add up what became of it; see the module for the order of commits."""
        self._finish(self._begin(batch))

    def feed(self, batch: Batch) -> None:
        """Take one batch of many to the lake, at the latest with the next one or when things are settled.

        While one is committed here, the next is extracted in the workers. They are committed in their order.
        """
        self._finish_last(self._begin(batch))

    def settle(self) -> None:
        """Bring to its end what was fed."""
        self._finish_last(None)

    def _finish_last(self, following: _UnderWay | None) -> None:
        before, self._under_way = self._under_way, following
        if before is not None:
            self._finish(before)

    def _begin(self, batch: Batch) -> _UnderWay:
        fresh, unchanged = (batch.records, []) if self.renews else self._landed(batch.records)
        return _UnderWay(batch, fresh, unchanged, self._extract(fresh))

    def _finish(self, under_way: _UnderWay) -> None:
        batch, fresh, unchanged = under_way.batch, under_way.fresh, under_way.unchanged
        self.batches += 1
        rejections = list(batch.rejections)
        entities, documents = self._sorted(fresh, under_way.extracted(), rejections)
        checked = {name: _checked(name, pairs, rejections) for name, pairs in entities.items()}
        fate = [(record.site, "unchanged") for record in unchanged]
        # Before the documents, which take their names from them.
        fate += self._commit_entities(checked, batch)
        self._name(documents)
        table, owners = _checked("documents", [(r, c.row or {}) for r, c in documents], rejections)
        del documents  # the texts are in the table: nobody holds them twice while it is written
        self._quarantine(rejections)
        fate += [(rejection.site, "rejected") for rejection in rejections]
        with uninterrupted():
            # Versions that no ledger counts would look like those of a stranger.
            fate += self._commit_documents(table, owners, batch)
            touched = self._count(batch, fate, rejections)
        self._bury(batch)
        self._jot()
        if self.watch is not None and touched:
            self.watch(touched)

    def _jot(self) -> None:
        """Note what the ledger should say should the process be killed now."""
        self.note.write([run.finish({}, "interrupted") for run in self.streams.values()])

    def _landed(self, records: Sequence[RawRecord]) -> tuple[list[RawRecord], list[RawRecord]]:
        """Land what is not known yet; return the records to extract, and those that cannot change anything."""
        fresh, unchanged = self._unknown(records)
        if fresh:
            land_raw(self.lake, fresh, self.run_id)
        captured = [r for r in fresh if r.source == "page"]
        if not captured:
            return fresh, unchanged
        # Archives hold many captures of one page, in any order: the newest one stands, the others are history.
        newest = newest_fetches(self.lake.table("raw"), ((r.site, r.kind, r.id) for r in captured))
        late = [r for r in captured if r.fetched_at < newest[r.site, r.kind, r.id]]
        old = {id(record) for record in late}
        return [record for record in fresh if id(record) not in old], unchanged + late

    def _unknown(self, records: Sequence[RawRecord]) -> tuple[list[RawRecord], list[RawRecord]]:
        """Part the records into those to extract, and those whose very bytes made the newest version."""
        keys = [(r.site, r.kind, r.id) for r in records if r.table == "documents"]
        heads = document_heads(self.lake.table("documents"), keys) if keys else {}
        fresh: list[RawRecord] = []
        unchanged: list[RawRecord] = []
        # Where a batch has several states of a document, the last of them stands, as it did the first time.
        states = Counter((r.site, r.kind, r.id) for r in records)
        for record in records:
            head = heads.get((record.site, record.kind, record.id)) if record.table == "documents" else None
            same = (
                head is not None
                and states[record.site, record.kind, record.id] == 1
                and head["_raw_sha256"] == record.sha256
                and head["deleted_at"] is None
                and fidelity(record.source) <= fidelity(head["source"])
            )
            (unchanged if same else fresh).append(record)
        return fresh, unchanged

    def _extract(self, records: Sequence[RawRecord]) -> Callable[[], list[Curated]]:
        """Start extraction; return what waits for it: the risky records in workers, the others too if they are many."""
        is_worth_it = self.settings.workers > 1 and sum(len(r.payload) for r in records) >= _POOL_BYTES
        sent = [n for n, record in enumerate(records) if is_worth_it or not is_tame(record)]
        results = self._workers.begin([records[n] for n in sent]) if sent else list

        def extracted() -> list[Curated]:
            done = dict(zip(sent, results(), strict=True))
            return [done[n] if n in done else curate(record) for n, record in enumerate(records)]

        return extracted

    def _sorted(
        self, records: Sequence[RawRecord], done: Sequence[Curated], rejections: list[Rejection]
    ) -> tuple[dict[str, list[tuple[RawRecord | None, Row]]], list[tuple[RawRecord, Curated]]]:
        entities: dict[str, list[tuple[RawRecord | None, Row]]] = defaultdict(list)
        documents = []
        for record, curated in zip(records, done, strict=True):
            for table, row in curated.entities:
                entities[table].append((None, {**row, "_run_id": self.run_id}))
            if curated.error is not None and record.table:
                rejections.append(_rejection(record, curated.error))
            elif curated.row is not None and curated.table == "documents":
                curated.row["_run_id"] = self.run_id
                documents.append((record, curated))
            elif curated.row is not None:
                entities[curated.table].append((record, {**curated.row, "_run_id": self.run_id}))
        return entities, documents

    def _name(self, documents: list[tuple[RawRecord, Curated]]) -> None:
        rows = [curated.row for _, curated in documents if curated.row is not None]
        self._names.resolve(rows, self.fetch_names)
        for row, (_, curated) in zip(rows, documents, strict=True):
            row["_state_sha256"] = document_state(row, curated.editorial)

    def _quarantine(self, rejections: list[Rejection]) -> None:
        if rejections:
            append_quarantine(self.lake, rejections, self.run_id)
            # Without their bytes, or a run with many would hold them all.
            self.rejected.extend(replace(rejection, payload=None, context={}) for rejection in rejections)

    def _commit_entities(self, checked: dict[str, Checked], batch: Batch) -> list[Fate]:
        """Commit entities; return the fate of those that were records of their own (others rode along)."""
        if batch.marks and batch.marked != "documents":
            checked.setdefault(batch.marked, (TABLES[batch.marked].empty(), []))
        fate: list[Fate] = []
        for name, (table, owners) in checked.items():
            marks = batch.marks if batch.marked == name else {}
            outcome = commit_entities(self.lake, name, table, marks, renew=self.renews)
            fate += [(r.site, o) for r, o in zip(owners, outcome.outcomes, strict=True) if r is not None]
        return fate

    def _commit_documents(self, table: pa.Table, owners: list[RawRecord | None], batch: Batch) -> list[Fate]:
        marks = batch.marks if batch.marked == "documents" else {}
        if not table.num_rows and not marks:
            return []
        outcome = commit_documents(self.lake, table, marks, renew=self.renews)
        return [(r.site, o) for r, o in zip(owners, outcome.outcomes, strict=True) if r is not None]

    def _count(self, batch: Batch, fate: list[Fate], rejections: list[Rejection]) -> list[StreamRun]:
        """Add the batch to the ledger entries of its streams and return these; nothing fetched may be unaccounted."""
        tally: dict[str, Counter[str]] = defaultdict(Counter)
        for site, outcome in fate:
            tally[site][outcome] += 1
        carriers = sum(record.table == "" for record in batch.records)
        if sum(counts.total() for counts in tally.values()) != batch.fetched - carriers:
            raise AssertionError(f"{batch.fetched} records were fetched, but {dict(tally)} accounted for")
        touched = []
        for site, counts in tally.items():
            run = batch.stream or self.stream(site, "files")
            run.counts += Counts(fetched=counts.total(), **counts)
            touched.append(run)
        if batch.stream is None:
            for record in batch.records:
                self.stream(record.site, "files").bytes += len(record.payload)
        if rejections:
            self._say_rejected(batch, rejections)
        return touched

    def _say_rejected(self, batch: Batch, rejections: list[Rejection]) -> None:
        for site in {rejection.site for rejection in rejections}:
            run = batch.stream or self.stream(site, "files")
            reasons = Counter(r.reason for r in rejections if r.site == site)
            listed = ", ".join(f"{reason} {count}" for reason, count in sorted(reasons.items()))
            run.incomplete("partial", f"rejected: {listed}", [r.id for r in rejections if r.site == site])

    def _bury(self, batch: Batch) -> None:
        """Mark as deleted what is confirmed gone."""
        if not batch.gone or batch.stream is None:
            return
        table = buried(self.lake, batch.marked, batch.gone, self.run_id, utcnow())
        is_document = batch.marked == "documents"
        done = commit_documents(self.lake, table) if is_document else commit_entities(self.lake, batch.marked, table)
        batch.stream.deleted += done.count("changed")


def _checked(name: str, pairs: Sequence[tuple[RawRecord | None, Row]], rejections: list[Rejection]) -> Checked:
    """Validate rows; add a rejection for each record whose own row breaks a rule, drop such rows that rode along."""
    table, kept, errors = validate(TABLES[name], [row for _, row in pairs])
    for position, error in errors.items():
        record = pairs[position][0]
        if record is not None:
            rejections.append(_rejection(record, error))
    return table, [pairs[position][0] for position in kept]


def _rejection(record: RawRecord, error: RecordError) -> Rejection:
    return Rejection.of(record, error.reason, error.message, error.rule)
