"""How long work shows itself: a live display on a terminal, one log line per batch otherwise, nothing with --json."""

from __future__ import annotations

import logging
import sys
import time
from types import TracebackType
from typing import Any

from warehouse.ledger import StreamRun

log = logging.getLogger("presslake")


def _fields(run: StreamRun, batch: int) -> dict[str, Any]:
    """Return what a structured log line says of a stream."""
    return {
        "run_id": run.run_id, "batch": batch, "site": run.site, "stream": run.stream, "expected": run.expected,
        "fetched": run.counts.fetched, "new": run.counts.new, "changed": run.counts.changed,
        "unchanged": run.counts.unchanged, "rejected": run.counts.rejected, "seconds": round(run.seconds, 3),
    }  # fmt: skip


def told(run: StreamRun) -> str:
    """Return where a stream stands, in a line."""
    counts = run.counts
    of = f" of {run.expected}" if run.expected else ""
    return (
        f"{run.site} {run.stream}: {counts.fetched}{of} fetched, {counts.new} new,"
        f" {counts.changed} changed, {counts.unchanged} unchanged, {counts.rejected} rejected, {run.seconds:.1f} s"
    )


class Progress:
    """Watches a run. Use as a context manager and hand it over as ``watch``."""

    def __init__(self, *, quiet: bool) -> None:
        """Choose the display: ``quiet`` shows nothing, a terminal is redrawn, anything else gets lines."""
        self._quiet = quiet
        self._live = not quiet and sys.stderr.isatty()
        self._display: Any = None
        self._tasks: dict[tuple[str, str], Any] = {}
        self._began = time.monotonic()
        self._batches = 0

    def __enter__(self) -> Progress:
        """Start the display."""
        if self._live:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            self._display = Progress(
                TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
                TextColumn("{task.fields[rate]}"), TimeRemainingColumn(), console=Console(stderr=True), transient=True,
            )  # fmt: skip
            self._display.start()
            _log_to_stderr()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the display down."""
        if self._display is not None:
            self._display.stop()
            _log_to_stderr()

    def __call__(self, touched: list[StreamRun]) -> None:
        """Show where the streams stand that a batch added to."""
        self._batches += 1
        if self._display is not None:
            self._redraw(touched)
        elif not self._quiet:
            for run in touched:
                log.info(f"batch {self._batches}: {told(run)}", extra={"fields": _fields(run, self._batches)})

    def _redraw(self, touched: list[StreamRun]) -> None:
        for run in touched:
            key = (run.site, run.stream)
            if key not in self._tasks:
                self._tasks[key] = self._display.add_task(f"{run.site} {run.stream}", total=run.expected, rate="")
            rate = run.counts.fetched / max(run.seconds, 0.001)
            self._display.update(
                self._tasks[key], completed=run.counts.fetched, total=run.expected, rate=f"{rate:,.0f}/s"
            )


def _log_to_stderr() -> None:
    """Have log lines go where standard error leads now: above the display while there is one."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler) and not isinstance(handler, logging.FileHandler):
            handler.setStream(sys.stderr)
