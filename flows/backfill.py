"""Reading a site's past in windows: each is a run of its own, so any may fail, be killed or be done beside others.

A window is done when the ledger says so; a rerun skips it. The watermark stays where it is: what was edited since is
for increments, which may run at the same time.
"""

from __future__ import annotations

import logging
import multiprocessing
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pyarrow.dataset as ds

from flows.jobs import UNTRACKED, Gate, IngestRequest, Outcome, Tracking, ingest_source, published
from flows.settings import Settings
from schemas.errors import UsageError
from schemas.sources import Source
from warehouse.lake import Lake, dataset
from warehouse.ledger import new_run_id

log = logging.getLogger("presslake")

WINDOWS = ("day", "week", "month", "year")
# A run of all streams has these; one of chosen streams does not stand for it.
_WHOLE = {"posts", "media", "comments"}

Interval = tuple[datetime, datetime]


@dataclass(frozen=True)
class BackfillRequest:
    """What to read again: a site, a closed-open interval of publication times, and the size of its windows."""

    source: str
    since: datetime
    until: datetime
    window: str = "month"
    kinds: tuple[str, ...] = ()
    workers: int = 1
    full: bool = False

    def site(self) -> Source:
        """Return the source, which must be a site.

        Raises:
            UsageError: it is none, or the interval or the window makes no sense.
        """
        source = Source.parse(self.source)
        if source.kind != "wordpress":
            raise UsageError(f"Cannot backfill {self.source}: it is no site.", remedy="Files are read whole by ingest.")
        if self.since >= self.until:
            raise UsageError("--since must be before --until.", remedy="The interval is closed-open.")
        if self.window not in WINDOWS:
            raise UsageError(f"No window called {self.window}.", remedy=f"There are {', '.join(WINDOWS)}.")
        return source


def windows(since: datetime, until: datetime, size: str) -> Iterator[Interval]:
    """Return the calendar windows (UTC) that make up an interval; the first and last may be cut."""
    start = since
    while start < until:
        end = min(_next(start, size), until)
        yield start, end
        start = end


def _next(moment: datetime, size: str) -> datetime:
    day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    if size == "day":
        return day + timedelta(days=1)
    if size == "week":
        return day + timedelta(days=7 - day.weekday())
    if size == "year":
        return day.replace(year=day.year + 1, month=1, day=1)
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


def finished(lake: Lake, source: str, kinds: tuple[str, ...]) -> set[Interval]:
    """Return the windows of a source that earlier backfills read completely, for these streams (none: for all)."""
    where = (ds.field("command") == "backfill") & (ds.field("source") == source) & (ds.field("state") == "finished")
    columns = ["run_id", "stream", "completeness", "window_since", "window_until"]
    rows = dataset(lake.table("runs")).to_table(columns=columns, filter=where).to_pylist()
    done: dict[Interval, set[str]] = defaultdict(set)
    whole: dict[tuple[str, Interval], dict[str, bool]] = defaultdict(dict)
    for row in rows:
        interval = (row["window_since"], row["window_until"])
        is_complete = row["completeness"] == "complete"
        whole[row["run_id"], interval][row["stream"]] = is_complete
        if is_complete:
            done[interval].add(row["stream"])
    if kinds:
        return {interval for interval, streams in done.items() if set(kinds) <= streams}
    return {i for (_, i), streams in whole.items() if streams.keys() >= _WHOLE and all(streams.values())}


def backfill(request: BackfillRequest, settings: Settings, tracking: Tracking = UNTRACKED) -> Outcome:
    """Read every window that is not done yet, ``workers`` of them at a time, and publish behind them.

    Raises:
        UsageError: the request makes no sense; nothing was started.
        LakeError: the lake cannot be written; windows that were finished stay.
    """
    source = request.site()
    lake = Lake.open(settings.lake, create=True)
    outcome = Outcome(new_run_id(), lake.root)
    todo = pending(lake, request)
    progress = _Windows(len(todo))
    with published(lake, outcome):
        if request.workers > 1 and len(todo) > 1:
            _side_by_side(request, settings, todo, outcome, tracking, progress)
            return outcome
        for interval in todo:
            part = Outcome(f"{outcome.run_id}-{interval[0]:%Y%m%d}", lake.root)
            try:
                ingest_source(source, _part(request, interval), settings, lake, part, tracking)
            finally:
                outcome.add(part)
            progress.tell(interval, part)
    return outcome


