"""The data dictionary, derived from the declarations: Markdown for people, JSON Schema for programs."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from schemas.columns import Column, Table
from schemas.tables import SCHEMA_VERSION, TABLES

_SQL_NAMES = {"string": "varchar", "int32": "integer", "int64": "bigint", "double": "double", "bool": "boolean",
              "binary": "blob"}  # fmt: skip


def sql_type(kind: pa.DataType) -> str:
    """Return the DuckDB spelling of an Arrow type.

    >>> sql_type(pa.list_(pa.struct([("id", pa.string())])))
    'struct(id varchar)[]'
    """
    if pa.types.is_list(kind):
        return f"{sql_type(kind.value_type)}[]"
    if pa.types.is_struct(kind):
        return f"struct({', '.join(f'{f.name} {sql_type(f.type)}' for f in kind)})"
    if pa.types.is_map(kind):
        return f"map({sql_type(kind.key_type)}, {sql_type(kind.item_type)})"
    if pa.types.is_timestamp(kind):
        return "timestamp with time zone"
    return _SQL_NAMES[str(kind)]


def _json_type(kind: pa.DataType) -> dict[str, Any]:
    if pa.types.is_list(kind):
        return {"type": "array", "items": _json_type(kind.value_type)}
    if pa.types.is_struct(kind):
        return {"type": "object", "properties": {f.name: _nullable(_json_type(f.type)) for f in kind}}
    if pa.types.is_map(kind):
        return {"type": "object", "additionalProperties": _json_type(kind.item_type)}
    if pa.types.is_timestamp(kind):
        return {"type": "string", "format": "date-time"}
    if pa.types.is_binary(kind):
        return {"type": "string", "contentEncoding": "base64"}
    names = {"string": "string", "int32": "integer", "int64": "integer", "double": "number", "bool": "boolean"}
    return {"type": names[str(kind)]}


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    return {**schema, "type": [schema["type"], "null"]}


def _json_column(column: Column) -> dict[str, Any]:
    schema = _json_type(column.type)
    if not column.required:
        schema = _nullable(schema)
    schema["description"] = column.description
    if column.one_of:
        schema["enum"] = [*column.one_of, *([] if column.required else [None])]
    if column.pattern:
        schema["pattern"] = column.pattern
    if column.minimum is not None:
        schema["minimum"] = column.minimum
    if column.unit:
        schema["x-unit"] = column.unit
    return schema


def json_schema(table: Table) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of one row of the table."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": table.name,
        "description": f"One row per {table.grain}. {table.notes}".strip(),
        "type": "object",
        "x-key": list(table.key),
        "x-schema-version": SCHEMA_VERSION,
        "properties": {column.name: _json_column(column) for column in table.columns},
        "required": [column.name for column in table.columns if column.required],
        "additionalProperties": False,
    }


def markdown(table: Table) -> str:
    """Return the table's page of the data dictionary."""
    lines = [
        f"## {table.name}",
        "",
        f"One row per {table.grain}. Key: {', '.join(f'`{name}`' for name in table.key)}. {table.notes}".rstrip(),
        "",
        "| column | type | meaning |",
        "|---|---|---|",
    ]
    for column in table.columns:
        mark = "!" if column.required else ""
        unit = f" ({column.unit})" if column.unit and column.unit != "UTC" else ""
        lines.append(f"| `{column.name}`{mark} | {sql_type(column.type)} | {column.description}{unit} |")
    return "\n".join(lines) + "\n"


def all_markdown() -> str:
    """Return the whole data dictionary."""
    intro = f"# Data dictionary\n\nSchema version {SCHEMA_VERSION}. `!` marks columns that are never null.\n\n"
    return intro + "\n".join(markdown(table) for table in TABLES.values())
