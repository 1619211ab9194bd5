"""Prefect flows for what runs by itself or is started by hand: ``sync``, ``backfill``, ``replay``, ``maintain``.

Needs: ``presslake.toml`` in the worker's folder for ``sync``; logins in the worker's environment. Every flow may be
started again at any time: what is in the lake already is not written twice. Tasks exchange names and receipts, never
data, so nothing is cached or persisted.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Literal

from prefect import flow, get_run_logger
from prefect.runtime import flow_run

from flows import backfill as backfills
from flows.replay import replay as replay_job
from flows.settings import Settings
from flows.sync import sync as sync_job
from flows.tracked import HOOKS, report, tracking
from flows.upkeep import maintain as maintain_job
from schemas.errors import UsageError
from schemas.sources import parse_time, shown
from warehouse.places import KEEP_DAYS


def _run_name() -> str:
    given = flow_run.get_parameters() or {}
    about = given.get("only") or given.get("source") or given.get("site") or ""
    return f"{flow_run.get_flow_name()} {shown(about)}".strip()


@flow(name="sync", flow_run_name=_run_name, **HOOKS)
def sync(
    only: str | None = None, leave_scheduled: bool = False, lake: str | None = None, workers: int | None = None
) -> dict[str, Any]:
    """Read every source in presslake.toml: what is new and what changed.

    Args:
        only: Only this source, as written in the file or by its site.
        leave_scheduled: Leave out the sources that have a schedule of their own.
        lake: The lake's path or URL; default from PRESSLAKE_LAKE or presslake.toml.
        workers: Processes that extract text.

    Returns:
        The same object that ``presslake sync --json`` prints.
    """
    return report(
        sync_job(
            Settings.load(lake=lake, workers=workers),
            only,
            tracking(again=False),
            leave_scheduled=leave_scheduled,
        )
    )


@flow(name="backfill", flow_run_name=_run_name, **HOOKS)
def backfill(
    source: str,
    since: str,
    until: str,
    window: Literal["day", "week", "month", "year"] = "month",
    kinds: list[str] | None = None,
    workers: int = 1,
    lake: str | None = None,
    full: bool = False,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Read a site's past in windows; finished ones are skipped.

    Args:
        source: Any address of the site.
        since: From then on (ISO 8601, UTC).
        until: Up to, but without, then.
        window: Size of the windows.
        kinds: Only these streams, e.g. posts, pages.
        workers: Windows read at a time.
        lake: The lake's path or URL; default from PRESSLAKE_LAKE or presslake.toml.
        full: Read finished windows again, too.
        dry_run: Return what it would cost, and write nothing.

    Returns:
        The same object that ``presslake backfill --json`` prints.
    """
    start, end = parse_time(since, "since"), parse_time(until, "until")
    if start is None or end is None:
        raise UsageError("A backfill needs both since and until.")
    request = backfills.BackfillRequest(source, start, end, window, tuple(kinds or ()), workers, full)
    settings = Settings.load(lake=lake)
    if dry_run:
        return backfills.estimate(request, settings)
    return report(backfills.backfill(request, settings, tracking()))


@flow(name="replay", flow_run_name=_run_name, **HOOKS)
def replay(
    site: str | None = None, since: str | None = None, lake: str | None = None, workers: int | None = None
) -> dict[str, Any]:
    """Extract again what the lake holds, from its raw records, without network.

    Args:
        site: Only this site.
        since: Only records fetched from then on (ISO 8601, UTC).
        lake: The lake's path or URL; default from PRESSLAKE_LAKE or presslake.toml.
        workers: Processes that extract text.

    Returns:
        The same object that ``presslake replay --json`` prints.
    """
    settings = Settings.load(lake=lake, workers=workers)
    return report(replay_job(settings, site, parse_time(since, "since"), tracking()))


@flow(name="maintain", **HOOKS)
def maintain(
    lake: str | None = None, compact: bool = True, vacuum: bool = True, keep_days: float = KEEP_DAYS
) -> list[dict[str, Any]]:
    """Merge small files, shorten the logs, publish, and remove what nobody reads any more.

    Args:
        lake: The lake's path or URL; default from PRESSLAKE_LAKE or presslake.toml.
        compact: Merge small files.
        vacuum: Remove files that are no longer needed.
        keep_days: Catalogs opened within so many days find all their files.

    Returns:
        What was done, table by table.
    """
    done = maintain_job(Settings.load(lake=lake), compacting=compact, vacuuming=vacuum, keep_days=keep_days)
    for upkeep in done:
        get_run_logger().info(
            "%s: %d files, %d before, %d removed", upkeep.table, upkeep.files_after, upkeep.files_before, upkeep.removed
        )
    return [asdict(upkeep) for upkeep in done]
