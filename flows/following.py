"""What a job is given inside a Prefect flow run: limits across machines, one log line a batch, a progress artifact."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from prefect import get_client
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.concurrency.sync import rate_limit
from prefect.exceptions import ObjectNotFound
from prefect.runtime import flow_run

from flows.progress import told
from warehouse.ledger import StreamRun

_EVERY_S = 2.0


@dataclass
class GlobalLimits:
    """The gate that keeps Prefect's global limit ``presslake-<host>``, for each host that has one.

    It holds for the workers of all machines, where the pace kept in files holds for one. Asking costs about a tenth
    of a second a request, so hosts without such a limit are asked about once.
    """

    limited: dict[str, bool] = field(default_factory=dict)

    def __call__(self, host: str) -> None:
        """Return when a request to the host may start."""
        name = f"presslake-{host}"
        if host not in self.limited:
            with get_client(sync_client=True) as client:
                try:
                    self.limited[host] = client.read_global_concurrency_limit_by_name(name).active
                except ObjectNotFound:
                    self.limited[host] = False
        if self.limited[host]:
            rate_limit(name, strict=False)


def artifact_key(of: str) -> str:
    """Return the key of an artifact: the same for every run of the same name, so that the UI shows their history."""
    words = re.sub(r"[^a-z0-9]+", "-", f"{flow_run.get_name() or 'run'} {of}".lower()).strip("-")
    return f"presslake-{words[-200:]}"


class Follower:
    """A watch that says one line for every batch and stream, and keeps a progress artifact while totals are known."""

    def __init__(self, logger: Any) -> None:
        """Begin with nothing shown."""
        self._logger, self._runs = logger, dict[tuple[str, str], StreamRun]()
        self._artifact: UUID | None = None
        self._shown_at = 0.0

    def __call__(self, touched: list[StreamRun]) -> None:
        """Say where the streams stand that a batch added to."""
        for run in touched:
            self._runs[run.site, run.stream] = run
            self._logger.info("%s", told(run))
        if time.monotonic() - self._shown_at > _EVERY_S:
            self._show()

    def _show(self) -> None:
        """Bring the artifact up to date: the records read of all that the sources said they hold."""
        known = [run for run in self._runs.values() if run.expected]
        if not known:
            return
        self._shown_at = time.monotonic()
        read = sum(min(run.counts.fetched, run.expected or 0) for run in known)
        percent = round(100 * read / sum(run.expected or 0 for run in known), 1)
        said = f"{read} of {sum(run.expected or 0 for run in known)} records of {len(known)} streams begun"
        if self._artifact is None:
            self._artifact = create_progress_artifact(percent, key=artifact_key("progress"), description=said)  # type: ignore[assignment]
        else:
            update_progress_artifact(self._artifact, percent, description=said)
