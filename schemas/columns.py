"""How a table is declared: one ``Column`` per column, one ``Table`` per table, everything else derives."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

Row = dict[str, Any]
"""One row on its way into a table, keyed by column name."""

TIMESTAMP = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its type, meaning and the rules its values obey.

    ``description`` says what only a person knows (meaning, unit, time zone); ``one_of``, ``pattern``, ``earliest``
    and ``minimum`` are the validation rules, checked before anything is written. ``narrow`` columns carry file
    statistics (min, max), so that files can be skipped; long text must never be narrow.
    """

    name: str
    type: pa.DataType
    description: str
    required: bool = False
    unit: str | None = None
    one_of: tuple[str, ...] = ()
    pattern: str | None = None
    earliest: datetime | None = None
    minimum: int | None = None
    narrow: bool = False

    def arrow(self) -> pa.Field:
        """Return the Arrow field, description and unit in its metadata."""
        metadata = {"description": self.description} | ({"unit": self.unit} if self.unit else {})
        return pa.field(self.name, self.type, nullable=not self.required, metadata=metadata)


@dataclass(frozen=True, slots=True)
class Table:
    """One table of the lake: grain, key, layout and columns in their stored order.

    ``grain`` completes the sentence "one row per …". ``partition`` names the column files are grouped by.
    """

    name: str
    grain: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    partition: str | None = None
    notes: str = ""
    _schema: list[pa.Schema] = field(default_factory=list, repr=False, compare=False)

    def schema(self) -> pa.Schema:
        """Return the Arrow schema of the stored table."""
        if not self._schema:
            self._schema.append(pa.schema([column.arrow() for column in self.columns]))
        return self._schema[0]

    def column(self, name: str) -> Column:
        """Return the column called ``name``.

        Raises:
            KeyError: the table has no such column.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"table {self.name} has no column {name}")

    @property
    def narrow(self) -> tuple[str, ...]:
        """The columns that carry file statistics."""
        return tuple(column.name for column in self.columns if column.narrow)

    def empty(self) -> pa.Table:
        """Return a table of no rows with the declared schema."""
        return self.schema().empty_table()


# -- the few shapes that several tables share -------------------------------------------------------------------------

SLUG_PATTERN = re.compile(r"^\S(.*\S)?$", re.DOTALL)
# Years before printing, or typing errors such as 0202 and -0001, are no dates of an article.
EARLIEST = datetime(1000, 1, 1, tzinfo=UTC)


def text(name: str, description: str, **rules: Any) -> Column:
    """Declare a string column."""
    return Column(name, pa.string(), description, **rules)


def moment(name: str, description: str, **rules: Any) -> Column:
    """Declare a UTC timestamp column with microseconds."""
    return Column(name, TIMESTAMP, description, unit="UTC", **rules)


def count(name: str, description: str, **rules: Any) -> Column:
    """Declare a non-negative 64-bit count."""
    return Column(name, pa.int64(), description, minimum=0, **rules)


def flag(name: str, description: str, **rules: Any) -> Column:
    """Declare a boolean column."""
    return Column(name, pa.bool_(), description, **rules)


def structs(**fields: pa.DataType) -> pa.DataType:
    """Return the type list<struct<fields>>."""
    return pa.list_(pa.struct(list(fields.items())))
