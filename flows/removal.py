"""What the lake holds of something that is gone: its last state, with ``deleted_at`` set."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import pyarrow as pa

from flows.batches import Gone
from schemas.columns import Row, Table
from schemas.keys import document_state, entity_state
from schemas.rules import validate
from schemas.tables import TABLES
from warehouse.heads import current_documents, current_entities
from warehouse.lake import Lake


def buried(lake: Lake, name: str, gone: Iterable[Gone], run_id: str, now: datetime) -> pa.Table:
    """Return rows of the table called ``name`` that mark what is gone as deleted; what is so already has none."""
    declared, entries = TABLES[name], list(gone)
    if name == "documents":
        how = {(entry.site, entry.kind, entry.id): entry.how for entry in entries}
        found = current_documents(lake.table(name), how).to_pylist()
        rows = [_document(row, how[row["site"], row["kind"], row["id"]], now) for row in found if not row["deleted_at"]]
    else:
        keys = {_key(declared, entry) for entry in entries}
        found = current_entities(lake.table(name), declared, keys)
        rows = [_entity(declared, row, now) for row in found if not row["deleted_at"]]
    return validate(declared, [{**row, "_run_id": run_id} for row in rows])[0]


def _document(row: Row, how: str, now: datetime) -> Row:
    row.update(deleted_at=now, valid_from=now, source="rest")
    if how == "hidden":
        row["status"] = "hidden"
    row["_state_sha256"] = document_state(row)
    return row


def _entity(declared: Table, row: Row, now: datetime) -> Row:
    row.update(deleted_at=now, _ingested_at=now)
    row["_state_sha256"] = entity_state(declared, row)
    return row


def _key(declared: Table, entry: Gone) -> tuple[str, ...]:
    # A stream of terms is of one taxonomy, which is its kind.
    parts = {"site": entry.site, "taxonomy": entry.kind, "id": entry.id}
    return tuple(parts[name] for name in declared.key)
