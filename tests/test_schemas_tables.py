"""The declarations: complete, consistent, and everything derived from them agrees."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import duckdb
import jsonschema
import pyarrow as pa
import pytest

from schemas.columns import Row, Table
from schemas.dictionary import all_markdown, json_schema, markdown, sql_type
from schemas.tables import ENTITIES, SOURCES, TABLES

NOW = datetime(2026, 5, 1, 12, 30, tzinfo=UTC)
EVERY = pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)


def example(table: Table) -> Row:
    """Return a row with a value in every column."""
    return {
        column.name: column.one_of[0] if column.one_of else _value(column.type, column.name) for column in table.columns
    }


def _value(kind: pa.DataType, name: str) -> Any:
    if pa.types.is_list(kind):
        return [_value(kind.value_type, name)]
    if pa.types.is_struct(kind):
        return {field.name: _value(field.type, field.name) for field in kind}
    if pa.types.is_map(kind):
        return [("documents", 3)]
    if pa.types.is_timestamp(kind):
        return NOW
    by_type = {"string": "a" * 64, "binary": b"\x00{}", "bool": True, "double": 1.5}
    return by_type.get(str(kind), 1)


def as_json(table: Table, row: Row) -> Row:
    """Return the row as JSON holds it."""
    maps = {column.name for column in table.columns if pa.types.is_map(column.type)}
    plain = {name: dict(value) if name in maps and value else value for name, value in row.items()}
    loaded: Row = json.loads(json.dumps(plain, default=_plain))
    return loaded


def _plain(value: object) -> str:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value.isoformat()  # type: ignore[attr-defined]


@EVERY
def test_keys_partition_and_names_are_declared_columns(table: Table) -> None:
    names = [column.name for column in table.columns]
    assert len(names) == len(set(names))
    for name in (*table.key, *([table.partition] if table.partition else [])):
        assert table.column(name).required, name
    assert table.schema().names == names
    with pytest.raises(KeyError, match=table.name):
        table.column("nonsense")


@EVERY
def test_every_column_says_what_it_means_in_a_sentence(table: Table) -> None:
    for column in table.columns:
        assert column.description.endswith((".", "…")), column.name
        assert column.name == column.name.lower()
        if pa.types.is_timestamp(column.type):
            assert column.type == pa.timestamp("us", tz="UTC")
            assert column.unit == "UTC"


@EVERY
def test_the_arrow_schema_carries_nullability_and_meaning(table: Table) -> None:
    for column in table.columns:
        field = table.schema().field(column.name)
        assert field.nullable is not column.required
        assert field.metadata[b"description"].decode() == column.description
    assert table.empty().num_rows == 0


@EVERY
def test_long_text_carries_no_statistics(table: Table) -> None:
    assert not {"text", "markdown", "payload", "extra", "excerpt", "message"} & set(table.narrow)
    assert set(table.key) - {"document_version"} <= set(table.narrow) | {"taxonomy"}


@EVERY
def test_the_json_schema_is_valid_and_takes_a_row(table: Table) -> None:
    schema = json_schema(table)
    jsonschema.Draft202012Validator.check_schema(schema)
    row = as_json(table, example(table))
    jsonschema.validate(row, schema, cls=jsonschema.Draft202012Validator)
    nulls = {column.name: row[column.name] if column.required else None for column in table.columns}
    jsonschema.validate(nulls, schema, cls=jsonschema.Draft202012Validator)


@EVERY
def test_the_json_schema_refuses_what_the_rules_refuse(table: Table) -> None:
    schema = json_schema(table)
    row = as_json(table, example(table))
    for column in table.columns:
        wrong: list[Any] = [None] if column.required else []
        wrong += ["nonsense"] if column.one_of else []
        wrong += [column.minimum - 1] if column.minimum is not None else []
        wrong += [{"an": {"object": []}}] if column.type == pa.string() else []
        for value in wrong:
            with pytest.raises(jsonschema.ValidationError):
                jsonschema.validate({**row, column.name: value}, schema, cls=jsonschema.Draft202012Validator)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**row, "surprise": 1}, schema, cls=jsonschema.Draft202012Validator)


@EVERY
def test_sql_types_are_what_duckdb_makes_of_the_columns(table: Table) -> None:
    with duckdb.connect() as connection:
        rows = pa.Table.from_pylist([example(table)], schema=table.schema())
        connection.register("declared", rows)
        shown = {name: kind for name, kind, *_ in connection.sql("DESCRIBE declared").fetchall()}
        for column in table.columns:
            ours = connection.sql(f"SELECT typeof(NULL::{sql_type(column.type)})").fetchall()
            assert ours == [(shown[column.name],)]


@EVERY
def test_the_dictionary_names_every_column(table: Table) -> None:
    page = markdown(table)
    for column in table.columns:
        assert f"| `{column.name}`{'!' if column.required else ''} | {sql_type(column.type)} |" in page
    assert page in all_markdown()


def test_documents_and_entities_share_lineage_and_sources() -> None:
    for name in ("documents", *ENTITIES):
        assert TABLES[name].column("source").one_of == SOURCES
        assert {"_run_id", "_source", "_raw_sha256", "_ingested_at"} <= set(TABLES[name].schema().names)
