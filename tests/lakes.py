"""Helpers for tests that look into a lake: through its catalog, as an analyst would."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb

from flows.jobs import IngestRequest, Outcome, ingest
from flows.settings import Settings


def query(lake: str | Path, sql: str, parameters: list[Any] | None = None) -> list[dict[str, Any]]:
    """Return the rows of a query on the lake's published catalog."""
    with duckdb.connect(str(Path(lake, "catalog.duckdb")), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        result = connection.execute(sql, parameters or [])
        columns = [column[0] for column in result.description]
        return [dict(zip(columns, row, strict=True)) for row in result.fetchall()]


def ingested(settings: Settings, *sources: str, **request: Any) -> Outcome:
    """Ingest and return the outcome."""
    return ingest(IngestRequest(tuple(sources), **request), settings)


def stream(outcome: Outcome, name: str) -> dict[str, Any]:
    """Return the one ledger row of a stream."""
    (row,) = [row for row in outcome.streams if row["stream"] == name]
    return row
