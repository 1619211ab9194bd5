"""Validation: each rule rejects by its name, and one bad row never costs another."""

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.columns import Column, Row, Table
from schemas.rules import validate
from schemas.tables import TABLES

NOW = datetime(2026, 5, 1, tzinfo=UTC)
HASH = "a" * 64
VALID: Row = {
    "site_bucket": "03",
    "site": "h.example",
    "kind": "post",
    "id": "7",
    "raw_sha256": HASH,
    "source": "rest",
    "fetched_at": NOW,
    "payload": b"{}",
    "_run_id": "r",
    "_ingested_at": NOW,
    "document_version": 1,
    "valid_from": NOW,
    "title": "",
    "text": "",
    "markdown": "",
    "first_seen_at": NOW,
    "taxonomy": "category",
    "run_id": "r",
    "reason": "wrong_type",
    "message": "m",
    "rejected_at": NOW,
    "stream": "posts",
    "command": "ingest",
    "state": "finished",
    "started_at": NOW,
    "finished_at": NOW,
    "completeness": "complete",
}
BAD: dict[str, Any] = {
    "one_of": "nonsense",
    "pattern": "\x00 \n",
    "earliest": datetime(999, 1, 1, tzinfo=UTC),
    "minimum": -1,
}


def row(table: Table, **more: Any) -> Row:
    values = {column.name: VALID.get(column.name) for column in table.columns}
    return values | ({"source": "a site"} if table.name == "runs" else {}) | more


def broken(column: Column) -> list[tuple[str, Any]]:
    found = [("required", None)] if column.required else []
    found += [("pattern", BAD["pattern"])] if column.pattern else []
    found += [("one_of", BAD["one_of"])] if column.one_of else []
    found += [("earliest", BAD["earliest"])] if column.earliest else []
    return found + ([("minimum", column.minimum - 1)] if column.minimum is not None else [])


CASES = [(t.name, c.name, rule, value) for t in TABLES.values() for c in t.columns for rule, value in broken(c)]


@pytest.mark.parametrize("name", TABLES)
def test_a_row_with_no_more_than_it_needs_is_valid(name: str) -> None:
    data, kept, errors = validate(TABLES[name], [row(TABLES[name])])
    assert (kept, errors, data.num_rows) == ([0], {}, 1)
    assert data.schema.names == TABLES[name].schema().names


@pytest.mark.parametrize(("table", "column", "rule", "value"), CASES, ids=[".".join(case[:3]) for case in CASES])
def test_every_rule_rejects_by_its_name_and_spares_the_neighbours(
    table: str, column: str, rule: str, value: Any
) -> None:
    declared = TABLES[table]
    good = row(declared)
    data, kept, errors = validate(declared, [good, good | {column: value}, good])
    assert (kept, data.num_rows, list(errors)) == ([0, 2], 2, [1])
    assert errors[1].rule == f"{table}.{column}.{rule}"
    assert errors[1].reason == f"{column.lstrip('_')}_{rule}"
    assert f"{table}.{column}" in errors[1].message


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("title", 5),
        ("menu_order", "third"),
        ("menu_order", 2**40),
        ("is_sticky", "yes"),
        ("published_at", "2024-01-01"),
        ("authors", "Mina"),
        ("terms", [5]),
        ("extra", "\ud800"),
    ],
)
def test_a_value_of_another_type_costs_only_its_row(column: str, value: Any) -> None:
    documents = TABLES["documents"]
    data, kept, errors = validate(documents, [row(documents), row(documents, **{column: value}), row(documents)])
    assert (kept, data.num_rows) == ([0, 2], 2)
    assert (errors[1].reason, errors[1].rule) == ("wrong_type", f"documents.{column}.type")


def test_a_row_that_breaks_two_rules_is_rejected_once() -> None:
    documents = TABLES["documents"]
    _, kept, errors = validate(documents, [row(documents, site=None, source="fax")])
    assert (kept, errors[0].rule) == ([], "documents.site.required")


def test_a_null_breaks_no_rule_but_required() -> None:
    documents = TABLES["documents"]
    assert validate(documents, [row(documents, date_quality=None, word_count=None, content_sha256=None)])[2] == {}


def test_no_rows_are_an_empty_table() -> None:
    data, kept, errors = validate(TABLES["documents"], [])
    assert (data.num_rows, kept, errors) == (0, [], {})
    assert data.schema.equals(TABLES["documents"].schema().with_metadata(None), check_metadata=False) or all(
        a.type == b.type for a, b in zip(data.schema, TABLES["documents"].schema(), strict=True)
    )


def test_columns_that_are_not_declared_are_left_out() -> None:
    authors = TABLES["authors"]
    data, _, errors = validate(authors, [row(authors) | {"surprise": object()}])
    assert errors == {}
    assert "surprise" not in data.schema.names


FLAWS = st.sampled_from(
    [
        {},
        {},
        {"title": 5},
        {"site": None},
        {"kind": "two words"},
        {"word_count": -1},
        {"source": "fax"},
        {"id": ""},
    ]
)


@given(st.lists(FLAWS, max_size=8))
def test_every_row_is_either_kept_or_explained(flaws: list[Row]) -> None:
    documents = TABLES["documents"]
    rows = [row(documents, id=str(number)) | flaw for number, flaw in enumerate(flaws)]
    data, kept, errors = validate(documents, rows)
    assert kept == [number for number, flaw in enumerate(flaws) if not flaw]
    assert sorted([*kept, *errors]) == list(range(len(rows)))
    assert data.column("id").to_pylist() == [rows[number]["id"] for number in kept]
    assert isinstance(data, pa.Table)
