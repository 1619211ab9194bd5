"""What commands share: the settings and the lake they were given, and plain tables."""

from __future__ import annotations

import argparse
import json
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from flows.settings import Settings

if TYPE_CHECKING:
    from warehouse.lake import Lake


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, message, and what the caller gave as ``extra={"fields": …}``."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {"time": moment, "level": record.levelname.lower(), "message": record.getMessage()}
        return json.dumps(line | getattr(record, "fields", {}), ensure_ascii=False, default=str)


def settings_of(given: argparse.Namespace, **more: Any) -> Settings:
    """Return the settings in force for a command."""
    allow_private = getattr(given, "allow_private", None)
    return Settings.load(lake=getattr(given, "lake", None), allow_private=allow_private, **more)


def lake_of(given: argparse.Namespace) -> Lake:
    """Return the lake a command is about.

    Raises:
        UsageError: there is none.
    """
    from warehouse.lake import Lake

    return Lake.open(settings_of(given).lake)


def print_table(columns: tuple[str, ...], rows: list[list[Any]]) -> None:
    """Print rows under their columns, numbers to the right."""
    cells = [list(columns), *[["" if value is None else str(value) for value in row] for row in rows]]
    sizes = [max(len(row[position]) for row in cells) for position in range(len(columns))]
    for row in cells:
        print("  ".join(_aligned(cell, size) for cell, size in zip(row, sizes, strict=True)).rstrip())


def _aligned(cell: str, size: int) -> str:
    return cell.rjust(size) if cell.isdigit() else cell.ljust(size)
