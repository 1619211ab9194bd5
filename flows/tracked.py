"""What the Prefect flows share: limits across machines, one log line a batch, and the summary of a run as an artifact."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect import get_client
from prefect.artifacts import create_markdown_artifact
from prefect.concurrency.sync import rate_limit
from prefect.exceptions import ObjectNotFound
from prefect.runtime import flow_run

from flows.jobs import Gate, Outcome, Watch
from flows.summaries import markdown_summary
from schemas.errors import PresslakeError
from warehouse.ledger import StreamRun


def global_limits() -> Gate:
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


def logged(logger: Any) -> Watch:
    """Return a watch that says one line for every batch and stream."""

    def watch(touched: list[StreamRun]) -> None:
        for run in touched:
            logger.info(
                "%s %s: %s fetched, %s new, %s changed, %s unchanged, %s rejected, %.1f s", run.site, run.stream,
                run.counts.fetched, run.counts.new, run.counts.changed, run.counts.unchanged, run.counts.rejected,
                run.seconds,
            )  # fmt: skip

    return watch


def summarise(outcome: Outcome) -> Outcome:
    """Leave the run's summary as an artifact, and hand the outcome on."""
    create_markdown_artifact(
        key=f"presslake-{flow_run.get_id() or 'run'}",
        markdown=markdown_summary(outcome),
        description="What the run did",
    )
    return outcome


def report(outcome: Outcome) -> dict[str, Any]:
    """Leave the summary as an artifact and return the result object.

    Raises:
        PresslakeError: nothing could be read at all, so the flow run fails.
    """
    summarise(outcome)
    if outcome.exit_code == 1:
        raise PresslakeError("; ".join(str(error) for _, error in outcome.failures))
    return outcome.as_json()


def absolute(lake: str | None) -> str | None:
    """Return a lake's path as seen from any folder: a worker runs in one of its own, which vanishes with it."""
    if not lake or "://" in lake:
        return lake
    return str(Path(lake).expanduser().absolute())