def pending(lake: Lake, request: BackfillRequest) -> list[Interval]:
    """Return the windows still to be read, oldest first."""
    done = set() if request.full else finished(lake, request.site().given, request.kinds)
    every = list(windows(request.since, request.until, request.window))
    todo = [interval for interval in every if interval not in done]
    if len(todo) < len(every):
        log.info("%d of %d windows were finished before", len(every) - len(todo), len(every))
    return todo


def _part(request: BackfillRequest, interval: Interval) -> IngestRequest:
    since, until = interval
    return IngestRequest((request.source,), None, request.kinds, since, until, command="backfill")


def _side_by_side(
    request: BackfillRequest, settings: Settings, todo: list[Interval], outcome: Outcome, tracking: Tracking,
    progress: _Windows,
) -> None:  # fmt: skip
    # Each process extracts by itself: more of them would only share the same cores.
    settings = replace(settings, workers=1)
    context = multiprocessing.get_context("forkserver")
    pool = ProcessPoolExecutor(min(request.workers, len(todo)), mp_context=context)
    try:
        parts = {
            pool.submit(_window, request, settings, interval, outcome.run_id, tracking.gate): interval
            for interval in todo
        }
        for done in as_completed(parts):
            part = done.result()
            outcome.add(part)
            progress.tell(parts[done], part)
        pool.shutdown()
    except BaseException:
        # What is under way ends with its process; what it committed stays.
        for process in list((pool._processes or {}).values()):
            process.terminate()
        pool.shutdown(wait=False, cancel_futures=True)
        raise


def _window(
    request: BackfillRequest, settings: Settings, interval: Interval, run_id: str, gate: Gate | None
) -> Outcome:
    lake = Lake.open(settings.lake)
    part = Outcome(f"{run_id}-{interval[0]:%Y%m%d}", lake.root)
    ingest_source(request.site(), _part(request, interval), settings, lake, part, Tracking(gate=gate))
    return part


class _Windows:
    """Says after every window how many are done, and how long the others will take at this pace."""

    def __init__(self, count: int) -> None:
        self._count, self._done, self._began = count, 0, time.monotonic()

    def tell(self, interval: Interval, part: Outcome) -> None:
        self._done += 1
        left_s = (time.monotonic() - self._began) / self._done * (self._count - self._done)
        log.info(
            "%s to %s: %d records, exit %d; %d of %d windows, about %s left", f"{interval[0]:%Y-%m-%d}",
            f"{interval[1]:%Y-%m-%d}", sum(row["fetched"] for row in part.streams), part.exit_code, self._done,
            self._count, timedelta(seconds=round(left_s)),
        )  # fmt: skip


def estimate(request: BackfillRequest, settings: Settings) -> dict[str, Any]:
    """Return what a backfill would cost, from the site's own totals and one page of each stream; nothing is written.

    Returns:
        ``windows`` and ``finished`` ones, and per stream and in all: ``documents``, ``requests``, ``bytes``,
        ``minutes`` (at the rate the host is asked at, or as fast as it answered just now, whichever is slower).

    Raises:
        UsageError: the request makes no sense.
        SourceError: the site cannot be asked.
    """
    from flows.wordpress.estimates import stream_costs

    source = request.site()
    try:
        lake = Lake.open(settings.lake)
        todo = pending(lake, request)
    except UsageError:  # no lake yet
        todo = list(windows(request.since, request.until, request.window))
    streams = stream_costs(source.address, settings, request.kinds, todo) if todo else []
    totals = {name: sum(row[name] for row in streams) for name in ("documents", "requests", "bytes")}
    return {
        "dry_run": True, "source": source.given, "windows": len(todo),
        "finished": len(list(windows(request.since, request.until, request.window))) - len(todo), "streams": streams,
        **totals, "minutes": round(sum(row["minutes"] for row in streams) / max(1, request.workers), 2),
    }  # fmt: skip
