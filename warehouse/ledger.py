"""The run ledger: one row per stream of a run. The ledger, not the log, is the record of what happened."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from schemas.columns import Row
from schemas.records import Counts
from warehouse.commit import append_rows, utcnow
from warehouse.lake import Lake


def new_run_id() -> str:
    """Return a unique id that sorts by time."""
    return f"{utcnow():%Y%m%dT%H%M%S%f}-{secrets.token_hex(3)}"


@dataclass
class StreamRun:
    """One stream of a run while it runs; ``finish`` returns its ledger row."""

    run_id: str
    site: str
    stream: str
    command: str
    source: str
    expected: int | None = None
    completeness: str = "complete"
    reasons: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)
    deleted: int = 0
    requests: int = 0
    bytes: int = 0
    window_since: datetime | None = None
    window_until: datetime | None = None
    watermark_before: datetime | None = None
    watermark_after: datetime | None = None
    started_at: datetime = field(default_factory=utcnow)
    ended_at: datetime | None = None
    clock: float = field(default_factory=time.monotonic)
    _ended: float | None = None

    @property
    def seconds(self) -> float:
        """Seconds from beginning to end (or now), by the monotonic clock."""
        return (self._ended or time.monotonic()) - self.clock

    def begin(self) -> None:
        """Start the clocks (again)."""
        self.started_at, self.clock = utcnow(), time.monotonic()

    def end(self) -> None:
        """Stop the clocks."""
        self.ended_at, self._ended = utcnow(), time.monotonic()

    def incomplete(self, completeness: str, reason: str, missing: list[str] | None = None) -> None:
        """Record why the stream is not complete; ``blocked`` outweighs ``partial``."""
        if self.completeness != "blocked":
            self.completeness = completeness
        if reason not in self.reasons:
            self.reasons.append(reason)
        self.missing.extend(missing or [])

    def finish(self, versions: dict[str, int], state: str = "finished") -> Row:
        """Return the row of ``runs``."""
        return {
            "run_id": self.run_id, "site": self.site, "stream": self.stream, "command": self.command,
            "source": self.source, "state": state, "started_at": self.started_at,
            "finished_at": self.ended_at or utcnow(), "seconds": round(self.seconds, 3),
            "fetched": self.counts.fetched, "new": self.counts.new,
            "changed": self.counts.changed, "unchanged": self.counts.unchanged, "rejected": self.counts.rejected,
            "deleted": self.deleted, "expected": self.expected, "completeness": self.completeness,
            "reason": "; ".join(self.reasons) or None, "missing": self.missing or None,
            "window_since": self.window_since, "window_until": self.window_until,
            "watermark_before": self.watermark_before, "watermark_after": self.watermark_after,
            "table_versions": list(versions.items()), "requests": self.requests, "bytes": self.bytes,
        }  # fmt: skip


def summary(row: Row) -> dict[str, Any]:
    """Return the part of a ledger row that the command line prints as one stream of its JSON result."""
    names = ("site", "stream", "source", "fetched", "new", "changed", "unchanged", "rejected", "deleted", "expected",
             "completeness", "reason", "requests", "bytes", "seconds")  # fmt: skip
    moment = row["watermark_after"]
    return {**{name: row[name] for name in names}, "watermark": moment.isoformat() if moment else None}


def record(lake: Lake, rows: list[Row]) -> None:
    """Append ledger rows."""
    append_rows(lake, "runs", rows)
