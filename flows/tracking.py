"""Running a job as a Prefect flow run, where an API is configured. The only way from commands to Prefect."""

from __future__ import annotations

import os
from collections.abc import Callable

from flows.jobs import Outcome, Tracking
from schemas.errors import UsageError


def run_tracked(command: str, title: str, job: Callable[[Tracking], Outcome]) -> Outcome:
    """Run a job as a flow, so that it appears in Prefect with its tasks, logs and artifacts.

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
    # Importing Prefect would report to its makers, unless the user has said that it may.
    os.environ.setdefault("DO_NOT_TRACK", "1")
    # Prefect takes seconds to import, so only tracked runs pay for it.
    from flows.tracked import in_flow

    return in_flow(command, title, job)


def _require_answer(address: str) -> None:
    import requests

    try:
        requests.get(f"{address.rstrip('/')}/health", timeout=5).raise_for_status()
    except requests.exceptions.RequestException as error:
        raise UsageError(
            f"Cannot track the run: no Prefect API answers at {address}.", remedy="Start it, or give --no-track."
        ) from error
