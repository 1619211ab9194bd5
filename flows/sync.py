"""Reading every source of ``presslake.toml``, one after the other, as one run."""

from __future__ import annotations

from pathlib import Path

from flows.jobs import UNTRACKED, IngestRequest, Outcome, Tracking, ingest_source, published
from flows.settings import Settings
from flows.sources import load
from warehouse.lake import Lake
from warehouse.ledger import new_run_id


def sync(
    settings: Settings,
    only: str | None = None,
    tracking: Tracking = UNTRACKED,
    folder: Path | None = None,
    *,
    leave_scheduled: bool = False,
) -> Outcome:
    """Ingest every source (or the one called ``only``) with its own settings, and publish once behind them.

    ``leave_scheduled``: without the sources that have a schedule of their own.

    Raises:
        UsageError: the file or an entry makes no sense; nothing was started.
        LakeError: the lake cannot be written; what was committed stays.
    """
    entries = [entry for entry in load(folder, only) if not (leave_scheduled and entry.schedule)]
    lake = Lake.open(settings.lake, create=True)
    outcome = Outcome(new_run_id(), lake.root)
    with published(lake, outcome):
        for entry in entries:
            request = IngestRequest((entry.source.given,), entry.site, entry.kinds, command="sync")
            ingest_source(entry.source, request, entry.settings_from(settings), lake, outcome, tracking)
    return outcome
