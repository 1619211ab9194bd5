"""Prefect flow ``ingest``: sites and files into the lake.

Needs: nothing but the lake's path; ``PRESSLAKE_USER`` and ``PRESSLAKE_APP_PASSWORD`` in the worker's environment for
sites that want a login. A rerun writes nothing twice. Tasks exchange sources and receipts, never data, so nothing is
cached or persisted.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect import flow, get_client, get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.concurrency.sync import rate_limit
from prefect.exceptions import ObjectNotFound
from prefect.runtime import flow_run

from flows.jobs import Gate, IngestRequest, Outcome
from flows.jobs import ingest as ingest_job
from flows.settings import Settings
from flows.summaries import markdown_summary
from schemas.errors import PresslakeError
from schemas.sources import parse_time
from warehouse.ledger import StreamRun


@task(name="ingest", task_run_name="ingest {names}", cache_policy=NO_CACHE)
def ingest_task(request: IngestRequest, settings: Settings, names: str) -> Outcome:
    """Ingest the sources and publish the catalog; return the outcome. The job retries requests and commits itself."""
    logger = get_run_logger()
    logger.info("ingesting %s into %s", names, settings.lake)

    def watch(touched: list[StreamRun]) -> None:
        for run in touched:
            logger.info(
                "%s %s: %s fetched, %s new, %s changed, %s unchanged, %s rejected, %.1f s", run.site, run.stream,
                run.counts.fetched, run.counts.new, run.counts.changed, run.counts.unchanged, run.counts.rejected,
                run.seconds,
            )  # fmt: skip

    return ingest_job(request, settings, watch, _global_limits())


def _global_limits() -> Gate:
    """Return the gate that keeps Prefect's global limit ``presslake-<host>``, for each host that has one.

    It holds for the workers of all machines, where the pace kept in files holds for one. Asking costs about a tenth
    of a second a request, so hosts without such a limit are asked about once.
    """
    limited: dict[str, bool] = {}

    def gate(host: str) -> None:
        name = f"presslake-{host}"
        if host not in limited:
            with get_client(sync_client=True) as client:
                try:
                    limited[host] = client.read_global_concurrency_limit_by_name(name).active
                except ObjectNotFound:
                    limited[host] = False
        if limited[host]:
            rate_limit(name, strict=False)

    return gate


def _perform(request: IngestRequest, settings: Settings) -> Outcome:
    outcome = ingest_task(request, settings, ", ".join(request.sources))
    create_markdown_artifact(
        key=f"presslake-{flow_run.get_id() or 'run'}",
        markdown=markdown_summary(outcome),
        description="What the run did",
    )
    return outcome


@flow(name="presslake-ingest", flow_run_name="ingest {request.sources}", validate_parameters=False)
def run_ingest(request: IngestRequest, settings: Settings) -> Outcome:
    """Run an ingest that the command line prepared; the command line decides on the exit code."""
    return _perform(request, settings)


def _run_name() -> str:
    parameters = flow_run.get_parameters() or {}
    return f"ingest {', '.join(parameters.get('sources') or ())}"


@flow(name="ingest", flow_run_name=_run_name)
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
    settings = Settings.load(lake=lake and _absolute(lake), workers=workers)
    request = IngestRequest(
        tuple(sources), site, tuple(kinds or ()), parse_time(since, "since"), parse_time(until, "until"), full
    )
    outcome = _perform(request, settings)
    if outcome.exit_code == 1:
        raise PresslakeError("; ".join(str(error) for _, error in outcome.failures))
    return outcome.as_json()


def _absolute(lake: str) -> str:
    # A worker runs in a temporary folder of its own, where a relative path would vanish with it.
    return lake if "://" in lake else str(Path(lake).expanduser().absolute())


if __name__ == "__main__":
    ingest(["examples"])
