"""One run from sources to published views: what the command line and the Prefect flows both call."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Protocol

import pyarrow.dataset as ds

from flows.batches import ahead, gathered
from flows.pipeline import Pipeline
from flows.readers.files import FileOptions, read
from flows.settings import Settings
from flows.sharding import Shard
from schemas.columns import Row
from schemas.errors import PresslakeError, SourceError
from schemas.keys import canonical_site
from schemas.sources import Source
from warehouse.catalog import catalog_path, publish
from warehouse.lake import Lake, dataset
from warehouse.ledger import StreamRun, new_run_id, record, summary
from warehouse.underway import mend_ledger

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class IngestRequest:
    """What to ingest and how much of it; everything else is in the settings."""

    sources: tuple[str, ...]
    site: str | None = None
    kinds: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    full: bool = False
    command: str = "ingest"
    shard: Shard | None = None


@dataclass
class Outcome:
    """What a run did: its ledger rows, the sources that failed with their error, and the exit code."""

    run_id: str
    lake: str
    streams: list[Row] = field(default_factory=list)
    failures: list[tuple[str, PresslakeError]] = field(default_factory=list)
    rejections: list[Any] = field(default_factory=list)
    interrupted: bool = False

    @property
    def exit_code(self) -> int:
        """0 complete, 1 failed, 2 usage, 3 partial, 130 interrupted; see DESIGN for their meaning."""
        if self.interrupted:
            return 130
        if self.failures and not self.streams:
            return max(error.exit_code for _, error in self.failures)
        is_partial = any(row["completeness"] != "complete" or row["rejected"] for row in self.streams)
        return 3 if self.failures or is_partial else 0

    def add(self, other: Outcome) -> None:
        """Take over what another part of the same run did."""
        self.streams.extend(other.streams)
        self.failures.extend(other.failures)
        self.rejections.extend(other.rejections)
        self.interrupted = self.interrupted or other.interrupted

    def as_json(self) -> dict[str, Any]:
        """Return the result object of the command line."""
        return {
            "run_id": self.run_id,
            "lake": self.lake,
            "exit": self.exit_code,
            "streams": [summary(row) for row in self.streams],
            "failures": [{"source": source, "error": str(error)} for source, error in self.failures],
        }


Watch = Callable[[list[StreamRun]], None]
"""Told after every batch: the ledger entries it added to."""

Gate = Callable[[str], None]
"""Asked with the host before every request; returns when it may start."""


class Part(Protocol):
    """Does a part of a run (a source, a window), in whatever frame that shall happen."""

    def __call__(self, title: str, outcome: Outcome, read: Callable[[], None], alone: str | None = None) -> None:
        """Call ``read``, which adds to ``outcome``; parts with the same ``alone`` do not run at the same time."""


def _read(title: str, outcome: Outcome, read: Callable[[], None], alone: str | None = None) -> None:
    read()


@dataclass(frozen=True)
class Tracking:
    """How others follow a run and what they have to say in it; by default nobody does."""

    watch: Watch | None = None
    gate: Gate | None = None
    part: Part = _read


UNTRACKED = Tracking()


def ingest(request: IngestRequest, settings: Settings, tracking: Tracking = UNTRACKED) -> Outcome:
    """Ingest every source into the lake and publish it. One failing source does not stop the others.

    Raises:
        UsageError: a source or the lake's path makes no sense; nothing was started.
        LakeError: the lake cannot be written; what was committed stays.
    """
    sources = [Source.parse(given) for given in request.sources]
    lake = Lake.open(settings.lake, create=True)
    outcome = Outcome(new_run_id(), lake.root)
    with published(lake, outcome):
        for source in sources:
            ingest_source(source, request, settings, lake, outcome, tracking)
    return outcome


def ingest_source(
    source: Source, request: IngestRequest, settings: Settings, lake: Lake, outcome: Outcome,
    tracking: Tracking = UNTRACKED,
) -> None:  # fmt: skip
    """Ingest one source as a part of the run of ``outcome``; publishing is left to the caller.

    Raises:
        LakeError: the lake cannot be written; what was committed stays.
    """

    def read() -> None:
        pipeline = Pipeline(
            lake, outcome.run_id, settings, command=request.command, source=source.given, watch=tracking.watch,
            gate=tracking.gate, since=request.since, until=request.until,
        )  # fmt: skip
        failed = len(outcome.failures)
        perform(pipeline, outcome, partial(_source, pipeline, source, request))
        if len(outcome.failures) > failed and not pipeline.streams:
            _missed(pipeline, source, outcome.failures[-1][1])

    is_increment = source.kind == "wordpress" and request.command != "backfill"
    window = f" {request.since:%Y-%m-%d}" if request.since else ""
    tracking.part(source.given + window, outcome, read, canonical_site(source.address) if is_increment else None)


@contextmanager
def published(lake: Lake, outcome: Outcome) -> Iterator[None]:
    """Publish the lake behind a run, also behind one that was interrupted; first enter those that were killed."""
    mend_ledger(lake)
    try:
        yield
    except KeyboardInterrupt:
        outcome.interrupted = True
    finally:
        if outcome.streams or outcome.failures or not catalog_path(lake).exists():
            try:
                publish(lake)
            except KeyboardInterrupt:
                outcome.interrupted = True


def _source(pipeline: Pipeline, source: Source, request: IngestRequest) -> None:
    (_website if source.kind == "wordpress" else _files)(pipeline, source, request)


def perform(pipeline: Pipeline, outcome: Outcome, action: Callable[[], None]) -> None:
    """Do what brings batches to the pipeline, and write its ledger whatever happens; a failing source is an outcome."""
    state = "finished"
    with pipeline:
        try:
            action()
        except SourceError as error:
            outcome.failures.append((pipeline.source, error))
            state = "failed"
            for run in pipeline.streams.values():
                run.incomplete("partial", str(error))
        except BaseException as error:
            # Whoever stops us (Ctrl-C, a scheduler's signal) raises what is no Exception.
            state = "failed" if isinstance(error, Exception) else "interrupted"
            for run in pipeline.streams.values():
                if run.ended_at is None:
                    run.incomplete("partial", state)
            raise
        finally:
            _ledger(pipeline, state, outcome)


def _ledger(pipeline: Pipeline, state: str, outcome: Outcome) -> None:
    """Write one row per stream, whatever happened, and merge it into the outcome."""
    # Asked once for all streams: it opens every table.
    versions = pipeline.lake.versions() if pipeline.streams else {}
    rows = [run.finish(versions, state) for run in pipeline.streams.values()]
    if rows:
        record(pipeline.lake, rows)
    pipeline.note.discard()
    outcome.streams.extend(rows)
    outcome.rejections.extend(pipeline.rejected)


def _missed(pipeline: Pipeline, source: Source, error: PresslakeError) -> None:
    """Enter a site that did not even begin, if it is one that is meant to be here: a mistyped address is not."""
    if source.kind != "wordpress":
        return
    site = canonical_site(source.address)
    known = dataset(pipeline.lake.table("runs")).count_rows(filter=ds.field("site") == site)
    if known or pipeline.command == "sync":
        run = StreamRun(pipeline.run_id, site, "site", pipeline.command, pipeline.source)
        run.incomplete("blocked", str(error))
        record(pipeline.lake, [run.finish({}, "failed")])


def _files(pipeline: Pipeline, source: Source, request: IngestRequest) -> None:
    options = FileOptions(request.site, pipeline.settings.max_file_bytes)
    settings = pipeline.settings
    records = read(source, options)
    if request.shard is not None:
        records = filter(request.shard.holds, records)
    batches = gathered(records, most=settings.batch_records, most_bytes=settings.batch_bytes)
    for batch in ahead(batches, depth=1, idle=pipeline.settle):
        pipeline.feed(batch)
    pipeline.settle()
    left_out = ", ".join(f"{count} {what}" for what, count in sorted(options.left_out.items()))
    for run in pipeline.streams.values():
        run.expected = run.counts.fetched
        if left_out:
            run.reasons.append(f"left out: {left_out}")


def _website(pipeline: Pipeline, source: Source, request: IngestRequest) -> None:
    # Only those who fetch pay for the HTTP stack's import.
    from flows.wordpress.changes import Window
    from flows.wordpress.ingestion import Options
    from flows.wordpress.sites import ingest_site

    window = Window(request.since, request.until)
    ingest_site(pipeline, source.address, Options(request.kinds, window, request.full))
