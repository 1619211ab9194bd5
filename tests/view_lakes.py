"""Lakes for tests of the views: from rows in JSON, one file per table, through the lake's own write path.

A row says only what matters to its test; the rest is filled in. ``at`` is the lake's clock when the row was
committed, so that whatever the lake enters itself is known beforehand. ``signed`` gives a document the signature that
upkeep would make.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pyarrow as pa
from documents import row, table

from schemas.columns import TIMESTAMP
from schemas.keys import entity_state, site_bucket
from schemas.records import RawRecord, Rejection
from schemas.rules import validate
from schemas.tables import TABLES
from warehouse.catalog import publish
from warehouse.commit import append_quarantine, append_rows, commit_documents, commit_entities, land_raw
from warehouse.lake import Lake
from warehouse.signatures import signature

SITE = "example.org"
START = "2026-01-01T00:00:00Z"


def lake_of(folder: Path, case: Path) -> Lake:
    """Build a lake of the rows in a case's folder, in the order of their ``at``, and publish it."""
    lake = Lake.open(str(folder), create=True)
    pending: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for file in sorted(case.glob("*.json")):
        for given in json.loads(file.read_text()) if file.stem in TABLES else ():
            at = given.pop("at", START)
            pending.setdefault((at, file.stem), []).append({"site": SITE} | _typed(file.stem, given))
    for (at, name), rows in sorted(pending.items(), key=lambda entry: entry[0]):
        with patch("warehouse.commit.utcnow", lambda: _moment(at)):  # noqa: B023
            _commit(lake, name, rows, _moment(at))
    publish(lake)
    return lake


def _commit(lake: Lake, name: str, rows: list[dict[str, Any]], at: datetime) -> None:
    """Commit rows of one moment. What the lake takes for known already is a mistake in the case, but for raw records."""
    if name == "documents":
        assert "unchanged" not in commit_documents(lake, table(*(_document(row, at) for row in rows))).outcomes, rows
    elif name == "raw":
        land_raw(lake, [RawRecord(**{**r, "payload": r["payload"].encode(), "fetched_at": at}) for r in rows], "run")
    elif name == "quarantine":
        for given in rows:
            run_id = given.pop("run_id")
            append_quarantine(lake, [Rejection(**{**given, "payload": given["payload"].encode()})], run_id)
    elif name == "runs":
        fixed = {"run_id": "run", "command": "ingest", "source": "https://example.org", "state": "finished"}
        fixed |= {"started_at": at, "finished_at": at, "completeness": "complete"}  # type: ignore[dict-item]
        append_rows(lake, "runs", [fixed | given for given in rows])
    else:
        data, _, errors = validate(TABLES[name], [_entity(name, given, at) for given in rows])
        assert not errors, errors
        assert "unchanged" not in commit_entities(lake, name, data).outcomes, rows


def _document(given: dict[str, Any], at: datetime) -> dict[str, Any]:
    if given.pop("signed", False):
        given["minhash"] = signature(given["text"])
    return row(given.pop("id"), **{"valid_from": at, "first_seen_at": at, "_ingested_at": at} | given)


def _entity(name: str, given: dict[str, Any], at: datetime) -> dict[str, Any]:
    fixed = {"site_bucket": site_bucket(given["site"]), "source": "rest", "_run_id": "run", "_ingested_at": at}
    return fixed | given | {"_state_sha256": entity_state(TABLES[name], fixed | given)}


def _typed(name: str, given: dict[str, Any]) -> dict[str, Any]:
    """Return the row with moments as moments."""
    types: dict[str, pa.DataType] = {column.name: column.type for column in TABLES[name].columns}
    return {k: _moment(v) if types.get(k) == TIMESTAMP and v else v for k, v in given.items()}


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(UTC)


def shown(value: Any) -> Any:
    """Return a value of an answer as JSON would hold it."""
    if isinstance(value, datetime):
        return re.sub(r"\+00:00$", "Z", value.isoformat())
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, dict):
        return {key: shown(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [shown(entry) for entry in value]
    return value if isinstance(value, str | int | float | None) else str(value)
