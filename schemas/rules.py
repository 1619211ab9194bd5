"""Validation: rows in, an Arrow table of the good ones and a named error for each bad one out.

Rules come from the column declarations alone. They run on whole columns; only a batch that Arrow itself refuses is
looked at row by row.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from schemas.columns import Column, Row, Table
from schemas.errors import RecordError

_ARROW_REFUSALS = (pa.ArrowException, TypeError, ValueError, OverflowError)


def validate(table: Table, rows: Sequence[Row]) -> tuple[pa.Table, list[int], dict[int, RecordError]]:
    """Return the rows that obey the table's declaration, and why the others do not.

    Returns:
        The accepted rows in their order with the declared schema; their positions in ``rows``; and for each
        rejected position the error that names the rule as ``table.column.rule``.
    """
    data, kept, errors = _to_arrow(table, rows)
    for column in table.columns:
        for rule, bad in _broken(column, data.column(column.name)):
            for position in pc.indices_nonzero(bad).to_pylist():
                errors.setdefault(kept[position], _error(table, column, rule, data.column(column.name)[position]))
    if errors:
        mask = [position not in errors for position in kept]
        data = data.filter(pa.array(mask, pa.bool_()))
        kept = [position for position in kept if position not in errors]
    return data, kept, errors


def _to_arrow(table: Table, rows: Sequence[Row]) -> tuple[pa.Table, list[int], dict[int, RecordError]]:
    # Nullability is a rule here, not a type error, so that a null in one row does not refuse the whole batch.
    lenient = pa.schema([field.with_nullable(True) for field in table.schema()])
    try:
        return _columns(table, rows, lenient), list(range(len(rows))), {}
    except _ARROW_REFUSALS:
        pass
    good: list[int] = []
    errors: dict[int, RecordError] = {}
    for position, row in enumerate(rows):
        try:
            _columns(table, [row], lenient)
            good.append(position)
        except _ARROW_REFUSALS as refusal:
            errors[position] = _type_error(table, row, lenient, refusal)
    return _columns(table, [rows[position] for position in good], lenient), good, errors


def _columns(table: Table, rows: Sequence[Row], schema: pa.Schema) -> pa.Table:
    arrays = [pa.array([row.get(c.name) for row in rows], c.type) for c in table.columns]
    return pa.Table.from_arrays(arrays, schema=schema)


def _type_error(table: Table, row: Row, schema: pa.Schema, refusal: Exception) -> RecordError:
    for column in table.columns:
        try:
            pa.array([row.get(column.name)], column.type)
        except _ARROW_REFUSALS as error:
            return RecordError(
                "wrong_type",
                f"{table.name}.{column.name} should be {column.type}: {str(error).splitlines()[0]}",
                rule=f"{table.name}.{column.name}.type",
            )
    return RecordError("wrong_type", f"{table.name}: {refusal}", rule=f"{table.name}.type")


def _broken(column: Column, values: pa.ChunkedArray) -> list[tuple[str, pa.ChunkedArray]]:
    """Return (rule name, mask of rows that break it) for each rule of the column."""
    broken = []
    if column.required:
        broken.append(("required", pc.is_null(values)))
    if column.pattern is not None:
        broken.append(("pattern", _fails(pc.match_substring_regex(values, column.pattern))))
    if column.one_of:
        broken.append(("one_of", _fails(pc.or_(pc.is_in(values, pa.array(column.one_of)), pc.is_null(values)))))
    if column.earliest is not None:
        broken.append(("earliest", _fails(pc.greater_equal(values, pa.scalar(column.earliest, column.type)))))
    if column.minimum is not None:
        broken.append(("minimum", _fails(pc.greater_equal(values, pa.scalar(column.minimum, column.type)))))
    return broken


def _fails(holds: pa.ChunkedArray) -> pa.ChunkedArray:
    # A rule says nothing about a null: that is for ``required``.
    return pc.invert(pc.fill_null(holds, True))


_SENTENCES = {
    "required": "must have a value",
    "pattern": "must match {column.pattern}",
    "one_of": "must be one of {column.one_of}",
    "earliest": "must not be before {column.earliest:%Y}",
    "minimum": "must be at least {column.minimum}",
}


def _error(table: Table, column: Column, rule: str, value: pa.Scalar) -> RecordError:
    shown = repr(value.as_py())[:80]
    sentence = _SENTENCES[rule].format(column=column)
    return RecordError(
        f"{column.name.lstrip('_')}_{rule}",
        f"{table.name}.{column.name} {sentence}, but is {shown}",
        rule=f"{table.name}.{column.name}.{rule}",
    )
