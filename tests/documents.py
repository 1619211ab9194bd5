"""Rows of ``documents`` for tests of the lake: valid, small, and different only where a test says so."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from schemas.keys import content_sha256, document_state, site_bucket
from schemas.rules import validate
from schemas.tables import DOCUMENTS


def row(id_: str | int = "1", text: str = "Some text.", *, site: str = "example.org", **columns: Any) -> dict[str, Any]:
    """Return one valid row as the pipeline would hand it to the lake."""
    now = datetime.now(UTC)
    made = {
        "site_bucket": site_bucket(site), "site": site, "kind": "post", "id": str(id_), "document_version": 1,
        "valid_from": now, "first_seen_at": now, "_ingested_at": now, "title": f"Title {id_}", "text": text,
        "markdown": text, "source": "rest", "_run_id": "run", "word_count": len(text.split()), "status": "publish",
        "content_sha256": content_sha256(f"Title {id_}", text), "published_at": datetime(2024, 1, 1, tzinfo=UTC),
        "modified_at": None, "terms": [], "authors": [], "links": [], "images": [], "headings": [],
    } | columns  # fmt: skip
    return made | {"_state_sha256": document_state(made)}


def table(*rows: dict[str, Any]) -> pa.Table:
    """Return rows as a validated table."""
    data, _, errors = validate(DOCUMENTS, rows)
    assert not errors, {position: str(error) for position, error in errors.items()}
    return data
