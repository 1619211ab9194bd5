"""Prefect flow ``ingest``: sites and files into the lake.

Needs: nothing but the lake's path; ``PRESSLAKE_USER`` and ``PRESSLAKE_APP_PASSWORD`` in the worker's environment for
sites that want a login. A rerun writes nothing twice. Tasks exchange sources and receipts, never data, so nothing is
cached or persisted.
"""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.runtime import flow_run

from flows.jobs import IngestRequest
from flows.jobs import ingest as ingest_job
from flows.settings import Settings
from flows.tracked import HOOKS, report, tracking
from schemas.sources import parse_time, shown


def _run_name() -> str:
    parameters = flow_run.get_parameters() or {}
    return f"ingest {', '.join(map(shown, parameters.get('sources') or ()))}"


@flow(name="ingest", flow_run_name=_run_name, **HOOKS)
def ingest(
    sources: list[str],
    lake: str | None = None,
    site: str | None = None,
    kinds: list[str] | None = None,
    since: str | None = None,
    until: str | None = None,
    full: bool = False,
    workers: int | None = None,
) -> dict[str, Any]:
    """Bring sites and files into the lake: what is new and what changed.

    Args:
        sources: Site URLs, files, folders, archives or globs.
        lake: The lake's path or URL; default from PRESSLAKE_LAKE or presslake.toml.
        site: Site name for local documents that have none.
        kinds: Only these streams of WordPress sites, e.g. posts, pages.
        since: Only what was published from this time on (ISO 8601, UTC).
        until: Only what was published before this time.
        full: Read everything again instead of an increment.
        workers: Processes that extract text.

    Returns:
        The same object that ``presslake ingest --json`` prints.

    Raises:
        PresslakeError: every source failed.
    """
    settings = Settings.load(lake=lake, workers=workers)
    request = IngestRequest(
        tuple(sources), site, tuple(kinds or ()), parse_time(since, "since"), parse_time(until, "until"), full
    )
    return report(ingest_job(request, settings, tracking()))


if __name__ == "__main__":
    ingest(["examples"])
