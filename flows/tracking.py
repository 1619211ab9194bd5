"""Running a job as a Prefect flow run, where an API is configured. The only way from commands to Prefect."""

from __future__ import annotations

import os

from flows.jobs import IngestRequest, Outcome
from flows.settings import Settings
from schemas.errors import UsageError


def tracked_ingest(request: IngestRequest, settings: Settings) -> Outcome:
    """Run ``ingest`` as a flow, so that it appears in Prefect with its tasks, logs and artifacts.

    Raises:
        UsageError: no API is configured, or it does not answer.
    """
    address = os.environ.get("PREFECT_API_URL")
    if not address:
        raise UsageError(
            "Cannot track the run: PREFECT_API_URL is not set.",
            remedy="Set it, start presslake up, or leave --track out.",
        )
    _require_answer(address)
    # Prefect takes seconds to import, so only tracked runs pay for it.
    from flows.ingest import run_ingest

    outcome: Outcome = run_ingest.with_options(persist_result=False)(request, settings)
    return outcome


def _require_answer(address: str) -> None:
    import requests

    try:
        requests.get(f"{address.rstrip('/')}/health", timeout=5).raise_for_status()
    except requests.exceptions.RequestException as error:
        raise UsageError(
            f"Cannot track the run: no Prefect API answers at {address}.", remedy="Start it, or give --no-track."
        ) from error
