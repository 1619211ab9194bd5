"""The figures of a report, each one SQL file in ``warehouse/report`` over the published views.

Everything is counted by DuckDB: what comes back is as many rows as a figure shows, however large the lake.
"""

from __future__ import annotations

from typing import Any

import duckdb

from schemas.errors import LakeError
from warehouse.query import finish
from warehouse.shipped import shipped

Row = dict[str, Any]
GATHERED = ("gathered_documents", "gathered_changes")
"""What figures read instead of the views: a lake's wide files are then read once, not for every figure."""


def figures() -> dict[str, str]:
    """Return the SQL of every figure by name; its first comment states what a row stands for."""
    return {entry.name: entry.sql for entry in shipped("report")}


def gather(connection: duckdb.DuckDBPyConnection) -> None:
    """Gather what figures count into temporary tables of a connection; before that, no figure can be read.

    Raises:
        LakeError: the lake's files cannot be read.
    """
    for name in GATHERED:
        _run(connection, name, f"CREATE OR REPLACE TEMP TABLE {name} AS {figures()[name]}", {})


def figure(connection: duckdb.DuckDBPyConnection, name: str, **parameters: Any) -> list[Row]:
    """Return the rows of a figure.

    Args:
        connection: as ``warehouse.query.connect`` opens it, after ``gather``.
        name: the file's name without extension.
        parameters: values for the names that the file marks with ``$``.

    Raises:
        LakeError: the lake's files cannot be read.
    """
    return _run(connection, name, figures()[name], parameters)


def _run(connection: duckdb.DuckDBPyConnection, name: str, sql: str, parameters: Row) -> list[Row]:
    try:
        finish(connection)
        result = connection.execute(sql, parameters)
        columns = [column[0] for column in result.description or []]
        return [dict(zip(columns, row, strict=True)) for row in result.fetchall()]
    except duckdb.Error as error:
        raise LakeError(
            f"Cannot read the figure {name}: {str(error).splitlines()[0].rstrip('.')}.",
            remedy="Refresh the views with: presslake publish; if that does not help: presslake check.",
        ) from error
