"""Upkeep of a lake as one job: what the nightly run and ``presslake maintain`` both do."""

from __future__ import annotations

import logging
from dataclasses import replace

from flows.settings import Settings
from schemas.errors import UsageError
from schemas.tables import TABLES
from warehouse.catalog import publish
from warehouse.lake import Lake
from warehouse.places import KEEP_DAYS
from warehouse.rewrite import data_files
from warehouse.underway import mend_ledger
from warehouse.upkeep import Upkeep, compact, shorten_log, vacuum, vacuum_published
from warehouse.words import index

log = logging.getLogger(__name__)


def maintain(
    settings: Settings, *, compacting: bool = True, vacuuming: bool = True, keep_days: float = KEEP_DAYS
) -> list[Upkeep]:
    """Merge small files, shorten the logs, index words for search, publish, and remove what nobody needed for ``keep_days``.

    Writers and readers may be at work meanwhile; a kill at any moment costs the step under way.

    Raises:
        LakeError: the storage refused; what was done so far stays.
        UsageError: ``keep_days`` is below zero.
    """
    if keep_days < 0:
        raise UsageError(f"Cannot keep files for {keep_days:g} days.", remedy="Give --keep-days 0 or more.")
    lake = Lake.open(settings.lake, create=True)
    mend_ledger(lake)
    done = []
    for name in TABLES:
        upkeep = compact(lake, name) if compacting else _as_it_is(lake, name)
        shorten_log(lake, name)
        log.info("%s: %d files, %d before", name, upkeep.files_after, upkeep.files_before)
        done.append(upkeep)
    if compacting:
        log.info("words of %d data files indexed for search", index(lake))
    # Before anything is removed, so that the newest catalog names nothing that goes.
    publish(lake)
    if vacuuming:
        done = [replace(upkeep, removed=vacuum(lake, upkeep.table, keep_days)) for upkeep in done]
        vacuum_published(lake, keep_days)
    return done


def _as_it_is(lake: Lake, name: str) -> Upkeep:
    files = data_files(lake.table(name))
    return Upkeep(name, len(files), len(files), sum(files.values()), sum(files.values()))
