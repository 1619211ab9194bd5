"""What commands share: the settings and the lake they were given, and plain tables."""

from __future__ import annotations

import argparse
import json
import logging
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from flows.settings import Settings

if TYPE_CHECKING:
    from warehouse.lake import Lake

# Of what JSON lets stand as it is, what a terminal obeys or what turns the order of reading.
_OBEYED = re.compile("[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, message, and what the caller gave as ``extra={"fields": …}``."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {"time": moment, "level": record.levelname.lower(), "message": record.getMessage()}
        return json.dumps(line | getattr(record, "fields", {}), ensure_ascii=False, default=str)


class PlainLines(logging.Formatter):
    """One line of text for each record, without anything that a terminal would obey."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of a record; only tracebacks, which are ours, have several lines."""
        from warehouse.tabular import clean

        said = clean(record.getMessage())
        return said if record.exc_info is None else f"{said}\n{self.formatException(record.exc_info)}"


def say(text: str) -> None:
    """Print one line of what sites and files may have had a hand in."""
    from warehouse.tabular import clean

    print(clean(text))


def say_json(value: Any) -> None:
    """Print a value as one line of JSON, which stays the same value for whoever reads it."""
    text = json.dumps(value, ensure_ascii=False)
    print(_OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", text))


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
    from warehouse.tabular import clean

    cells = [list(columns), *[["" if value is None else clean(str(value)) for value in row] for row in rows]]
    sizes = [max(len(row[position]) for row in cells) for position in range(len(columns))]
    for row in cells:
        print("  ".join(_aligned(cell, size) for cell, size in zip(row, sizes, strict=True)).rstrip())


def _aligned(cell: str, size: int) -> str:
    return cell.rjust(size) if cell.isdigit() else cell.ljust(size)
